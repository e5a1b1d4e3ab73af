"""What torchrun says of this process and the others, read off the environment. Needs no torch."""
import os


def rank() -> int:
    """The number of this process, from 0; process 0 writes all files and prints."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """How many processes work together, on all machines; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """The number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0))


def local_world_size() -> int:
    """How many of the processes are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def restarts() -> int:
    """How often torchrun has started the processes anew since the first time (--max_restarts)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def may_be_restarted() -> bool:
    """Whether torchrun started this process, and would start it anew after a failure if --max_restarts allows it."""
    return "TORCHELASTIC_RESTART_COUNT" in os.environ
