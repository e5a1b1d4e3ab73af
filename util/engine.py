"""Runs any model that keeps the contract of models/base_model.py: device, optimizers, steps. Knows no model by name."""
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from util.device import describe_device
from util.distributed import average_gradients, everywhere, same_everywhere, total
from util.errors import MachineError


class NotFinite(Exception):
    """A loss became NaN or infinite; `term` is its name, '' in another process. Nothing was learned from it."""

    def __init__(self, term: str, value: float):
        super().__init__(f"the loss {term} is {value}")
        self.term = term


class Engine:
    """A model on a device: ready to translate, and after `prepare_training` to train."""

    def __init__(self, model: Any, device: torch.device):
        self.model, self.device = model, device
        self.optimizers: list[torch.optim.Optimizer] = []
        model.nets.to(device)

    def prepare_training(self, lr: float, beta1: float) -> None:
        """One Adam for each of the model's updates, betas beta1 and 0.999 as in both papers."""
        self.optimizers = [
            torch.optim.Adam([p for name in update.nets for p in self.model.nets[name].parameters()], lr, (beta1, 0.999))
            for update in self.model.updates
        ]

    def describe(self, verbose: bool) -> str:
        """The device, and the parameters of each network; verbose: and its layers."""
        lines = [describe_device(self.device)]
        for name, net in self.model.nets.items():
            lines.append(f"network {name}: {sum(p.numel() for p in net.parameters()) / 1e6:.3f} M parameters")
            lines += [str(net)] if verbose else []
        return "\n".join(lines)

    def set_lr(self, lr: float) -> None:
        """The learning rate of all optimizers from now on."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr

    def step(self, batch: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One training step: (losses, images), both detached. Raises NotFinite before anything is learned from NaN."""
        images = self.model.forward(self._on_device(batch))
        report: dict[str, Tensor] = {}
        for update, optimizer in zip(self.model.updates, self.optimizers, strict=True):
            others = [net for name, net in self.model.nets.items() if name not in update.nets]
            with _frozen(others):
                losses = update.losses(images)
                _require_finite(losses)
                optimizer.zero_grad()
                (update.scale * sum(losses.values())).backward()
                average_gradients([p for group in optimizer.param_groups for p in group["params"]])
                optimizer.step()
            report |= {name: loss.detach() for name, loss in losses.items()}
        return report, {name: image.detach() for name, image in images.items()}

    @torch.no_grad()
    def translate(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The images that the model makes of a batch, by name."""
        return self.model.translate(self._on_device(batch))

    @torch.no_grad()
    def validate(self, batches: Iterable[Mapping[str, Any]]) -> float:
        """The mean of the model's validation loss over all images, in eval mode: training is not touched by it.

        batches: of several processes, each has its share.
        """
        same_everywhere(self.model.nets)  # also the statistics of batch norm
        self.model.nets.eval()
        loss = images = 0
        for batch in batches:
            loss += self.model.validation_loss(self.translate(batch)).item() * len(batch["A"])
            images += len(batch["A"])
        self.model.nets.train()
        loss, images = total(loss, images)
        return loss / images

    def state(self) -> dict[str, Any]:
        """Everything to go on exactly: networks, optimizers, what the model remembers, and the random state."""
        return {
            "nets": {name: net.state_dict() for name, net in self.model.nets.items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "model": self.model.extra_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else [],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        for name, net in self.model.nets.items():
            net.load_state_dict(state["nets"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.model.load_extra_state(state["model"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state["cuda_rng"]:
            torch.cuda.set_rng_state(state["cuda_rng"][0], self.device)

    def _on_device(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
                for name, value in batch.items()}


def _require_finite(losses: Mapping[str, Tensor]) -> None:
    """Raises NotFinite in all processes when a loss is not finite in one of them."""
    finite = {name: loss.detach().isfinite() for name, loss in losses.items()}
    if not everywhere(torch.stack(list(finite.values())).all()):
        bad = next((name for name in losses if not finite[name]), "")
        raise NotFinite(bad, losses[bad].item() if bad else 0.0)


@contextmanager
def _frozen(nets: Iterable[nn.Module]) -> Iterator[None]:
    """No gradients are computed for the parameters of `nets`; those that were frozen before stay so."""
    frozen = [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Turns running out of memory, on any device, into a MachineError that gives `advice`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in words):
            raise
        reason = (str(error).splitlines() or ["out of memory"])[0]
        raise MachineError(f"there is too little memory: {reason}\n{advice}") from None
