"""Memory of the CPU that is freed stays with the process, instead of coming back from the system page by page."""
import ctypes
import sys
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt, see malloc.h
LARGEST = 32 << 20  # bytes: glibc maps larger ones alone, and allows no higher threshold
NEVER = 2**31 - 1


def keep_freed_memory(library: Any = None) -> bool:
    """Let this process keep what it frees in pieces of up to 32 MB; returns whether the C library can, as glibc does.

    A training step allocates the same activations and gradients again and again; each page that comes anew from the
    system is a fault, and is cleared. library: the C library; None: the process's own.
    """
    if library is None and not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None) if library is None else library, "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, NEVER))
