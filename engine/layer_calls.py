"""Which layers a model's step or translation calls, on inputs of which sizes: found out without computing convolutions.
"""
import copy
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.frozen import frozen
from models.contract import Batch, Model
from networks.fast_layers import FollowedPad2d
from networks.ways import described, output_size, reflection, wanted

Shape = tuple[int, ...]
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Call:
    """A layer at work: all that decides how long it takes. gradients: of its input, of its weights.

    name: what it is. shapes: (B, C, H, W) of each input. work: multiplications, or numbers where there are few.
    """

    name: str
    shapes: tuple[Shape, ...]
    gradients: tuple[bool, bool]
    work: int
    convolution: bool

    @property
    def size(self) -> tuple[int, int, int]:
        """Samples, height and width of the first input."""
        samples, _, height, width = self.shapes[0]
        return samples, height, width


@dataclass
class Calls:
    """How often each network makes each call; and of each call one layer that makes it."""

    of: dict[str, Counter[Call]] = field(default_factory=lambda: defaultdict(Counter))
    layers: dict[Call, nn.Module] = field(default_factory=dict)

    @property
    def multiplications(self) -> int:
        """Of all convolutions, forward."""
        return sum(count * call.work for calls in self.of.values() for call, count in calls.items() if call.convolution)

    def described(self) -> list[str]:
        """All of it in words, in an order that is always the same."""
        return sorted(f"{net}: {count} x {call}" for net, calls in self.of.items() for call, count in calls.items())


def calls_of_step(model: Model, batch: Batch, autocast: Callable[[], AbstractContextManager[Any]], merge: bool
                  ) -> Calls:
    """Those of one training step. merge: as the model's. The model, its memory and all random numbers stay."""
    with _shadow(model, merge) as (shadow, calls), autocast():
        draws = torch.Generator()
        batch = {**batch, **shadow.draw(batch, draws)}
        images = shadow.forward(batch)
        for update in shadow.updates:
            with frozen(net for name, net in shadow.nets.items() if name not in update.nets):
                recalled = update.recall(images, draws) if update.recall else {}
                update.losses({**images, **recalled})
    return calls


def calls_of_translation(model: Model, batch: Batch, autocast: Callable[[], AbstractContextManager[Any]]) -> Calls:
    """Those of one translation."""
    with _shadow(model, model.merge) as (shadow, calls), torch.no_grad(), autocast():
        shadow.translate(batch)
    return calls


@contextmanager
def _shadow(model: Model, merge: bool) -> Iterator[tuple[Model, Calls]]:
    """A copy of the model around the same weights, whose layers note their calls and whose convolutions give zeros."""
    nets = (model.nets, model.frozen, model.averaged)
    shared = {id(tensor): tensor for net in nets for tensor in (*net.parameters(), *net.buffers())}
    shadow = copy.deepcopy(model, shared)
    shadow.merge = merge
    calls = Calls()
    with torch.random.fork_rng(devices=[]), shadow.same_statistics(), _Zeros(), ExitStack() as hooks:
        for name, net in shadow.nets.items():
            for layer in net.modules():
                if not list(layer.children()):
                    hooks.callback(layer.register_forward_pre_hook(partial(_note, calls, name)).remove)
        yield shadow, calls


def _note(calls: Calls, net: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Called before each layer."""
    if not all(isinstance(x, Tensor) and x.dim() == 4 for x in inputs) or not inputs or type(layer) is FollowedPad2d:
        return
    call = call_of(layer, tuple(tuple(x.shape) for x in inputs), wanted(layer, inputs[0]))
    calls.of[net][call] += 1
    calls.layers.setdefault(call, layer)


def call_of(layer: nn.Module, shapes: tuple[Shape, ...], gradients: tuple[bool, bool]) -> Call:
    """The call of a layer with inputs of these shapes."""
    if not isinstance(layer, CONVOLUTIONS):
        return Call(str(layer), shapes, gradients, sum(map(math.prod, shapes)), convolution=False)
    samples, _, *size = shapes[0]
    more = 2 * reflection(layer)
    at = math.prod(size if isinstance(layer, nn.ConvTranspose2d) else output_size(layer, (size[0] + more,
                                                                                          size[1] + more)))
    return Call(described(layer, gradients), shapes, gradients, samples * at * layer.weight.numel(), convolution=True)


class _Zeros(TorchFunctionMode):
    """Within it convolutions give zeros of the right shape, through which gradients flow."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (torch.conv2d, torch.conv_transpose2d):
            return func(*args, **(kwargs or {}))
        x, weight = args[:2]
        with torch.no_grad():
            empty = func(*(part.to("meta") if isinstance(part, Tensor) else part for part in args), **(kwargs or {}))
        nothing = 0 * (x[(0,) * x.dim()] + weight[(0,) * weight.dim()])
        return torch.zeros(empty.shape, dtype=empty.dtype) + nothing
