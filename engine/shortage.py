"""What to try when torch gives up: errors of the machine, told kindly."""
from collections.abc import Iterator
from contextlib import contextmanager

from util.errors import MachineError

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
COMPILERS = ("torch._dynamo", "torch._inductor")


@contextmanager
def explain_shortage(memory: str) -> Iterator[None]:
    """Turns running out of memory, on any device, and a --compile that fails into a MachineError.

    memory: what spares it, in words.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = (str(error).splitlines() or ["out of memory"])[0]
        if isinstance(error, MemoryError) or any(word in str(error) for word in OUT_OF_MEMORY):
            raise MachineError(f"there is too little memory: {reason}\n{memory}") from None
        if type(error).__module__.startswith(COMPILERS):
            raise MachineError(f"--compile failed: {reason}\nleave out --compile to go without. If a compiler is "
                               "missing: on the CPU it needs g++, on a GPU Triton") from None
        raise
