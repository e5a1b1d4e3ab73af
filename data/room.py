"""How much room there is for what --cache keeps, in memory, on a disk or on a device; all in bytes."""
import os
import shutil
import tempfile
from pathlib import Path

import torch

from util.errors import MachineError


def require_room(what: str, needed: int, free: int, where: str, instead: str) -> None:
    """MachineError when `needed` is more than is free. what: the flag; instead: flags that need less."""
    if needed > free:
        raise MachineError(f"{what} needs {amount(needed)} {where}, where {amount(free)} are free; give {instead}")


def amount(size: int) -> str:
    """A number of bytes to read: '98.2 MB'."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def free_memory() -> int:
    """What this process may still take of the machine's memory."""
    info, here = Path("/proc/meminfo"), Path("/proc/self/cgroup")
    if not info.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # not Linux: all that there is
    rows = dict(line.split(":") for line in info.read_text().splitlines())
    limits = [int(rows["MemAvailable"].split()[0]) * 1024]
    for line in here.read_text().splitlines() if here.exists() else []:
        limit = Path(f"/sys/fs/cgroup{line.rpartition(':')[2]}/memory.max")  # that of a container or a batch queue
        if limit.exists() and limit.read_text().strip().isdecimal():
            limits.append(int(limit.read_text()))
    return min(limits)


def free_shared_memory() -> int:
    """What processes can share: memory, as long as one of the folders in which Python shares it has room."""
    folders = [folder for folder in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(folder)]
    return min(free_memory(), max(shutil.disk_usage(folder).free for folder in folders))


def free_on(device: torch.device) -> int:
    """What is free on a GPU; of another device, which shares the machine's memory, what is free there."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
