"""How batches reach the device."""
from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from engine.device import on_device
from models.contract import Batch


def groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Lists of `size` batches; the last may hold fewer."""
    batches = iter(batches)
    while group := list(islice(batches, size)):
        yield group


def prefetched(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches on the device. A GPU is sent the next one, on a stream of its own, while it computes."""
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    ready = None
    for batch in batches:
        with torch.cuda.stream(stream):
            moved = on_device(batch, device)
        if ready is not None:
            yield ready
        torch.cuda.current_stream(device).wait_stream(stream)
        for value in moved.values():
            if isinstance(value, Tensor):
                # its memory is not reused before this stream is done
                value.record_stream(torch.cuda.current_stream(device))
        ready = moved
    if ready is not None:
        yield ready
