"""Engines without a command, one step at a time. What tests know of the engine's interface stands here."""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import models
from engine import validation
from engine.engine import Engine
from engine.schedule import lr_factor
from engine.step_result import StepResult
from options.command_line import parse
from options.schema import Options
from train import COMMAND

CPU = torch.device("cpu")


def options(line: str) -> Options:
    """The frozen options of a train.py line without a dataset."""
    return parse(COMMAND, f"--dataroot nowhere {line}".split())


def start(line: str) -> Engine:
    """An engine on the CPU, ready to train, with weights that depend on --seed alone."""
    opt = options(line)
    torch.manual_seed(opt.seed)
    engine = Engine(models.find(opt.model)(opt), CPU, plain=opt.plain, seed=opt.seed)
    engine.prepare_training(opt.lr, opt.beta1)
    return engine


def set_rate(engine: Engine, opt: Options, epoch: int) -> float:
    """Sets, and returns, the learning rate that the options give that epoch."""
    lr = opt.lr * lr_factor(opt.lr_policy, epoch, opt.n_epochs, opt.n_epochs_decay, opt.lr_decay_iters)
    engine.optimizers.set_lr(lr)
    return lr


def take_step(engine: Engine, *batches: Mapping[str, Any], epoch: int = 1, images: int = 0) -> StepResult:
    """One training step. epoch: its number; images: how many were trained on before it."""
    return engine.step(*batches, epoch=epoch, images=images)


def validate(engine: Engine, batches: Iterable[Mapping[str, Any]]) -> float:
    """The mean over all images of what --lr_policy plateau looks at."""
    return next(iter(validation.validate(engine, batches).values()))


class _Scripted:
    """What models/image_pool.py takes for torch: the same, but its random draws are those of a list."""

    def __init__(self, answers: Sequence[Sequence[Any]]):
        self.left = list(answers)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def rand(self, *size: Any, **how: Any) -> Tensor:
        return self._next("uniform")

    def randint(self, *size: Any, **how: Any) -> Tensor:
        return self._next("randint")

    def _next(self, kind: str) -> Tensor:
        expected, answer = self.left.pop(0)
        assert kind == expected, f"a pool drew {kind}, the script has {expected}"
        return torch.tensor(answer)


@contextmanager
def scripted_pools(answers: Sequence[Sequence[Any]]) -> Iterator[None]:
    """Within it the image pools draw these ('uniform', number) and ('randint', number), in order, and all of them."""
    script = _Scripted(answers)
    with patch("models.image_pool.torch", script):
        yield
    assert not script.left, f"the pools did not draw {script.left}"
