"""What networks/winograd.py and networks/unrolled.py share: memory between steps, and parts of images by rows."""
import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

PART = 5 << 19  # values that are computed at once: more do not fit into the caches

_rooms = threading.local()


def room(name: str, shape: Sequence[int], like: Tensor) -> Tensor:
    """Memory for values between, of the type of `like`; on a CPU the same each time, as new pages would cost more than
    the arithmetic.
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    size, key = math.prod(shape), f"{name} {like.dtype}"
    kept = _rooms.__dict__.get(key)
    if kept is None or len(kept) < size:
        with torch.inference_mode(False):
            kept = _rooms.__dict__[key] = torch.empty(size, dtype=like.dtype)
    return kept[:size].view(shape)


def forget_rooms() -> None:
    """Give the memory back; it comes again when it is asked for."""
    vars(_rooms).clear()


def rows_of(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H, W, C)."""
    return x.permute(0, 2, 3, 1)


def window(x: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part of (B, H, W, C), zero outside of x, whose channels lie side by side; a copy of it is in the room "b"."""
    rows, columns = (slice(max(begin, 0), min(begin + size, side)) for begin, size, side in
                     ((top, height, x.shape[1]), (left, width, x.shape[2])))
    inner = x[:, rows, columns]
    whole = inner.shape[1:3] == (height, width)
    if whole and x.stride(3) == 1:
        return inner
    part = room("b", (len(x), height, width, x.shape[3]), x)
    if not whole:
        part.zero_()
    part[:, rows.start - top:rows.stop - top, columns.start - left:columns.stop - left] = inner
    return part
