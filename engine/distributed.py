"""What the processes that torchrun started do together. Alone, each function does nothing: callers need not ask."""
import io
import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.heartbeat import GO_ON, Heartbeat
from util.errors import MachineError, UserError
from util.torchrun import rank, world_size

PATIENCE = timedelta(hours=1)  # with processes that are alive; the others are found by their heartbeat
T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Joins the processes, and ends them together; see engine/processes.py."""
    heart = _join()
    leaving = None
    try:
        try:
            yield
        except SystemExit as error:  # all leave so: after --help, or a training that was stopped
            leaving = error
        dist.barrier()
        heart.end()
        dist.barrier()
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it when one of the others has ended first
        first, code = heart.first_to_fail(_exit_code(error))
        if not first:
            raise SystemExit(code) from None
        if _is_lost_connection(error):
            reason = str(error).split(". This is")[0].splitlines()[0]
            raise MachineError(f"the connection to another process is lost, as it has ended: {reason}.\n{GO_ON}"
                               ) from None
        raise
    dist.destroy_process_group()
    if leaving:
        raise leaving


def _join() -> Heartbeat:
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise UserError(f"WORLD_SIZE is {world_size()} in the environment, but {' and '.join(missing)} is not set: "
                        "start with torchrun, or unset WORLD_SIZE")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # by torchrun, else by process 0
    try:
        store = dist.TCPStore(host, port, is_master=rank() == 0 and not hosted, timeout=PATIENCE)
        start = _name_of_this_start(store)
        dist.init_process_group(backend, store=dist.PrefixStore(start, store), rank=rank(), world_size=world_size(),
                                timeout=PATIENCE)
        return Heartbeat(host, port, start, rank(), world_size())
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise MachineError(f"the {world_size()} processes did not find each other: {reason}") from None


def _name_of_this_start(store: dist.TCPStore) -> str:
    """A name from process 0 that no earlier start had: torchrun's store still holds what processes that died wrote."""
    name = secrets.token_hex(8)
    if rank() > 0:  # asks under a name that only a living process 0 can answer
        store.set(f"asks {rank()}", name)
        start = store.get(name).decode()
        store.add(start, 1)
        return start
    while store.add(name, 0) < world_size() - 1:
        for other in range(1, world_size()):
            if store.check([f"asks {other}"]):
                store.set(store.get(f"asks {other}").decode(), name)
        time.sleep(0.05)
    return name


def _exit_code(error: BaseException) -> int:
    """With which util.errors.exit_on, or Python, ends the process."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    return getattr(error, "exit_code", 1)


def _is_lost_connection(error: BaseException) -> bool:
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def same_everywhere(nets: Mapping[str, nn.Module]) -> None:
    """Gives all processes the parameters and buffers of process 0."""
    if world_size() > 1:
        for net in nets.values():
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)


def mean(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of each named scalar over the processes."""
    if world_size() == 1:
        return dict(values)
    together = torch.stack(list(values.values()))
    dist.all_reduce(together)
    return dict(zip(values, together / world_size(), strict=True))


def total(*numbers: float) -> list[float]:
    """The sum of each number over the processes."""
    if world_size() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(sums)
    return sums.tolist()


def everywhere(flag: Tensor) -> Tensor:
    """Whether a boolean scalar is true in all processes; the host does not wait for the answer of a GPU."""
    if world_size() == 1:
        return flag
    least = flag.to(torch.uint8)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return least.bool()


def everyone(value: T) -> list[T]:
    """The values of all processes, in all processes; meant for short ones."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def gather(value: T) -> list[T]:
    """The values of all processes, by rank, in process 0; nothing in the others. Tensors arrive on the CPU.

    Of several processes the values are tensors and plain data: torch unpacks no class of ours.
    """
    if world_size() == 1:
        return [value]
    packed: list[Any] | None = [None] * world_size() if rank() == 0 else None
    dist.gather_object(_packed(value), packed)
    return [_unpacked(content) for content in packed or []]


def from_rank_0(action: Callable[[], T]) -> T:
    """Calls `action` in process 0 alone; all get what it gave, tensors on the CPU."""
    if world_size() == 1:
        return action()
    packed = [_packed(action())] if rank() == 0 else [b""]
    dist.broadcast_object_list(packed)
    value: T = _unpacked(packed[0])
    return value


def hand_out(values: Sequence[T]) -> T:
    """Of the `values` in process 0, one for each process, each gets its own; in the others they do not matter."""
    if world_size() == 1:
        return values[0]
    own: list[Any] = [None]
    dist.scatter_object_list(own, [_packed(value) for value in values] if rank() == 0 else None)
    return _unpacked(own[0])


def shared_count() -> Callable[[], int]:
    """Gives 0, 1, 2, ...: each number to one call in one process only, whoever asks first. All must ask for it."""
    if world_size() == 1:
        return itertools.count().__next__
    name = from_rank_0(lambda: secrets.token_hex(8))
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.PrefixStore(name, dist.TCPStore(host, port, is_master=False, timeout=PATIENCE))
    return lambda: store.add("next", 1) - 1


def _packed(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _unpacked(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class Agreement:
    """The largest number that any process gave, one call late, so that nobody waits for it; alone at once.

    All processes must make the same calls.
    """

    def __init__(self) -> None:
        self.work: dist.Work | None = None
        self.largest = torch.zeros((), dtype=torch.int64)

    def __call__(self, number: int) -> int:
        if world_size() == 1:
            return number
        if self.work:
            self.work.wait()
        agreed = int(self.largest)
        self.largest = torch.tensor(max(number, agreed))
        self.work = dist.all_reduce(self.largest, dist.ReduceOp.MAX, async_op=True)
        return agreed
