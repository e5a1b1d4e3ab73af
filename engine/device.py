"""Which device to compute on."""
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from util.errors import UserError
from util.torchrun import local_rank, local_world_size, world_size


def choose_device(gpu_ids: str, asked_for: bool) -> torch.device:
    """The device that `--gpu_ids` names; if it was not asked for: CUDA, then Apple MPS, then the CPU.

    Of several processes each takes the GPU of its own number, or all the CPU.
    Raises UserError when the GPU is not there, or when several are named.
    """
    try:
        ids = [int(word) for word in gpu_ids.split(",") if word.strip()]
    except ValueError:
        raise UserError(f"--gpu_ids takes one GPU number, or -1 for the CPU; found {gpu_ids!r}") from None
    ids = [number for number in ids if number >= 0]
    if world_size() > 1:
        return _of_several(gpu_ids, asked_for, bool(ids))
    if len(ids) > 1:
        raise UserError(f"--gpu_ids {gpu_ids} names {len(ids)} GPUs, and one process uses one; for several start "
                        f"`torchrun --nproc_per_node {len(ids)} train.py ...` without --gpu_ids")
    if asked_for and not ids:
        return torch.device("cpu")
    number = ids[0] if ids else 0
    if number < torch.cuda.device_count():
        torch.cuda.set_device(number)  # streams and graphs are made there, too
        return torch.device("cuda", number)
    if torch.backends.mps.is_available() and number == 0:
        return torch.device("mps")
    if asked_for:
        raise UserError(f"--gpu_ids {gpu_ids}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA GPUs "
                        "here; leave out --gpu_ids for the best device there is, or give --gpu_ids -1 for the CPU")
    return torch.device("cpu")


def _of_several(gpu_ids: str, asked_for: bool, named: bool) -> torch.device:
    """The device of this one of several processes."""
    gpus, here = torch.cuda.device_count(), local_world_size()
    if asked_for and named:
        raise UserError(f"--gpu_ids {gpu_ids}: torchrun started {here} processes on this machine, and each takes the "
                        "GPU of its own number; leave out --gpu_ids, or give --gpu_ids -1 for the CPU")
    if asked_for or not gpus:
        return torch.device("cpu")
    if gpus < here:
        raise UserError(f"torchrun started {here} processes on this machine, and torch {torch.__version__} sees {gpus} "
                        f"CUDA GPUs; give torchrun --nproc_per_node {gpus}, or train.py --gpu_ids -1 for the CPU")
    device = torch.device("cuda", local_rank())
    torch.cuda.set_device(device)
    return device


def describe_device(device: torch.device) -> str:
    """One line for the log, such as 'device: cpu (8 threads)'."""
    if device.type == "cuda":
        return f"device: {device} ({torch.cuda.get_device_name(device)})"
    return f"device: {device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else f"device: {device}"


def search_algorithms(device: torch.device, one_size: bool, plain: bool) -> None:
    """On an NVIDIA GPU, let cuDNN try its algorithms for each size, where there are few: where images have one size."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = one_size and not plain


def on_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on the device; from pinned memory without waiting for them."""
    return {name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in batch.items()}
