"""Measuring a model on held-out images in the middle of a training, which is not touched by it."""
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from engine.distributed import everyone, same_everywhere, total
from engine.engine import Engine
from models.contract import Batch, Images

Look = Callable[[Batch, Images], None]
"""Looks at a batch and the images that were made of it. Of several processes all look equally often, those that have no
images left at nothing: ({}, {})."""


@torch.no_grad()
def validate(engine: Engine, batches: Iterable[Batch], look: Look = lambda batch, images: None) -> dict[str, float]:
    """The mean over all images of each of the model's metrics, in eval mode: training is not touched by it.

    batches: of several processes, each has its share; the means are those of all, in all.
    """
    nets = engine.model.nets
    same_everywhere(dict(nets.items()))  # also the statistics of batch norm
    images_in_all, sums = 0, dict[str, float]()
    with _eval_mode(nets):
        for batch in _equally_many(batches):
            images = engine.translate(batch) if batch else {}
            look(batch, images)
            if batch:
                images_in_all += len(batch["A"])
                for name, values in engine.model.metrics(images).items():
                    sums[name] = sums.get(name, 0.0) + values.sum().item()
    names = next(filter(None, everyone(list(sums))), [])  # a process may have had no image
    in_all, *summed = total(images_in_all, *(sums.get(name, 0.0) for name in names))
    return {name: value / in_all for name, value in zip(names, summed, strict=True)}


@contextmanager
def _eval_mode(nets: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in nets.modules()}
    nets.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _equally_many(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, and an empty one for each that only another process has left."""
    source = iter(batches)
    while any(everyone(bool(batch := next(source, {})))):
        yield batch
