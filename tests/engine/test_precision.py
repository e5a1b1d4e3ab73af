"""--precision, --compile, --grad_accum and what a step reports, through the engine and the commands."""
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import models
import train as train_command
from engine.engine import Engine
from engine.feed import groups, prefetched
from engine.precision import autocast, choose_precision
from engine.section import Work
from engine.step_result import NotFinite
from helpers.commands import TINY
from helpers.images import read_pixels
from models.contract import Update
from networks.losses import GAN_MODES
from options.command_line import parse
from train import COMMAND
from util.errors import UserError

CPU = torch.device("cpu")


def start(line: str, precision: str = "fp32", plain: bool = False) -> Engine:
    opt = parse(COMMAND, f"--dataroot x {TINY} {line}{' --plain' if plain else ''}".split())
    torch.manual_seed(0)
    engine = Engine(models.find(opt.model)(opt), CPU, precision, plain)
    engine.prepare_training(opt.lr, opt.beta1)
    return engine


def batch(value: float | None = None) -> dict[str, Tensor]:
    return {side: torch.rand(1, 3, 32, 32) * 2 - 1 if value is None else torch.full((1, 3, 32, 32), value)
            for side in "AB"}


@pytest.mark.parametrize("units, expected", [
    ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True, "avx512_bf16": False}, "fp32")])
def test_auto_is_bf16_only_where_the_cpu_has_units_for_it(units: dict, expected: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("auto", CPU, plain=True) == "fp32"
    assert choose_precision("bf16", CPU, plain=True) == "bf16"


@pytest.mark.parametrize("most, expected", [("AVX2", "fp32"), ("avx512_core", "fp32"), ("AVX512_CORE_BF16", "bf16")])
def test_units_that_onednn_may_not_use_do_not_count(most: str, expected: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert choose_precision("auto", CPU) == expected


def test_tf32_belongs_to_gpus():
    with pytest.raises(UserError, match="--precision fp32"):
        choose_precision("tf32", CPU)


def test_16_bits_are_for_convolutions_and_not_for_weights_and_losses():
    engine = start("--model pix2pix", "bf16")
    seen = {}
    engine.model.nets["G"].model[1].register_forward_hook(lambda net, x, y: seen.update(conv=y.dtype))
    report = engine.step(batch(), epoch=1, images=0)
    assert seen == {"conv": torch.bfloat16}
    assert {loss.dtype for loss in report.losses.values()} == {torch.float32}
    assert {p.dtype for net in engine.model.nets.values() for p in net.parameters()} == {torch.float32}
    exact = start("--model pix2pix").step(batch(), epoch=1, images=0).losses
    assert exact.keys() == report.losses.keys()
    with autocast("fp32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("gan_mode", GAN_MODES)
def test_adversarial_losses_are_counted_in_32_bits(gan_mode: str):
    engine = start(f"--model pix2pix --gan_mode {gan_mode}", "bf16")
    losses = engine.step(batch(), epoch=1, images=0).losses
    exact = start(f"--model pix2pix --gan_mode {gan_mode}").step(batch(), epoch=1, images=0).losses
    for name in losses.keys() - {"G_L1"}:
        assert losses[name].dtype == torch.float32
        assert losses[name] != losses[name].bfloat16().float()  # more digits than 16 bits have
        assert exact.keys() == losses.keys()


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_bf16_is_near_fp32(model: str):
    torch.manual_seed(3)
    images = batch()
    exact, near = (start(f"--model {model} --no_dropout", precision).step(images, epoch=1, images=0)
                   for precision in ("fp32", "bf16"))
    for name, loss in exact.losses.items():
        assert math.isclose(loss.item(), near.losses[name].item(), rel_tol=0.03, abs_tol=0.02), name
    assert (exact.images["fake_B"] - near.images["fake_B"]).abs().mean() < 0.01


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_nothing_is_learned_from_nan(model: str, plain: bool):
    engine = start(f"--model {model}", plain=plain)
    engine.step(batch(), epoch=1, images=0).require_finite()
    before = {name: p.clone() for name, p in engine.model.nets.named_parameters()}
    with pytest.raises(NotFinite) as found:
        engine.step(batch(math.nan), epoch=1, images=0).require_finite()
    assert found.value.term == ("G_A" if model == "cycle_gan" else "D_real")
    assert all(torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())
    assert all(buffer.isfinite().all() for buffer in engine.model.nets.buffers())  # statistics of batch norms
    for pool in getattr(engine.model, "pools", {}).values():
        assert all(image.isfinite().all() for image in pool.images)
    engine.step(batch(), epoch=1, images=0).require_finite()
    assert any(not torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())


def test_a_device_that_runs_ahead_still_learns_nothing_from_nan():
    """As on a GPU, where the host does not wait for the losses of a section before it goes on."""
    engine = start("--model cycle_gan")
    before = {name: p.clone() for name, p in engine.model.nets.named_parameters()}
    work = Work.begin(CPU)
    for section in engine.sections:
        work = work.remembering([engine._recall(section, made) for made in work.images])
        work = engine._compute(section, [batch(math.nan)], work)
    assert len(work.losses) == 8 and not work.finite
    assert all(torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())
    assert all(image.isfinite().all() for pool in engine.model.pools.values() for image in pool.images)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [
    "--precision bf16", "--precision fp16", "--precision bf16 --grad_accum 2 --checkpoint_activations", "--plain"])
def test_going_on_is_exact_with_all_of_it(flags: str, train: Callable[..., Path], tmp_path: Path):
    line = f"--model cycle_gan --ngf 2 --n_epochs 2 --save_latest_freq 2 --pool_size 2 {flags}"
    whole = shutil.copytree(train(line), tmp_path / "whole")
    train(f"{line} --n_epochs 1")
    run = tmp_path / "checkpoints" / "run"
    train_command.main(f"--dataroot {tmp_path / 'dataset'} --name run {TINY} {line} --continue_train".split())
    for path in sorted(whole.glob("latest_net_*.pth")):
        ours, theirs = (torch.load(folder / path.name, weights_only=True) for folder in (whole, run))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), path.name
        assert {value.dtype for value in ours.values()} == {torch.float32}
        assert all(value.is_contiguous() for value in ours.values())


@pytest.mark.slow
@pytest.mark.parametrize("before, after", [("", "--plain"), ("--plain", "")])
def test_a_training_goes_on_with_other_flags_of_speed(
        before: str, after: str, train: Callable[..., Path], tmp_path: Path):
    """The moments of Adam keep their places when the layout of the weights changes."""
    line = "--model cycle_gan --no_flip --no_dropout --pool_size 0"
    same = shutil.copytree(train(f"{line} --n_epochs 2 {before}"), tmp_path / "same")
    train(f"{line} {before}")
    more = f"--n_epochs 2 {after} --continue_train"
    train_command.main(f"--dataroot {tmp_path / 'dataset'} --name run {TINY} {line} {more}".split())
    for name in ("D_A", "D_B"):
        ours, theirs = (torch.load(folder / f"latest_net_{name}.pth", weights_only=True)
                        for folder in (same, tmp_path / "checkpoints" / "run"))
        assert all((ours[key] - theirs[key]).abs().mean() < 2e-5 for key in ours if "weight" in key)  # a step is 2e-4


def test_a_step_of_several_batches_counts_all_their_images(train: Callable[..., Path]):
    run = train("--model pix2pix --grad_accum 3 --print_freq 1")
    lines = [line for line in (run / "loss_log.txt").read_text().splitlines() if line.startswith("(")]
    assert [line.partition("iters: ")[2].partition(",")[0] for line in lines] == ["3", "4"]


def test_groups_of_batches():
    assert list(groups(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(groups([], 3)) == []
    assert list(prefetched([{"A": 1}, {"A": 2}], CPU)) == [{"A": 1}, {"A": 2}]


def test_the_log_names_the_precision(train: Callable[..., Path], capsys: pytest.CaptureFixture):
    train("--model template --precision bf16")
    assert "precision bf16" in capsys.readouterr().out


def test_translating_in_16_bits(train: Callable[..., Path], translate: Callable[..., Path]):
    train("--model pix2pix --no_dropout")
    exact, near = ({path.name: read_pixels(path).astype(int) for path in (translate(line) / "images").iterdir()}
                   for line in ("--model pix2pix", "--model pix2pix --precision bf16"))
    differences = {name: abs(exact[name] - near[name]) for name in exact if "fake" in name}
    assert differences and all(0 < d.max() <= 12 for d in differences.values())


def test_compiled_networks_cannot_compute_activations_again(train: Callable[..., Path], failure: Callable):
    code, said = failure(train, "--model template --compile --checkpoint_activations")
    assert code == 2 and "leave out --checkpoint_activations" in said


def test_a_step_that_was_skipped_does_not_hide_the_one_after(
        train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """As on a GPU, where a NaN is told two steps later, when a good step is the newest."""
    init, step = Engine.__init__, Engine.step
    count = 0

    def late(self: Engine, *args: object, **more: object) -> None:
        init(self, *args, **more)
        self.ahead = 2

    def poisoned(self: Engine, *batches: dict, **when: int) -> object:
        nonlocal count
        count += 1
        return step(self, *[batch | {"A": batch["A"] * (math.nan if count == 2 else 1)} for batch in batches], **when)
    monkeypatch.setattr(Engine, "__init__", late)
    monkeypatch.setattr(Engine, "step", poisoned)
    run = train("--model pix2pix --on_nan skip --print_freq 3")
    lines = [line for line in (run / "loss_log.txt").read_text().splitlines() if line.startswith("(")]
    assert [line.partition("iters: ")[2].partition(",")[0] for line in lines] == ["3", "4"]
    assert all("nan" not in line for line in lines)


def test_with_fp16_too_one_network_does_not_learn_when_the_other_cannot(monkeypatch: pytest.MonkeyPatch):
    kind = models.find("pix2pix")
    losses_D = kind.losses_D
    monkeypatch.setattr(kind, "losses_D", lambda self, images:
                        losses_D(self, images) | {"D_real": images["real_A"].sum() * math.inf})
    engine = start("--model pix2pix", "fp16")
    engine.scaler = torch.amp.GradScaler("cpu", init_scale=8)  # the usual one would overflow in the first step
    before = {name: p.clone() for name, p in engine.model.nets.named_parameters()}
    with pytest.raises(NotFinite):
        engine.step(batch(), epoch=1, images=0).require_finite()
    assert all(torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())
    monkeypatch.setattr(kind, "losses_D", losses_D)
    able = start("--model pix2pix", "fp16")
    able.scaler = torch.amp.GradScaler("cpu", init_scale=8)
    able.step(batch(), epoch=1, images=0).require_finite()
    assert not any(torch.equal(p, before[name]) for name, p in able.model.nets.named_parameters() if "weight" in name)


def test_the_first_update_has_nothing_to_recall(monkeypatch: pytest.MonkeyPatch):
    kind = models.find("template")
    monkeypatch.setattr(kind, "updates", property(lambda self: (
        Update("G", ("G",), self.losses_G, recall=lambda images, source: images),)))
    with pytest.raises(TypeError, match="first update"):
        start("--model template")
