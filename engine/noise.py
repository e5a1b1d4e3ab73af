"""The noise of a translation, which is dropout: a function of a seed, whatever else draws random numbers."""
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

_one_at_a_time = threading.Lock()  # all threads share torch's random numbers


def draws_noise(nets: Iterable[nn.Module]) -> bool:
    """Whether the networks, as they are now, answer with noise: dropout that is not frozen by eval()."""
    return any(isinstance(module, _DropoutNd) and module.training for net in nets for module in net.modules())


@contextmanager
def noise_from(seed: int, nets: Iterable[nn.Module], device: torch.device) -> Iterator[None]:
    """Within it each pass through one of the `nets` draws its noise from `seed` anew.

    So it depends neither on the passes before nor on what else was drawn; afterwards torch's random numbers go on as if
    nothing had been. Threads wait for each other where there is noise, and only there.
    """
    nets = list(nets)
    if not draws_noise(nets):
        yield
        return
    with _one_at_a_time, torch.random.fork_rng([device] if device.type == "cuda" else []), ExitStack() as hooks:
        for net in nets:
            hooks.callback(net.register_forward_pre_hook(lambda *_: _begin(seed, device)).remove)
        yield


def _begin(seed: int, device: torch.device) -> None:
    """Let the random numbers of the CPU and of the device begin at `seed`; those of other GPUs are left alone."""
    torch.random.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
