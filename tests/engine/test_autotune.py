"""What a race chooses, what is remembered of it, and that going on keeps to it."""
import json
import math
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

import models
from engine import autotune, tuning
from engine.autotune import Chosen, decide, machine
from engine.engine import Engine
from engine.layer_calls import Calls, call_of, calls_of_step, calls_of_translation
from engine.race import Candidate, Stopwatch
from helpers.commands import load_command
from helpers.engines import options
from helpers.images import write_pairs
from helpers.trainings import equal, weights
from networks import scratch
from networks.fast_layers import accelerate
from networks.generators import GENERATORS
from networks.ways import BiaslessConv2d, TunedConv2d, Ways
from util.user_cache import user_cache

CPU = torch.device("cpu")
LINE = "--model pix2pix --netG resnet_6blocks --norm instance --no_dropout --ngf 4 --ndf 4 --crop_size 32"
CYCLE = LINE.replace("pix2pix", "cycle_gan")


class Told(Stopwatch):
    """A stopwatch that knows the answers. seconds_of: of a candidate. The clock moves by what it tells."""

    def __init__(self, seconds_of: Callable[[Candidate], float]):
        self.seconds_of, self.time, self.asked = seconds_of, 0.0, list[Candidate]()

    def now(self) -> float:
        return self.time

    def seconds(self, candidate: Candidate, run: Callable[[], object]) -> float:
        if candidate not in self.asked:
            run()  # what is raced works
        self.asked.append(candidate)
        seconds = self.seconds_of(candidate)
        self.time += seconds
        return seconds


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Networks of any size are raced, and remembered in a folder of the test's own."""
    monkeypatch.setattr(tuning, "FEWEST", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def engine(line: str = LINE, watch: Stopwatch | None = None, on: bool = True) -> Engine:
    opt = options(line)
    torch.manual_seed(0)
    made = Engine(models.find(opt.model)(opt), CPU, autotune=on, verbose=opt.verbose)
    made.tuning.watch = watch
    made.prepare_training(opt.lr, opt.beta1)
    return made


def batch(size: int = 32) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    return {side: torch.rand(1, 3, size, size, generator=source) * 2 - 1 for side in "AB"}


def layouts(made: Engine) -> dict[str, bool]:
    """Whether each network is channels_last."""
    return {name: not next(p for p in net.parameters() if min(p.shape[1:]) > 1).is_contiguous()
            for name, net in made.model.nets.items()}


def prefers(layout: str, way: str, factor: float = 0.1) -> Callable[[Candidate], float]:
    """1 ms in general, less in one layout, and less again in one way."""
    return lambda one: 1e-3 * (factor if one.lane[0] == layout else 1) * (0.5 if one.lane[1] == way else 1)


@pytest.mark.parametrize(("layout", "way"), [("channels_last", "winograd2"), ("channels_last", "winograd4"),
                                             ("contiguous", "direct")])
@pytest.mark.usefixtures("always")
def test_the_fastest_wins(layout: str, way: str):
    made = engine(watch=Told(prefers(layout, way)))
    assert set(layouts(made).values()) == {True}
    made.step(batch(), epoch=1, images=0)
    assert set(layouts(made).values()) == {layout == "channels_last"}
    block = made.model.nets["G"].model[10].conv_block[1]
    assert isinstance(block, BiaslessConv2d)
    x = torch.rand(1, 16, 10, 10, requires_grad=True)
    assert block.ways.of(block, x) == way
    said = made.notices()
    assert len(said) == 1
    assert said[0].startswith(f"autotune: G {layout}" + (f" with {way};" if way != "direct" else ";"))
    assert "(raced in " in said[0]


@pytest.mark.slow
@pytest.mark.parametrize(("netG", "layout", "way"), [
    ("resnet_6blocks", "channels_last", "winograd4"), ("resnet_6blocks", "contiguous", "winograd4"),
    ("resnet_9blocks", "channels_last", "winograd2"), ("resnet_9blocks", "contiguous", "winograd2"),
    ("resnet_9blocks", "channels_last", "unrolled"),
    ("resnet_6blocks", "contiguous", "direct"), ("unet_128", "channels_last", "direct"),
    *((netG, "contiguous", "matmul") for netG in GENERATORS if "resnet" not in netG)])
@pytest.mark.usefixtures("always")
def test_every_way_computes_the_plain_step(netG: str, layout: str, way: str, monkeypatch: pytest.MonkeyPatch):
    """In float64, to 1e-9: losses of three steps, and what the generator makes after them, at batch 1 and 2."""
    monkeypatch.setattr("networks.ways.FEWEST_UNROLLED", 2)
    size, norm = (36, "instance") if "resnet" in netG else (GENERATORS[netG].min_size, "batch")  # blocks see 9 x 9
    for count in (1, 2):
        line = f"--model pix2pix --netG {netG} --norm {norm} --no_dropout --ngf 2 --ndf 2 --crop_size {size}"
        fast = engine(line, Told(prefers(layout, way)))
        plain = Engine(*_plain(f"{line} --plain"), plain=True)
        plain.prepare_training(0.0002, 0.5)
        for one in (fast, plain):
            one.model.nets.double()
        images = {side: torch.rand(count, 3, size, size, dtype=torch.float64) * 2 - 1 for side in "AB"}
        for step in range(3):
            ours, theirs = (one.step(images, epoch=1, images=step).losses for one in (fast, plain))
            assert all(math.isclose(ours[name], theirs[name], rel_tol=1e-9, abs_tol=1e-9) for name in theirs)
        assert any(way in sizes.values() for sizes in fast.tuning.chosen.ways["G"].values())
        assert layouts(fast)["G"] == (layout == "channels_last")
        with torch.no_grad():
            assert (fast.model.nets["G"](images["A"]) - plain.model.nets["G"](images["A"])).abs().max() < 1e-9


def _plain(line: str) -> tuple[models.contract.Model, torch.device]:
    opt = options(line)
    torch.manual_seed(0)
    return models.find(opt.model)(opt), CPU


@pytest.mark.usefixtures("always")
def test_little_gains_are_noise():
    made = engine(watch=Told(prefers("contiguous", "direct", factor=0.99)))
    made.step(batch(), epoch=1, images=0)
    assert set(layouts(made).values()) == {True}


@pytest.mark.usefixtures("always")
def test_what_was_raced_is_remembered_for_the_machine(monkeypatch: pytest.MonkeyPatch):
    engine(watch=Told(prefers("contiguous", "direct"))).tuning.before_step(batch())
    again, watch = engine(watch=(watch := Told(prefers("channels_last", "winograd2")))), watch
    again.tuning.before_step(batch())
    assert not watch.asked
    assert set(layouts(again).values()) == {False}
    assert "(remembered)" in again.notices()[0]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # which is another machine
    other = engine(watch=watch)
    other.tuning.before_step(batch())
    assert watch.asked
    assert set(layouts(other).values()) == {True}
    assert machine()["switches"]["ONEDNN_MAX_CPU_ISA"] == "AVX2"


@pytest.mark.usefixtures("always")
def test_a_damaged_memory_is_no_memory():
    engine(watch=Told(prefers("contiguous", "direct"))).tuning.before_step(batch())
    (place,) = (user_cache() / "autotune").iterdir()
    assert autotune._remembered(place).layouts["G"] == "contiguous"
    for content in ("", "{", "[]", '{"layouts": {"G_A": "sideways"}}', '{"other": 1}',
                    '{"ways": {"G": {"x": {"y": 1}}}}', '{"ways": {"G": {"x": {"1x2x2": "sideways"}}}}'):
        place.write_text(content)
        assert autotune._remembered(place) is None
    made = engine(watch=Told(prefers("contiguous", "direct")))
    made.tuning.before_step(batch())
    assert "(raced in " in made.notices()[0]
    assert json.loads(place.read_text())["layouts"]["G"] == "contiguous"


@pytest.mark.usefixtures("always")
def test_off_plain_and_small_networks_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    watch = Told(prefers("contiguous", "direct"))
    off = engine(watch=watch, on=False)
    plain = Engine(off.model, CPU, plain=True, autotune=True)
    monkeypatch.undo()
    small = engine(watch=watch)
    for made in (off, small):
        made.step(batch(), epoch=1, images=0)
        assert set(layouts(made).values()) == {True}
        assert made.notices() == []
    assert not watch.asked
    assert not plain.tuning.on


@pytest.mark.usefixtures("always")
def test_a_race_ends_in_time_and_unraced_layers_stay():
    watch = Told(lambda one: 0.3)
    made = engine(CYCLE, watch)
    made.tuning.before_step(batch())
    assert watch.now() < 4 * autotune.LIMIT + 3 * 4 * 0.3  # four networks, and the candidates of the last layer
    ways = made.model.nets["G_A"].model[10].conv_block[1].ways
    assert ways.of(TunedConv2d(7, 7, 3), torch.rand(1, 7, 9, 9)) == "direct"


@pytest.mark.usefixtures("always")
def test_what_slows_a_run_does_not_decide():
    """The first run that counts of each candidate takes a hundred times as long, and every other one."""
    slowed, fair = Counter[Candidate](), prefers("channels_last", "winograd4")

    def seconds(one: Candidate) -> float:
        slowed[one] += 1
        return fair(one) * (100 if one.lane[0] == "channels_last" and slowed[one] % 2 == 0 else 1)

    made = engine(watch=Told(seconds))
    made.tuning.before_step(batch())
    assert made.notices()[0].startswith("autotune: G channels_last with winograd4;")


@pytest.mark.usefixtures("always")
def test_a_race_leaves_the_model_and_its_numbers_alone():
    line = "--model pix2pix --netG unet_128 --ngf 2 --ndf 2 --crop_size 128 --norm batch"
    made, other = engine(line, Told(lambda one: 1e-3)), engine(line, on=False)
    before = {name: value.clone() for name, value in made.model.nets.state_dict().items()}
    numbers = torch.get_rng_state()
    made.tuning.before_step(batch(128))
    assert not vars(scratch._rooms)
    assert torch.equal(numbers, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in made.model.nets.state_dict().items())
    assert all(p.grad is None for p in made.model.nets.parameters())
    assert not any(layer._forward_pre_hooks for layer in made.model.nets.modules())
    ours, theirs = (one.step(batch(128), epoch=1, images=0) for one in (made, other))
    assert all(math.isclose(ours.losses[name], theirs.losses[name], rel_tol=1e-4) for name in theirs.losses)


def test_which_layers_are_called():
    opt = options("--model pix2pix --netG unet_128 --ngf 2 --ndf 2 --norm instance --crop_size 128 --pool_size 3")
    model = models.find("pix2pix")(opt)
    model.prepare_training()
    made = calls_of_step(model, batch(128), nullcontext, merge=True)
    names = {(net, call.name, call.shapes): count
             for net, counts in made.of.items() for call, count in counts.items()}
    assert names["G", "conv 3>2 4x4 stride 2 pad 1, dw", ((1, 3, 128, 128),)] == 1
    assert names["G", "Beside()", ((1, 2, 64, 64), (1, 2, 64, 64))] == 1
    assert names["D", "conv 6>2 4x4 stride 2 pad 1, dw", ((2, 6, 128, 128),)] == 1
    assert names["D", "conv 6>2 4x4 stride 2 pad 1, dx", ((1, 6, 128, 128),)] == 1
    separate = calls_of_step(model, batch(128), nullcontext, merge=False)
    assert sum(separate.of["D"].values()) == sum(made.of["D"].values()) * 3 / 2
    translating = calls_of_translation(model, batch(128), nullcontext)
    assert set(translating.of) == {"G"}
    assert not any(any(call.gradients) for call in translating.of["G"])
    assert not any(layer._forward_pre_hooks for layer in made.layers.values())  # copies would copy all of it


def test_passes_are_merged_or_separate_by_what_they_take():
    net = accelerate(nn.Sequential(nn.Conv2d(4, 4, 3)))
    def calls(samples: int, count: int) -> Calls:
        made, call = Calls(), call_of(net[0], ((samples, 4, 8, 8),), (True, True))
        made.of["D"][call], made.layers[call] = count, net[0]
        return made
    both = {True: calls(2, 1), False: calls(1, 2)}
    for of_two, of_one, expected in ((3.0, 1.0, False), (1.9, 1.0, True), (2.01, 1.0, True)):
        times = {call: {(layout, "direct"): seconds for layout in autotune.LAYOUTS}
                 for merge, seconds in ((True, of_two), (False, of_one)) for call in both[merge].layers}
        chosen = decide(both, times, {"D": "contiguous"}, fixed=False)
        assert chosen.merge is expected
        assert ("separate passes" in chosen.told()) is not expected
        assert decide(both, dict(list(times.items())[:1]), {"D": "contiguous"}, fixed=False).merge is True


def test_another_size_takes_the_way_of_the_nearest():
    layer, x = TunedConv2d(2, 2, 3), torch.rand(1, 2, 20, 20)
    ways = Ways({"conv 2>2 3x3 stride 1 pad 0": {"1x16x16": "winograd2", "1x64x64": "winograd4"}})
    with torch.no_grad():
        assert [ways.of(layer, torch.rand(1, 2, side, side)) for side in (4, 8, 20, 40, 64, 128, 129)] == [
            "direct", "winograd2", "winograd2", "winograd4", "winograd4", "winograd4", "direct"]
    assert ways.of(layer, x) == "direct"  # with gradients it was never raced


@pytest.mark.usefixtures("always")
def test_going_on_keeps_to_what_the_state_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever the machine remembers by then."""
    train = load_command("train")
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "data" / "train", 4)
    watch = Told(prefers("channels_last", "winograd4"))
    monkeypatch.setattr(autotune, "Stopwatch", lambda: watch)
    line = ("--dataroot data --model cycle_gan --dataset_mode aligned --netG resnet_6blocks --ngf 4 --ndf 4 "
            "--gpu_ids -1 --load_size 32 --crop_size 32 --precision fp32 --num_threads 0 --display_id 0 "
            "--autotune auto --verbose ")
    train.main(f"{line} --name whole --n_epochs 2 --n_epochs_decay 0".split())
    train.main(f"{line} --name parts --n_epochs 1 --n_epochs_decay 0".split())
    assert watch.asked
    for place in (user_cache() / "autotune").iterdir():
        chosen = json.loads(place.read_text())
        other = Chosen(dict.fromkeys(chosen["layouts"], "contiguous"), {}, merge=False)
        place.write_text(json.dumps(vars(other)))
    train.main(f"--dataroot data --name parts --continue_train --n_epochs 2 {line.split('data ', 1)[1]}".split())
    for net in ("G_A", "G_B", "D_A", "D_B"):
        whole, parts = (weights(tmp_path / "checkpoints" / name / f"latest_net_{net}.pth")
                        for name in ("whole", "parts"))
        assert equal(whole, parts), net
    log = (tmp_path / "checkpoints" / "whole" / "loss_log.txt").read_text()
    assert log.count("autotune: G_A channels_last with winograd4") == 1
    assert "12 times conv 16>16 3x3 stride 1 pad 0 reflect 1, dx, dw of 2x16x8x8: channels_last direct 0.10" in log
    train.main(f"{line} --name other --n_epochs 2 --n_epochs_decay 0".split())  # it is another choice indeed
    assert not equal(*(weights(tmp_path / "checkpoints" / name / "latest_net_G_A.pth") for name in ("whole", "other")))


@pytest.mark.usefixtures("always")
def test_translating_is_tuned_before_the_first_picture():
    opt = options(CYCLE)
    translating = Engine(models.find(opt.model)(opt), CPU, autotune=True)
    translating.tuning.watch = Told(prefers("contiguous", "direct"))
    translating.translate(batch())
    assert set(layouts(translating).values()) == {False}
    assert "autotune: G_A contiguous; G_B contiguous (raced" in translating.notices()[0]


@pytest.mark.usefixtures("always")
def test_what_translations_take_is_told(trained: Callable[..., Path], dataroot: Path, capsys: pytest.CaptureFixture,
                                        monkeypatch: pytest.MonkeyPatch):
    trained("--model cycle_gan")
    watch = Told(prefers("contiguous", "matmul"))
    monkeypatch.setattr(autotune, "Stopwatch", lambda: watch)
    line = f"--dataroot {dataroot}/testA --model test --name run --num_threads 0 --gpu_ids -1 --num_test 1"
    for more, how in (("", "raced in"), ("--output out", "remembered")):
        load_command("test").main(f"{line} {more}".split())
        assert f"autotune: G_A contiguous with matmul ({how}" in capsys.readouterr().out


@pytest.mark.usefixtures("always")
def test_what_cannot_be_raced_is_trained_all_the_same():
    made = engine()
    made.model.draw = lambda batch, generator: 1 / 0
    made.tuning.before_step(batch())
    assert made.notices() == ["autotune: everything is left as it is (ZeroDivisionError: division by zero)"]
    assert made.state()["chosen"] == {"layouts": {}, "ways": {}, "merge": None, "table": []}


@pytest.mark.parametrize("way", ["winograd4", "winograd2", "unrolled"])
@pytest.mark.usefixtures("always")
def test_what_was_chosen_for_32_bits_goes_on_in_16(way: str, monkeypatch: pytest.MonkeyPatch):
    """As on another machine, where --precision auto is bf16."""
    monkeypatch.setattr("networks.ways.FEWEST_UNROLLED", 2)
    made = engine(watch=Told(prefers("channels_last", way)))
    made.step(batch(), epoch=1, images=0)
    assert way in made.tuning.chosen.told()
    steps = []
    for on in (True, False):
        opt = options(LINE)
        later = Engine(models.find(opt.model)(opt), CPU, "bf16", autotune=on)
        later.prepare_training(opt.lr, opt.beta1)
        later.load_state(made.state())
        steps.append(later.step(batch(), epoch=1, images=1).losses)
    assert all(math.isclose(steps[0][name], steps[1][name], rel_tol=1e-2) for name in steps[1])


def test_an_older_state_knew_no_choice():
    made = engine()
    made.tuning.load_state({})
    assert made.tuning.chosen == Chosen()
    waiting = engine()
    waiting.tuning.load_state({"chosen": None})  # saved before the first step
    assert waiting.tuning.chosen is None
