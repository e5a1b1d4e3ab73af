"""The order of work in a recorded step, on the CPU: a stand-in for CUDA graphs that keeps their rules.

While recording, nothing is computed; a replay computes again with the same tensors.
The real ones are in tests/test_gpu.py.
"""
import copy
import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from engine.device import search_algorithms
from engine.engine import Engine
from engine.precision import autocast
from engine.recorded_step import RecordedStep
from engine.section import Section, Work
from helpers.commands import TINY
from models.cycle_gan_model import CycleGANModel
from options.command_line import parse
from train import COMMAND

CPU = torch.device("cpu")


class Graph:
    """Replays by computing again, into the tensors that were there when it was recorded."""

    recording = None

    def __init__(self) -> None:
        self.compute, self.before, self.after = None, None, None

    def pool(self) -> None:
        return None

    def replay(self) -> None:
        fresh = self.compute(self.before)
        for own, new in zip(self.after.images, fresh.images, strict=True):
            for name in own.keys() - self.before.images[0].keys() if self.before.images else own:
                own[name].data.copy_(new[name])
        for name in self.after.losses.keys() - self.before.losses.keys():
            self.after.losses[name].copy_(fresh.losses[name])
        self.after.finite.copy_(fresh.finite)


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
    """Make the engine record its steps with the stand-in: while it records, nothing moves."""
    def compute(section: Section, batches: list, work: Work) -> Work:
        graph = Graph.recording
        if not graph:
            return engine._compute(section, batches, work)
        nets, optimizers = engine.model.nets, engine.optimizers
        before = copy.deepcopy([nets.state_dict(), optimizers.state(), engine.model.averaged.state_dict()])
        after = engine._compute(section, batches, work)
        nets.load_state_dict(before[0])
        optimizers.load_state(before[1])
        engine.model.averaged.load_state_dict(before[2])
        graph.compute, graph.before, graph.after = partial(engine._compute, section, batches), work, after
        return after
    engine.recorded = RecordedStep(engine.sections, compute, engine._recall, CPU)


def batch(seed: int, count: int = 1) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    images = {side: torch.rand(count, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"}
    return images | {"A_paths": [str(seed)] * count}


@pytest.mark.parametrize("model", [pytest.param("cycle_gan", marks=pytest.mark.slow), "pix2pix"])
def test_recorded_steps_are_the_steps_one_by_one(model: str, graphs: None):
    one_by_one, recorded = start(f"--model {model}"), start(f"--model {model}")
    record(recorded)
    assert len(recorded.sections) == (2 if model == "cycle_gan" else 1)
    told = []
    for engine in (one_by_one, recorded):
        engine.optimizers.set_lr(0.001)
        told.append([])
        for seed in range(9):
            if seed == 6:
                engine.optimizers.set_lr(0.0001)
            report = engine.step(batch(seed, 2 if seed == 7 else 1), epoch=1, images=seed)  # an odd one among them
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
        engine.step(batch(seed, count), epoch=1, images=seed)
        assert not engine.recorded.graphs
    engine.step(batch(9), epoch=1, images=0)
    assert len(engine.recorded.graphs) == 1


def test_a_step_that_cannot_be_recorded_is_computed_all_the_same(graphs: None):
    one_by_one, stubborn = start("--model pix2pix"), start("--model pix2pix")

    def refuse(section: Section, batches: list, work: Work) -> Work:
        if Graph.recording:
            Graph.recording = None
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        return stubborn._compute(section, batches, work)
    stubborn.recorded = RecordedStep(stubborn.sections, refuse, stubborn._recall, CPU)
    said = []
    for seed in range(6):
        ours, theirs = (engine.step(batch(seed), epoch=1, images=seed).losses for engine in (one_by_one, stubborn))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        said += stubborn.notices()
    assert not stubborn.recorded.graphs
    assert said == ["note: steps are not recorded (operation not permitted when stream is capturing); --cuda_graph off "
                    "does not try"]


@pytest.mark.parametrize("source", [lambda: torch.rand(()), random.random, np.random.rand])
@pytest.mark.parametrize("guilty", ["losses_G", "losses_D"])
def test_a_step_that_draws_on_the_host_is_not_recorded(source: Callable, guilty: str, graphs: None,
                                                       monkeypatch: pytest.MonkeyPatch):
    kind = models.find("cycle_gan")
    losses = getattr(kind, guilty)

    def drawing(self: CycleGANModel, images: dict) -> dict:
        drawn.append(float(source()))
        return losses(self, images)
    monkeypatch.setattr(kind, guilty, drawing)
    one_by_one, recorded = start("--model cycle_gan"), start("--model cycle_gan")
    record(recorded)
    told, drawn = [], []
    for seed in range(6):
        ours, theirs = (engine.step(batch(seed), epoch=1, images=seed).losses for engine in (one_by_one, recorded))
        assert all(math.isclose(ours[name], theirs[name], rel_tol=1e-4, abs_tol=1e-5) for name in ours), seed
        told += recorded.notices()
    assert not recorded.recorded.graphs
    assert len(told) == 1 and "random numbers were drawn on the host" in told[0] and "Model.draw" in told[0]


def test_images_of_another_size_in_the_pool_do_not_end_a_recorded_training(graphs: None):
    engine = start("--model cycle_gan")
    record(engine)
    for seed in range(6):
        engine.step(batch(seed), epoch=1, images=seed)
    assert len(engine.recorded.graphs) == 2
    for pool in engine.model.pools.values():  # as after going on with another --crop_size
        pool.images = [torch.zeros(3, 48, 48) for _ in pool.images]
    for seed in range(6, 20):
        engine.step(batch(seed), epoch=1, images=seed).require_finite()
    assert {image.shape for pool in engine.model.pools.values() for image in pool.images} == {(3, 32, 32)}


def test_the_cache_of_16_bit_weights_is_the_same_before_and_while_recording(graphs: None,
                                                                            monkeypatch: pytest.MonkeyPatch):
    """Where it changed, torch.compile would compile every network again inside the recording."""
    seen = []

    def spy(precision: str, device: torch.device, cache: bool = True) -> AbstractContextManager:
        seen.append(cache)
        return autocast(precision, device, cache)
    monkeypatch.setattr("engine.engine.autocast", spy)
    engine = start("--model pix2pix")
    record(engine)
    for seed in range(6):
        engine.step(batch(seed), epoch=1, images=seed)
    assert engine.recorded.graphs and set(seen) == {False}


@pytest.mark.parametrize(("one_size", "plain", "expected"), [
    (True, False, True), (False, False, False), (True, True, False)])
def test_cudnn_tries_its_algorithms_where_images_have_one_size(one_size: bool, plain: bool, expected: bool,
                                                               monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", not expected)
    search_algorithms(torch.device("cuda"), one_size, plain)
    assert torch.backends.cudnn.benchmark is expected
    search_algorithms(CPU, not one_size, plain)
    assert torch.backends.cudnn.benchmark is expected  # nothing to search on a CPU
