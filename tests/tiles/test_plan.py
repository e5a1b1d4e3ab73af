"""Plans say what a translation by tiles will cost."""
import pytest
import torch

from networks.generators import GENERATORS
from tiles.plan import in_bytes, make_plan
from tiles.schedule import make_passes
from tiles.statistics import Statistics
from tiles.unfolding import unfold
from util.errors import UserError

NET = GENERATORS["resnet_9blocks"].build(3, 3, 16, "instance", False)
UNET = GENERATORS["unet_256"].build(3, 3, 16, "instance", False)


def test_a_giant_picture_is_planned_within_memory_disk_and_arithmetic():
    plan = make_plan(NET, (16384, 16384), None, "exact", 10**9)
    assert plan.memory <= 10**9
    assert plan.passes == 24  # a norm each, and the last one
    assert plan.flops / plan.flops_of_one_pass < 1.2
    assert plan.scratch == 4 * 16384**2 * 16  # four images of 64 channels at a quarter of each side
    said = plan.describe()
    assert all(part in said for part in ("16384x16384", "24 passes", "1.19 times", "17.2 GB", in_bytes(plan.memory)))


def test_nothing_of_a_u_net_is_computed_twice_but_halos():
    plan = make_plan(UNET, (4096, 4096), 1024, "exact", 10**10)
    assert plan.flops / plan.flops_of_one_pass < 1.02


def test_larger_tiles_are_for_more_memory():
    plans = [make_plan(NET, (8192, 8192), None, "exact", memory) for memory in (80 * 10**6, 110 * 10**6, 10**10)]
    assert plans[0].tile < plans[1].tile < plans[2].tile == 512
    assert plans[0].memory <= 80 * 10**6 and plans[1].memory <= 110 * 10**6


def test_too_little_memory_is_said():
    with pytest.raises(UserError, match="tiles of 64x64 pixels take .* MB of memory, and there are 1 MB; give more"):
        make_plan(NET, (8192, 8192), None, "exact", 10**6)
    with pytest.raises(UserError, match="tiles of 4096x4096 pixels .* give a smaller --tile"):
        make_plan(NET, (8192, 8192), 4096, "exact", 10**9)


def test_statistics_that_need_no_looking_need_few_passes():
    batch = GENERATORS["resnet_9blocks"].build(3, 3, 4, "batch", False).eval()
    assert make_plan(batch, (4096, 4096), 2048, "exact", 10**10).passes == 1  # the halos are small
    kept = make_plan(batch, (4096, 4096), 256, "exact", 10**10)
    assert kept.passes > 1 and kept.scratch > 0 and kept.flops < 1.1 * kept.flops_of_one_pass
    assert make_plan(NET, (4096, 4096), 2048, "thumbnail", 10**10).passes == 1


def test_what_is_read_was_written_before_and_is_there_still():
    for net in (NET, UNET, GENERATORS["unet_128"].build(3, 3, 4, "none", False)):
        graph = unfold(net, (512, 512))
        there = {graph.source}
        for made in make_passes(graph, stepwise=True):
            assert made.read <= there
            there = (there | made.written) - made.last
        assert there == {graph.source, graph.result}


def test_statistics_of_parts_are_those_of_the_whole():
    torch.manual_seed(0)
    values = torch.randn(1, 5, 70, 90) * torch.tensor([1, 1e-3, 5, 0.1, 0])[:, None, None] + 4
    known = Statistics.of(values[:, :, :13])
    for part in (values[:, :, 13:, :1], values[:, :, 13:, 1:]):
        known = known.with_(Statistics.from_state(Statistics.of(part).state()))
    assert known.count == 70 * 90
    torch.testing.assert_close(known.mean, values.double().mean((0, 2, 3)), rtol=1e-7, atol=0)  # parts are float32
    torch.testing.assert_close(known.variance, values.double().var((0, 2, 3), correction=0), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("number, said", [(0, "0 bytes"), (999, "999 bytes"), (64e6, "64 MB"), (1.72e10, "17.2 GB")])
def test_bytes_are_said_for_people(number: float, said: str):
    assert in_bytes(number) == said
