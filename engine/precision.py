"""The arithmetic of --precision: which a device has, and how it is switched on."""
import os
from contextlib import AbstractContextManager, nullcontext

import torch

from util.errors import UserError

WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(asked: str, device: torch.device, plain: bool = False) -> str:
    """'fp32', 'tf32', 'bf16' or 'fp16' for what was asked for; 'auto' is bf16 where the hardware has units for it.

    plain: 'auto' is fp32. Sets how torch multiplies 32-bit matrices on NVIDIA GPUs. UserError when the device
    cannot do it.
    """
    if asked == "auto":
        return "bf16" if not plain and has_bf16_units(device) else "fp32"  # torch's own settings are left alone
    if asked == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8):
        raise UserError(f"--precision tf32 is arithmetic of NVIDIA GPUs from Ampere on, and this is {device}; "
                        "give --precision auto for the best there is, or --precision fp32")
    if asked in ("fp32", "tf32"):
        kind = "ieee" if asked == "fp32" else "tf32"
        torch.backends.cudnn.conv.fp32_precision = kind  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.fp32_precision = kind
    return asked


def has_bf16_units(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 there. A CPU without units for it emulates it, at half the speed of fp32;
    so does one whose units the environment forbids to oneDNN, which computes the convolutions.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in WITHOUT_BF16:
        return False
    cpu = torch.cpu.get_capabilities()
    return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


def autocast(precision: str, device: torch.device, cache: bool = True) -> AbstractContextManager:
    """Within it convolutions compute in 16 bits; nothing changes for fp32 and tf32. cache: keep the 16-bit weights."""
    if precision not in HALF:
        return nullcontext()
    return torch.autocast(device.type, HALF[precision], cache_enabled=cache)


def loss_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Keeps the small gradients of fp16 above zero (Micikevicius et al. 2018, section 3.2); nothing for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
