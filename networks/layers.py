"""Normalisation layers and weight initialisation by name, and blocks that forget what they can compute again."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of their gradients.

    torch.distributed.nn.functional has the same, deprecated since torch 2.14 for one that is not public.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _SumOverProcesses.apply(gradient)


class SyncBatchNorm(nn.SyncBatchNorm):
    """Batch norm over the batches of all processes: torch's own, and the same on the CPU, where torch has none.

    Without gradients nobody learns, and the processes need not take the same steps: each normalises its own batch.
    Shapes: (B, C, H, W) -> (B, C, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and torch.is_grad_enabled() and dist.is_initialized()):
            return nn.BatchNorm2d.forward(self, x)
        return super().forward(x) if x.is_cuda else self._on_cpu(x)

    def _on_cpu(self, x: Tensor) -> Tensor:
        kind, x = x.dtype, x if x.dtype == torch.float64 else x.float()  # 16 bits cannot count
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums = _SumOverProcesses.apply(torch.cat([x.sum((0, 2, 3)), count]))
        count = sums[-1].detach()
        centred = x - (mean := sums[:-1] / count)[:, None, None]
        variance = _SumOverProcesses.apply((centred**2).sum((0, 2, 3))) / count
        self._track(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(kind)


    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Let the running statistics, (C,) each, follow those of a batch."""
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)


class Beside(nn.Module):
    """Two pictures' channels one behind the other. Shapes: (B, C, H, W), (B, D, H, W) -> (B, C + D, H, W)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], 1)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,  # neither affine nor tracking statistics: torch's defaults
    "syncbatch": SyncBatchNorm,
    "none": lambda channels: nn.Identity(),
}


def needs_bias(norm: str) -> bool:
    """Whether the convolution in front of a `norm` layer carries a bias.

    Only with instance norm: the others bring a shift of their own or, for 'none', follow the classic weight files.
    """
    return norm == "instance"


def samples_alone(net: nn.Module) -> bool:
    """Whether `net` looks at each sample of a batch by itself, so that one pass may hold samples of any kind.

    Batch norms do not. A network of one's own that mixes the samples of a batch says so: `mixes_samples = True`.
    """
    return not any(isinstance(module, _BatchNorm) or getattr(module, "mixes_samples", False)
                   for module in net.modules())


INITS: dict[str, Callable] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
}


def init_weights(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> nn.Module:
    """Initialise in place and return `net`.

    Convolutions and linear layers: `init_type` with `init_gain` (kaiming takes no gain), biases 0.
    Affine batch norms: weight N(1, init_gain), bias 0.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            INITS[init_type](module.weight, init_gain)
        elif isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
            nn.init.normal_(module.weight, 1.0, init_gain)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return net


class Block(nn.Module):
    """A part of a network that, with `recompute`, forgets its inner activations and computes them again for gradients.

    That spares memory and costs one more pass forward (Chen et al. 2016, "Training Deep Nets with Sublinear Memory
    Cost").
    """

    recompute = False

    def run(self, part: nn.Module, x: Tensor) -> Tensor:
        """part(x). Shapes: those of `part`; the same numbers with and without `recompute`."""
        if not (self.recompute and self.training):
            return part(x)
        return checkpoint(part, x, use_reentrant=False, context_fn=lambda: (nullcontext(), same_statistics(part)))


def learn_no_statistics(net: nn.Module) -> None:
    """Let batch norms in training mode normalise by each batch and leave their running statistics alone, for good."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False


@contextmanager
def same_statistics(net: nn.Module) -> Iterator[None]:
    """Within it batch norms normalise without learning running statistics: what is computed again is not seen twice."""
    norms = [(module, module.momentum, count, count.clone()) for module in net.modules()
             if isinstance(module, _BatchNorm) and (count := module.num_batches_tracked) is not None]
    for norm, *_ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count, before in norms:
            norm.momentum = momentum
            count.copy_(before)
