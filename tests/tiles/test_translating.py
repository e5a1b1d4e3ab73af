"""A generator over tiles does what it does in one pass over the whole picture."""
import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from networks.fast_layers import accelerate
from networks.generators import GENERATORS, ResnetGenerator, UnetGenerator
from networks.layers import init_weights
from tiles import exact, standing
from tiles.box import Box
from tiles.plan import Plan, make_plan
from tiles.translating import translate_tiled
from util.errors import MachineError, UserError

PLENTY = 1 << 40  # bytes of memory

NETS = {
    "resnet_9blocks": lambda norm, dropout=False: GENERATORS["resnet_9blocks"].build(3, 3, 4, norm, dropout),
    "resnet_6blocks": lambda norm, dropout=False: GENERATORS["resnet_6blocks"].build(2, 1, 4, norm, dropout),
    "unet": lambda norm, dropout=False: UnetGenerator(2, 1, 4, norm, dropout, num_downs=5),
    "encoder_decoder": lambda norm, dropout=False: UnetGenerator(3, 3, 4, norm, dropout, num_downs=6, skip=False),
}
GAINS = {("unet", "none"): 0.15, ("encoder_decoder", "none"): 0.2, ("encoder_decoder", "batch"): 0.15}  # else all gray
SIZES = {"resnet_9blocks": (52, 76), "resnet_6blocks": (76, 64), "unet": (96, 160), "encoder_decoder": (128, 64)}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(3)


def made(name: str, norm: str, dropout: bool = False) -> nn.Module:
    """A generator whose batch norms have learned something."""
    net = init_weights(NETS[name](norm, dropout), init_gain=GAINS.get((name, norm), 0.1))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return net


def picture(net: nn.Module, size: tuple[int, int]) -> Tensor:
    channels = next(iter(net.parameters())).shape[1]
    coarse = torch.rand(1, channels, size[0] // 4, size[1] // 4)
    return nn.functional.interpolate(coarse, size) * 2 - 1 + 0.1 * torch.rand(1, channels, *size)


def tiled(net: nn.Module, x: Tensor, scratch: Path, tile: int | None, norm: str = "exact", seed: int = 0) -> Tensor:
    """The translation of x."""
    return follow(make_plan(net, tuple(x.shape[2:]), tile, norm, PLENTY), net, x, scratch / "kept", seed)


def follow(plan: Plan, net: nn.Module, x: Tensor, scratch: Path, seed: int = 0, source: str = "",
           out: Tensor | None = None, dies_at: float = 2.0) -> Tensor:
    """The translation that a plan says, in which a pixel that nobody wrote is NaN.

    out: what was written before; dies_at: what share of the arithmetic is done when the process is killed.
    """
    channels = list(net.parameters())[-1].shape[0]
    out = torch.full((1, channels, *plan.size), torch.nan) if out is None else out

    def read(box: Box) -> Tensor:
        return x[:, :, box.top:box.top + box.height, box.left:box.left + box.width].clone()

    def write(box: Box, values: Tensor) -> None:
        assert values.shape == (1, channels, box.height, box.width) and values.dtype == torch.float32
        out[:, :, box.top:box.top + box.height, box.left:box.left + box.width] = values

    def progress(done: int, whole: int) -> None:
        if done / whole > dies_at:
            raise KeyboardInterrupt

    translate_tiled(net, plan.size, read, write, plan, scratch, progress, seed=seed, source=source)
    return out


@torch.no_grad()
def whole(net: nn.Module, x: Tensor) -> Tensor:
    return copy.deepcopy(net)(x)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("name", NETS)
def test_tiles_give_what_one_pass_gives(name: str, norm: str, training: bool, tmp_path: Path):
    net = made(name, norm).train(training)
    x = picture(net, SIZES[name])
    expected = whole(net, x)
    assert expected.std() > 1e-3
    for tile in (45, 1000):
        assert (tiled(net, x, tmp_path, tile) - expected).abs().max() < 1e-5
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NETS)
def test_layers_that_spare_work_give_the_same_by_tiles(name: str, tmp_path: Path):
    net = accelerate(made(name, "instance")).to(memory_format=torch.channels_last)
    x = picture(net, SIZES[name])
    assert (tiled(net, x, tmp_path, 32) - whole(net, x)).abs().max() < 5e-5


@pytest.mark.parametrize("tile", [7, 13])
def test_tiles_may_be_smaller_than_what_a_layer_sees(tile: int, tmp_path: Path):
    for net, size in ((ResnetGenerator(1, 1, 2, "instance", False, 1), (28, 20)),
                      (UnetGenerator(1, 1, 2, "instance", False, num_downs=5), (64, 32))):
        net = init_weights(net, init_gain=0.3)
        x = picture(net, size)
        assert (tiled(net, x, tmp_path, tile) - whole(net, x)).abs().max() < 1e-5


def test_running_statistics_learn_nothing(tmp_path: Path):
    net = made("resnet_6blocks", "batch").train()
    before = copy.deepcopy(net.state_dict())
    for norm in ("exact", "thumbnail", "local"):
        tiled(net, picture(net, (64, 64)), tmp_path, 32, norm)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("name", ["resnet_6blocks", "unet"])
def test_the_noise_of_dropout_does_not_depend_on_tiles(name: str, tmp_path: Path):
    if name == "unet":
        net = init_weights(UnetGenerator(2, 1, 2, "instance", True, num_downs=6), init_gain=0.1)
    else:
        net = made(name, "instance", dropout=True)
    x = picture(net.train(), (128, 64))
    first = tiled(net, x, tmp_path, 24, seed=1)
    assert (tiled(net, x, tmp_path, 1000, seed=1) - first).abs().max() < 1e-5
    assert (tiled(net, x, tmp_path, 24, seed=2) - first).abs().max() > 1e-2
    assert (tiled(net.eval(), x, tmp_path, 24, seed=1) - whole(net, x)).abs().max() < 1e-5


def test_dropout_drops_half_and_doubles_the_rest():
    from tiles.nodes import Dropout, Source
    node = Dropout("d", (Source("x", (), 8, (100, 100)),), 8, (100, 100), 0, 0.5, seed=4)
    kept = node.compute([torch.ones(1, 8, 100, 100)], ((0, 100), (0, 100)))
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert kept.mean().item() == pytest.approx(1, abs=0.02)
    assert len({tuple(channel.flatten().tolist()) for channel in kept[0]}) == 8
    assert torch.equal(node.compute([torch.ones(1, 8, 40, 5)], ((30, 70), (61, 66))), kept[:, :, 30:70, 61:66])


def test_the_arithmetic_is_counted_and_little_more_than_that_of_one_pass(tmp_path: Path):
    for net, size, most in ((GENERATORS["resnet_9blocks"].build(3, 3, 16, "instance", False), (96, 96), 1.3),
                            (UnetGenerator(3, 3, 4, "instance", False, num_downs=6), (128, 64), 1.1)):
        plan = make_plan(net, size, 64, "exact", PLENTY)
        x = picture(net, size)
        with FlopCounterMode(display=False) as one:
            whole(net, x)
        with FlopCounterMode(display=False) as counted:
            follow(plan, net, x, tmp_path)
        assert plan.flops_of_one_pass == one.get_total_flops()
        assert plan.flops == counted.get_total_flops()
        assert 1 <= plan.flops / plan.flops_of_one_pass < most


def test_a_translation_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(standing, "SAVED_EVERY", 0.0)
    net = made("resnet_6blocks", "instance")
    x = picture(net, (32, 96))
    for norm in ("exact", "thumbnail", "local"):
        plan = make_plan(net, (32, 96), 32, norm, PLENTY)
        expected = follow(plan, net, x, tmp_path / "never killed")
        out = torch.full_like(expected, torch.nan)
        for share in (0.03, 0.5, 0.9):
            with pytest.raises(KeyboardInterrupt):
                follow(plan, net, x, tmp_path / "killed", out=out, dies_at=share)
            assert (tmp_path / "killed" / standing.NAME).exists()
        with FlopCounterMode(display=False) as counted:
            assert torch.equal(follow(plan, net, x, tmp_path / "killed", out=out), expected)
        assert counted.get_total_flops() < 0.35 * plan.flops
        assert not (tmp_path / "killed").exists()


def test_killed_after_every_tile_it_computes_none_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(standing, "SAVED_EVERY", 0.0)
    net = made("resnet_6blocks", "instance")
    x = picture(net, (32, 64))
    plan, computed, compute = make_plan(net, (32, 64), 32, "exact", PLENTY), [], exact.compute_tile
    monkeypatch.setattr(exact, "compute_tile", lambda *tile: computed.append(tile) or compute(*tile))
    expected = follow(plan, net, x, tmp_path)
    every, out = len(computed), torch.full_like(expected, torch.nan)

    def one(*tile: object) -> None:
        if len(computed) > every:
            raise KeyboardInterrupt
        computed.append(tile)
        compute(*tile)
    monkeypatch.setattr(exact, "compute_tile", one)
    for _ in range(every - 1):
        every = len(computed)
        with pytest.raises(KeyboardInterrupt):
            follow(plan, net, x, tmp_path / "killed", out=out)
    every = len(computed)
    assert torch.equal(follow(plan, net, x, tmp_path / "killed", out=out), expected)


def test_it_is_finished_before_it_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(standing, "SAVED_EVERY", 0.0)
    net = made("resnet_6blocks", "instance")
    x, read = picture(net, (32, 64)), []
    plan = make_plan(net, (32, 64), 32, "exact", PLENTY)

    def translate(finish: Callable[[], None]) -> None:
        translate_tiled(net, plan.size, lambda box: read.append(box) or x[:, :, :, box.left:box.left + box.width],
                        lambda box, values: None, plan, tmp_path / "kept", lambda done, whole: None, finish=finish)

    def fails() -> None:
        raise MemoryError
    with pytest.raises(MemoryError):
        translate(fails)
    read.clear()
    translate(lambda: None)
    assert not read and not (tmp_path / "kept").exists()


@pytest.mark.parametrize("change", ["nothing", "weights", "source", "seed", "file", "machine"])
def test_another_translation_begins_anew(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(standing, "SAVED_EVERY", 0.0)
    net = made("resnet_6blocks", "instance")
    x = picture(net, (32, 64))
    plan = make_plan(net, (32, 64), 32, "exact", PLENTY)
    out = torch.zeros(1, 1, 32, 64)
    with pytest.raises(KeyboardInterrupt):
        follow(plan, net, x, tmp_path, source="a picture", out=out, dies_at=0.8)
    if change == "weights":
        with torch.no_grad():
            next(net.parameters()).add_(0.1)
    elif change == "file":
        next(tmp_path.glob(f"*{standing.ENDING}")).unlink()
    elif change == "machine":  # was started anew: not all may have reached the disk
        (tmp_path / "boot_id").write_text("another")
        monkeypatch.setattr(standing, "BOOT", tmp_path / "boot_id")
    (tmp_path / "a file of someone else").touch()
    with FlopCounterMode(display=False) as counted:
        follow(plan, net, x, tmp_path, int(change == "seed"), "another" if change == "source" else "a picture", out)
    assert (counted.get_total_flops() == plan.flops) == (change != "nothing")
    assert (out - whole(net, x)).abs().max() < 1e-5
    assert {path.name for path in tmp_path.iterdir()} - {"boot_id"} == {"a file of someone else"}


def test_short_work_writes_no_state(tmp_path: Path):
    net = made("resnet_6blocks", "instance")
    x = picture(net, (32, 32))
    kept = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        follow(make_plan(net, (32, 32), 16, "exact", PLENTY), net, x, kept, dies_at=0.5)
    assert not (kept / standing.NAME).exists() and list(kept.iterdir())
    assert (tiled(net, x, tmp_path, 16) - whole(net, x)).abs().max() < 1e-5  # what was left there does not matter
    assert not kept.exists()


def test_statistics_of_a_thumbnail_are_those_of_the_whole_where_it_is_the_whole(tmp_path: Path):
    net = made("resnet_6blocks", "instance")
    x = picture(net, (64, 96))
    assert (tiled(net, x, tmp_path, 32, "thumbnail") - whole(net, x)).abs().max() < 1e-5


def test_norms_that_have_learned_their_statistics_look_at_no_thumbnail(tmp_path: Path):
    net = made("resnet_6blocks", "batch").eval()
    x = picture(net, (64, 96))
    assert (tiled(net, x, tmp_path, 32, "thumbnail") - whole(net, x)).abs().max() < 1e-5


def test_a_full_disk_is_said_before_the_work_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**4))
    net = made("resnet_6blocks", "instance")
    with pytest.raises(MachineError, match="keeps 65.5 kB in .*, and 10 kB are free there"):
        tiled(net, picture(net, (64, 64)), tmp_path, 32)
    assert list(tmp_path.iterdir()) == []


def test_statistics_of_a_thumbnail_are_near_and_those_of_tiles_are_not(tmp_path: Path,
                                                                      monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tiles.plan.THUMBNAIL", 64)
    net = made("resnet_6blocks", "instance")
    x = nn.functional.interpolate(picture(net, (32, 64)), (128, 256), mode="bicubic")
    x += torch.linspace(-2, 2, 256)  # dark on the left, bright on the right
    expected = whole(net, x)
    errors = {norm: (tiled(net, x, tmp_path, 64, norm) - expected).abs().mean().item()
              for norm in ("exact", "thumbnail", "local")}
    assert errors["exact"] < 1e-5 < 1e-3 < errors["thumbnail"] < errors["local"]


def test_tiles_with_a_halo_that_holds_the_whole_picture_give_the_whole(tmp_path: Path):
    net = made("encoder_decoder", "instance")
    x = picture(net, (128, 128))
    plan = make_plan(net, (128, 128), 70, "local", PLENTY)
    assert (plan.tile, plan.halo, plan.passes) == (128, 64, 1)
    plan = make_plan(net, (128, 128), 64, "local", PLENTY)
    with FlopCounterMode(display=False) as counted:
        assert (follow(plan, net, x, tmp_path) - whole(net, x)).abs().max() < 1e-5
    assert counted.get_total_flops() - plan.flops == plan.flops_of_one_pass  # that of the comparison
    assert plan.flops == 4 * plan.flops_of_one_pass


@pytest.mark.parametrize("net, size, message", [
    (nn.Sequential(nn.Conv2d(1, 1, 3), nn.GELU()), (9, 9), "a layer GELU"),
    (nn.Linear(3, 3), (9, 9), "a layer Linear"),
    (NETS["resnet_9blocks"]("none"), (62, 64), "a picture of 64x62 pixels does not fit the network"),
    (NETS["resnet_9blocks"]("none"), (4, 64), "too small for the network: 16x1 are left of it"),
    (NETS["unet"]("none"), (16, 64), "too small for the network"),
])
def test_what_cannot_be_computed_by_tiles_is_said(net: nn.Module, size: tuple[int, int], message: str):
    with pytest.raises(UserError, match=message):
        make_plan(net, size, 32, "exact", PLENTY)


def test_files_are_written_in_long_rows_where_that_costs_little(tmp_path: Path):
    net = GENERATORS["resnet_6blocks"].build(1, 1, 4, "instance", False)
    size = 64, 480
    plan = make_plan(net, size, 64, "exact", PLENTY)
    assert plan.shapes[3:-3] == ((32, 480),) * 12  # the blocks
    x = picture(net, size)
    assert (follow(plan, net, x, tmp_path) - whole(net, x)).abs().max() < 1e-5
