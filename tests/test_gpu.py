"""What only an NVIDIA GPU can show; skipped, out loud, where there is none."""
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import bothways
import models
import train as train_command
from engine.engine import Engine
from engine.feed import prefetched
from engine.shortage import explain_shortage
from engine.step_result import NotFinite
from helpers.commands import TINY
from helpers.images import read_pixels, write_image
from options.command_line import parse
from runs.loss_means import LossMeans
from train import COMMAND
from util.errors import MachineError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
ON_GPU = TINY.replace("--gpu_ids -1", "--gpu_ids 0")


def start(line: str, record: bool = False) -> Engine:
    opt = parse(COMMAND, f"--dataroot x {ON_GPU} --pool_size 2 {line}".split())
    torch.manual_seed(0)
    engine = Engine(models.find(opt.model)(opt), torch.device("cuda", 0), opt.precision, opt.plain)
    engine.prepare_training(opt.lr, opt.beta1, record)
    return engine


def batch(seed: int, count: int = 1) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {side: torch.rand(count, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"}


def losses(engine: Engine, steps: int = 9) -> list[dict[str, float]]:
    torch.manual_seed(7)
    reports = (engine.step(batch(seed, 2 if seed == 7 else 1), epoch=1, images=seed) for seed in range(steps))
    return [{name: loss.item() for name, loss in report.losses.items()} for report in reports]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_recorded_steps_are_the_steps_one_by_one(model: str, precision: str):
    line = f"--model {model} --no_dropout --precision {precision}"
    one_by_one, recorded = start(line), start(line, record=True)
    near = 1e-3 if precision == "fp32" else 0.05
    for ours, theirs in zip(losses(one_by_one), losses(recorded), strict=True):
        assert all(math.isclose(ours[name], theirs[name], rel_tol=near, abs_tol=near) for name in ours), (ours, theirs)
    assert len(recorded.recorded.graphs) == (2 if model == "cycle_gan" else 1)


def test_a_recorded_step_follows_the_learning_rate():
    engine = start("--model pix2pix --no_dropout", record=True)
    losses(engine, 6)
    engine.optimizers.set_lr(0)
    before = {name: p.clone() for name, p in engine.model.nets.named_parameters()}
    engine.step(batch(0), epoch=1, images=0)
    assert all(torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())


@pytest.mark.parametrize("record", [True, False])
def test_nothing_is_learned_from_nan_while_the_host_looks_away(record: bool):
    engine = start("--model cycle_gan", record=record)
    losses(engine, 6)
    before = {name: p.clone() for name, p in engine.model.nets.named_parameters()}
    report = engine.step({side: torch.full((1, 3, 32, 32), math.nan) for side in "AB"}, epoch=1, images=0)
    with pytest.raises(NotFinite):
        report.require_finite()
    assert all(torch.equal(p, before[name]) for name, p in engine.model.nets.named_parameters())
    engine.step(batch(1), epoch=1, images=0).require_finite()


def test_means_of_recorded_steps_leave_out_nan_and_do_not_wait():
    engine, means = start("--model pix2pix --no_dropout", record=True), LossMeans(torch.device("cuda", 0))
    single = []
    for seed in range(9):
        images = {side: torch.full((1, 3, 32, 32), math.nan) for side in "AB"} if seed == 6 else batch(seed)
        report = engine.step(images, epoch=1, images=seed)
        torch.cuda.set_sync_debug_mode("error")
        means.add(report)
        torch.cuda.set_sync_debug_mode("default")
        single += [report.losses["G_L1"].item()] if seed != 6 else []
    assert math.isclose(means.take()["G_L1"], sum(single) / 8, rel_tol=1e-6)


def test_batches_come_in_order_from_the_stream_of_their_own():
    sent = [batch(seed) for seed in range(20)]
    pinned = ({name: value.pin_memory() for name, value in one.items()} for one in sent)
    for ours, theirs in zip(sent, prefetched(pinned, torch.device("cuda", 0)), strict=True):
        assert theirs["A"].is_cuda and torch.equal(theirs["A"].cpu(), ours["A"])


@pytest.mark.parametrize("flags", ["", "--precision fp16", "--cuda_graph off", "--cache device", "--plain"])
def test_training_by_command_and_translating_on_the_cpu(flags: str, train: Callable[..., Path],
                                                        translate: Callable[..., Path]):
    run = train(f"--model cycle_gan --gpu_ids 0 --precision auto --n_epochs 3 {flags}")
    keys = list(torch.load(run / "latest_net_G_A.pth", weights_only=True))
    model = models.find("cycle_gan")(parse(COMMAND, f"--dataroot x {TINY}".split()))
    assert keys == list(model.nets["G_A"].state_dict())
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert all(math.isfinite(value) for value in last["losses"].values())
    assert read_pixels(translate("--model cycle_gan") / "images" / "1_fake_B.png").shape == (32, 32, 3)


def test_going_on_keeps_what_a_recorded_step_needs(train: Callable[..., Path], tmp_path: Path):
    line = "--model cycle_gan --gpu_ids 0 --precision auto"
    run = train(line)
    train_command.main(
        f"--dataroot {tmp_path / 'dataset'} --name run {TINY} {line} --n_epochs 3 --continue_train".split())
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["epoch"] == 3 and all(math.isfinite(value) for value in rows[-1]["losses"].values())


def test_too_little_memory_is_told_with_advice():
    with pytest.raises(MachineError, match="--grad_accum"), explain_shortage(train_command.MEMORY_ADVICE):
        torch.empty(2**48, dtype=torch.uint8, device="cuda")


def test_tiles_give_what_one_pass_gives(train: Callable[..., Path], tmp_path: Path):
    translator = bothways.load(train("--model cycle_gan --gpu_ids 0"), preprocess="none")
    write_image(tmp_path / "a.png", 150, 91, seed=1)
    translator.translate_file(tmp_path / "a.png", tmp_path / "tiles.png", tile=64)
    whole, tiles = translator(read_pixels(tmp_path / "a.png")), read_pixels(tmp_path / "tiles.png")
    assert translator.device.type == "cuda"
    assert np.abs(whole.astype(int) - tiles).max() <= 1
