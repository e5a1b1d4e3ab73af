"""The order of work in a recorded step, on the CPU: a stand-in for CUDA graphs that keeps their rules.

While recording, nothing is computed; a replay computes again with the same tensors. tests/test_gpu.py has the real ones.
"""
import copy
import math
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor

import models
from engine.engine import Engine
from engine.recorded_step import RecordedStep
from helpers.commands import TINY
from options.command_line import parse
from train import COMMAND

CPU = torch.device("cpu")


class Graph:
    """Replays by computing again, into the tensors that were there when it was recorded."""

    recording = None

    def __init__(self) -> None:
        self.work = None

    def pool(self) -> None:
        return None

    def replay(self) -> None:
        compute, section, batches, images, losses, known, told = self.work
        fresh_images, fresh_losses = [{name: images[0][name] for name in known}], {name: losses[name] for name in told}
        compute(section, batches, fresh_images, fresh_losses)
        for name in fresh_images[0].keys() - known:
            images[0][name].data.copy_(fresh_images[0][name])
        for name in fresh_losses.keys() - told:
            losses[name].copy_(fresh_losses[name])


class Stream:
    def wait_stream(self, other: object) -> None:
        pass


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def record(graph, pool=None, stream=None, capture_error_mode=""):
        Graph.recording = graph
        yield
        Graph.recording = None
    for name, value in {"Stream": Stream, "CUDAGraph": Graph, "graph": record, "current_stream": Stream,
                        "stream": lambda stream: nullcontext()}.items():
        monkeypatch.setattr(torch.cuda, name, value)


def start(line: str) -> Engine:
    opt = parse(COMMAND, f"--dataroot x {TINY} --pool_size 2 --no_dropout {line}".split())
    torch.manual_seed(0)
    engine = Engine(models.find(opt.model)(opt), CPU)
    engine.prepare_training(opt.lr, opt.beta1)
    return engine


def record(engine: Engine) -> None:
    """Make the engine record its steps with the stand-in."""
    def compute(section, batches, images, losses):
        graph = Graph.recording
        if not graph:
            return engine._compute(section, batches, images, losses)
        before = copy.deepcopy([engine.model.nets.state_dict(), *(o.state_dict() for o in engine.optimizers)])
        known, told = set(images[0]), set(losses)
        finite = engine._compute(section, batches, images, losses)
        engine.model.nets.load_state_dict(before[0])
        for optimizer, state in zip(engine.optimizers, before[1:], strict=True):
            optimizer.load_state_dict(state)
        graph.work = engine._compute, section, batches, images, losses, known, told
        return finite
    engine.recorded = RecordedStep(engine.sections, compute)


def batch(seed: int, count: int = 1) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {side: torch.rand(count, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"} | {"A_paths": [str(seed)] * count}


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_recorded_steps_are_the_steps_one_by_one(model: str, graphs: None):
    one_by_one, recorded = start(f"--model {model}"), start(f"--model {model}")
    record(recorded)
    assert len(recorded.sections) == (2 if model == "cycle_gan" else 1)
    told = []
    for engine in (one_by_one, recorded):
        torch.manual_seed(7)  # of the pools
        engine.set_lr(0.001)
        told.append([])
        for seed in range(9):
            if seed == 6:
                engine.set_lr(0.0001)
            report = engine.step(batch(seed, 2 if seed == 7 else 1))  # an odd one among them
            told[-1].append({name: loss.item() for name, loss in report.losses.items()})
            assert report.images["fake_B"].shape[0] == (2 if seed == 7 else 1)
    assert len(recorded.recorded.graphs) == len(recorded.sections)
    for ours, theirs in zip(*told, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(math.isclose(ours[name], theirs[name], rel_tol=1e-4, abs_tol=1e-5) for name in ours), (ours, theirs)


def test_recording_waits_until_sizes_stay_the_same(graphs: None):
    engine = start("--model pix2pix")
    record(engine)
    for seed, count in enumerate([1, 2, 1, 2, 1, 1, 1]):
        engine.step(batch(seed, count))
        assert not engine.recorded.graphs
    engine.step(batch(9))
    assert len(engine.recorded.graphs) == 1


def test_a_step_that_cannot_be_recorded_is_computed_all_the_same(graphs: None, capsys: pytest.CaptureFixture):
    one_by_one, stubborn = start("--model pix2pix"), start("--model pix2pix")

    def refuse(section, batches, images, losses):
        if Graph.recording:
            Graph.recording = None
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        return stubborn._compute(section, batches, images, losses)
    stubborn.recorded = RecordedStep(stubborn.sections, refuse)
    for seed in range(6):
        ours, theirs = one_by_one.step(batch(seed)).losses, stubborn.step(batch(seed)).losses
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not stubborn.recorded.graphs
    assert capsys.readouterr().out.count("operation not permitted when stream is capturing); --cuda_graph off") == 1
