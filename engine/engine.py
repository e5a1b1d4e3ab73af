"""Runs any model that keeps the contract of models/base_model.py: device, precision, optimizers, steps. Knows none by name."""
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.device import describe_device, on_device
from engine.distributed import average_gradients, everywhere, same_everywhere, total
from engine.precision import HALF, autocast, loss_scaler
from engine.recorded_step import RecordedStep
from engine.step_result import Report
from util.torchrun import world_size

Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """Updates, each with its optimizer, whose work the device does without asking the host. recall: see the model's Update."""

    updates: tuple[tuple[Any, torch.optim.Optimizer], ...]
    recall: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [optimizer for _, optimizer in self.updates]


class Engine:
    """A model on a device: ready to translate, and after `prepare_training` to train.

    precision: 'fp32', 'tf32', 'bf16' or 'fp16', see engine/precision.py. plain: the textbook step, nothing fused or recorded.
    """

    def __init__(self, model: Any, device: torch.device, precision: str = "fp32", plain: bool = False):
        self.model, self.device, self.precision, self.plain = model, device, precision, plain
        self.generators = tuple(model.nets)  # the discriminators are added later
        self.ahead = 2 if device.type == "cuda" else 0  # steps to go on before the host asks whether a loss was NaN
        self.optimizers: list[torch.optim.Optimizer] = []
        self.scaler = loss_scaler(precision, device)
        self.recorded: RecordedStep | None = None
        self._to_device()

    def _to_device(self) -> None:
        self.model.nets.to(self.device)
        if self.device.type == "cuda" and not self.plain:  # tensor cores read channels_last; on a CPU the networks know best
            tensor_cores = self.precision in ("tf32", *HALF)
            self.model.nets.to(memory_format=torch.channels_last if tensor_cores else torch.contiguous_format)

    def prepare_training(self, lr: float, beta1: float, record: bool = False) -> None:
        """Adds the discriminators, and one Adam for each of the model's updates, betas beta1 and 0.999 as in both papers.

        record: on a GPU, record a step and replay it; for images of one size.
        """
        self.model.add_discriminators()
        self._to_device()
        fused = not self.plain and self.device.type in ("cpu", "cuda")
        record = record and fused and self.device.type == "cuda" and self.precision != "fp16" and world_size() == 1
        if record:
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")  # before it is recorded
        rate = torch.tensor(lr, device=self.device) if record else lr
        self.optimizers = [
            torch.optim.Adam([p for name in update.nets for p in self.model.nets[name].parameters()], rate, (beta1, 0.999),
                             fused=fused or None, capturable=record)
            for update in self.model.updates
        ]
        self.sections = _sections(list(zip(self.model.updates, self.optimizers, strict=True)))
        self.recorded = RecordedStep(self.sections, self._compute) if record else None

    def compile(self) -> None:
        """Compile every network when it is first used; the names of its parameters stay."""
        for net in self.model.nets.values():
            net.compile()

    def describe(self, verbose: bool) -> str:
        """The device, and the parameters of each network; verbose: and its layers."""
        lines = [f"{describe_device(self.device)}, precision {self.precision}{', plain' if self.plain else ''}"]
        for name, net in self.model.nets.items():
            lines.append(f"network {name}: {sum(p.numel() for p in net.parameters()) / 1e6:.3f} M parameters")
            lines += [str(net)] if verbose else []
        return "\n".join(lines)

    def set_lr(self, lr: float) -> None:
        """The learning rate of all optimizers from now on."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):  # a recorded step reads it there
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr

    def step(self, *batches: Batch) -> Report:
        """One training step from one batch, or from several whose gradients are averaged over all samples.

        When a loss is NaN or infinite, in any process, the weights stay; the report says so when it is asked.
        """
        batches = [on_device(batch, self.device) for batch in batches]
        if self.recorded and len(batches) == 1:
            return Report(*self.recorded.step(batches[0]))
        images: list[dict[str, Tensor]] = [{} for _ in batches]
        losses: dict[str, Tensor] = {}
        for section in self.sections:
            if section.recall:
                for made in images:
                    made |= section.recall(made)
            finite = self._compute(section, batches, images, losses)
            if self.device.type != "cuda" and not finite:
                break  # the image pools must not remember such fakes; on a GPU they mend them
        if self.scaler.is_enabled():
            self.scaler.update()
        return Report(losses, images[-1], finite)

    def _compute(self, section: Section, batches: Sequence[Batch], images: list[dict[str, Tensor]], losses: dict[str, Tensor]
                 ) -> Tensor:
        """The device's work for a section: images where there are none yet, losses, gradients, new weights.

        images: by name, for each batch; losses: averaged over the samples of all batches. Both are completed here.
        Returns whether all losses so far are finite in all processes.
        """
        samples = sum(len(batch["A"]) for batch in batches)
        capturing = self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        before = [buffer.clone() for buffer in self.model.nets.buffers()]  # statistics of batch norms
        for update, optimizer in section.updates:
            optimizer.zero_grad()
            for batch, made in zip(batches, images, strict=True):
                share = len(batch["A"]) / samples
                with autocast(self.precision, self.device, cache=not capturing):
                    made |= {} if made else self._forward(batch, several=len(batches) > 1)
                    with _frozen([net for name, net in self.model.nets.items() if name not in update.nets]):
                        terms = update.losses(made)
                        objective = update.scale * share * sum(terms.values())
                if self.scaler.is_enabled():  # it looks for NaN in gradients, not in losses
                    objective = objective * torch.ones_like(objective).where(_finite(losses | terms), torch.nan)
                self.scaler.scale(objective).backward()
                for name, term in terms.items():
                    losses[name] = losses.get(name, 0) + share * term.detach()
            finite = everywhere(_finite(losses))
            average_gradients([p for group in optimizer.param_groups for p in group["params"]])
            self._learn(optimizer, finite)
        for buffer, old in zip(self.model.nets.buffers(), before, strict=True):
            buffer.copy_(buffer.where(finite, old))
        return finite

    def _forward(self, batch: Batch, several: bool) -> Mapping[str, Tensor]:
        """The model's images. When others of `several` batches come before the generators learn, they are computed again then."""
        if several and not set(self.generators) & set(self.model.updates[0].nets):
            return checkpoint(self.model.forward, batch, use_reentrant=False,
                              context_fn=lambda: (nullcontext(), self.model.same_statistics()))
        return self.model.forward(batch)

    def _learn(self, optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
        """One step of the optimizer if `finite`, a boolean scalar, is true: decided on the device where it can."""
        if self.scaler.is_enabled():
            self.scaler.step(optimizer)
        elif optimizer.defaults["fused"]:
            optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # how torch tells a fused optimizer
            optimizer.step()
        elif finite:
            optimizer.step()

    @torch.no_grad()
    def translate(self, batch: Batch) -> dict[str, Tensor]:
        """The images that the model makes of a batch, by name."""
        batch = on_device(batch, self.device)
        alone = self.device.type == "cpu" and self.model.together  # what a batch needs does not fit into a CPU's caches
        with autocast(self.precision, self.device):
            made = [self.model.translate(part) for part in (_samples(batch) if alone else [batch])]
        return {name: torch.cat([images[name] for images in made]) for name in made[0]}

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> float:
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
            "scaler": self.scaler.state_dict(),
            "model": self.model.extra_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else [],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave, on any device and with any flags of speed."""
        for name, net in self.model.nets.items():
            net.load_state_dict(state["nets"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            _load_optimizer(optimizer, saved)
        if self.scaler.is_enabled() and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.model.load_extra_state(state["model"])
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and state["cuda_rng"]:
            torch.cuda.set_rng_state(state["cuda_rng"][0], self.device)


def _sections(updates: Sequence[tuple[Any, torch.optim.Optimizer]]) -> list[Section]:
    """The updates in as few sections as their `recall` allows. TypeError, a programming error, when the first has one."""
    if updates and updates[0][0].recall:
        raise TypeError("the first update cannot recall: there are no images yet")
    begins = [0] + [number for number, (update, _) in enumerate(updates) if number and update.recall]
    return [Section(tuple(updates[begin:end]), updates[begin][0].recall)
            for begin, end in zip(begins, [*begins[1:], len(updates)], strict=True)]


def _finite(losses: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).isfinite().all()


def _samples(batch: Batch) -> list[Batch]:
    """A batch for each sample."""
    return [{name: value[number:number + 1] for name, value in batch.items() if isinstance(value, Tensor)}
            for number in range(len(batch["A"]))]


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Restores moments and steps; how the optimizer computes stays as it was made, and memory keeps the weights' layout."""
    optimizer.load_state_dict({**saved, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


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
