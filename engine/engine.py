"""Runs any model that keeps the contract of models/contract.py: device, precision, optimizers, steps. Knows none."""
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.averaged import averaged_copy, copy_buffers, follow
from engine.device import describe_device, on_device
from engine.distributed import everywhere
from engine.exchange import Exchange
from engine.frozen import frozen
from engine.noise import noise_from
from engine.optimizers import Optimizers, gradients_of, learn
from engine.precision import HALF, autocast, loss_scaler
from engine.recorded_step import RecordedStep
from engine.section import Section, Work, sections
from engine.step_result import StepResult, finite_gradients, finite_scalars
from engine.tuning import Tuning
from models.contract import Batch, Clock, Images, Model, Update
from networks.fast_layers import best_layout
from util.torchrun import rank


class Engine:
    """A model on a device: ready to translate, and after `prepare_training` to train.

    precision: 'fp32', 'tf32', 'bf16' or 'fp16', see engine/precision.py. plain: the textbook step, nothing fused or
    recorded. seed: of all random numbers of the steps, and of the noise of translations. autotune: on a CPU, choose by
    measurement what is fastest, see engine/autotune.py; verbose: and tell the times.
    """

    def __init__(self, model: Model, device: torch.device, precision: str = "fp32", plain: bool = False, seed: int = 0,
                 autotune: bool = False, verbose: bool = False):
        self.model, self.device, self.precision, self.plain, self.seed = model, device, precision, plain, seed
        self.generators = tuple(model.nets)  # the networks that only training needs are added later
        self.ahead = 2 if device.type == "cuda" else 0  # steps to go on before the host asks whether a loss was NaN
        self.draws = torch.Generator()  # for what a step decides on the host
        self.scaler = loss_scaler(precision, device)
        self.recorded: RecordedStep | None = None
        self.trains = False
        self.tuning = Tuning(model, autotune and not plain and device.type == "cpu", self._autocast, precision, verbose)
        self._to_device()

    def _to_device(self) -> None:
        tensor_cores = self.precision in ("tf32", *HALF)
        for nets in (self.model.nets, self.model.frozen):
            nets.to(self.device)
            layouts = {name: best_layout(net, self.device.type, tensor_cores) for name, net in nets.items()}
            for name, net in nets.items() if not self.plain else ():
                net.to(memory_format=layouts[name])
            if nets is self.model.nets:
                self.tuning.laid_out(layouts)

    def prepare_training(self, lr: float, beta1: float, record: bool = False, ema: float = 0.0,
                         grad_compress: str = "none") -> None:
        """Adds what only training needs, and an Adam for each set of networks, betas beta1 and 0.999 as in both papers.

        ema: also keep running means of the generators, in which this is the share of the old at each update; 0: none
        but those that the model asks for.
        record: record a step and replay it, where engine.recorded_step.can_record allows it. grad_compress: how
        gradients travel between processes, see engine/exchange.py.
        TypeError, a programming error, when the model's updates contradict each other.
        """
        model, self.trains = self.model, True
        model.prepare_training()
        self._to_device()
        if grad_compress == "powersgd":  # which takes the gradients of kernels as matrices
            model.nets.to(memory_format=torch.contiguous_format)
            self.tuning.laid_out(dict.fromkeys(model.nets, torch.contiguous_format))
            self.tuning.fixed = True
        self.averages = {**model.averages, **(dict.fromkeys(self.generators, ema) if ema else {})}
        model.averaged.update({name: averaged_copy(model.nets[name]) for name in self.averages})
        model.clock = Clock(self.device)
        if record:
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
        fused = not self.plain and self.device.type in ("cpu", "cuda")
        self.optimizers = Optimizers(model.updates, model.nets, lr, beta1, fused, self.device if record else None)
        self.sections = sections(self.optimizers.updates)
        self.exchange = Exchange(model.nets, grad_compress)
        self.tellers: dict[str, str] = {}  # which update tells a loss of that name
        self.recorded = RecordedStep(self.sections, self._compute, self._recall, self.device) if record else None

    def restart_means(self) -> None:
        """Let the running means begin at the weights that there are now."""
        for name, mean in self.model.averaged.items():
            mean.load_state_dict(self.model.nets[name].state_dict())

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

    def step(self, *batches: Batch, epoch: int, images: int) -> StepResult:
        """One training step from one batch, or from several whose gradients are averaged over all samples.

        epoch, images: where the training is, images done in all before this step. With the seed and the number of the
        process they decide all of torch's random numbers in the step, so that nobody needs to remember any.
        An update whose loss or gradient is NaN or infinite, in any process, moves nothing, nor do those behind it in
        the step; those before it stand. The result says so when it is asked.
        """
        self.tuning.before_step(batches[0])
        torch.manual_seed(step_seed(self.seed, rank(), images))
        self.draws.manual_seed(step_seed(self.seed, rank(), images, "drawn"))
        self.model.clock.set(epoch, images)
        batches = tuple(on_device({**batch, **self.model.draw(batch, self.draws)}, self.device) for batch in batches)
        if self.recorded and len(batches) == 1:
            work = self.recorded.step(batches[0])
        else:
            work = Work.begin(self.device)
            for section in self.sections:
                work = work.remembering([self._recall(section, made) for made in work.images])
                work = self._compute(section, batches, work)
                if self.device.type != "cuda" and not work.finite:
                    break  # the image pools must not remember such fakes; on a GPU they mend them
        return StepResult(work.losses, work.images[-1], work.finite)

    def notices(self) -> list[str]:
        """What the user should know, since this was last asked."""
        said, self.tuning.notices = self.tuning.notices, []
        if self.recorded:
            said, self.recorded.notices = said + self.recorded.notices, []
        return said

    def _recall(self, section: Section, images: Images) -> Images:
        """What the section's updates remember of earlier steps: decided on the host."""
        return section.recall(images, self.draws) if section.recall else {}

    def _compute(self, section: Section, batches: Sequence[Batch], work: Work) -> Work:
        """The device's work for a section: images where there are none yet, losses, gradients, new weights."""
        buffers = list(self.model.nets.buffers())  # statistics of batch norms
        done = []  # the buffers before each update, and whether all was finite up to it
        for update in section.updates:
            before, remembered = [buffer.clone() for buffer in buffers], self.exchange.remembered(update)
            images, losses = self._differentiate(update, batches, work.images)
            finite, moved = self._learn(update, losses, work.finite)
            self.exchange.take_back(update, remembered, moved)
            for name in set(update.nets) & set(self.averages):
                follow(self.model.averaged[name], self.model.nets[name], self.averages[name], moved)
            done.append((before, finite))
            work = work.after(images, losses, finite)
        for before, finite in reversed(done):  # not earlier: gradients need them as they are
            for buffer, old in zip(buffers, before, strict=True):
                buffer.copy_(buffer.where(finite, old))
        for name, mean in self.model.averaged.items():
            copy_buffers(mean, self.model.nets[name])
        return work

    def _differentiate(self, update: Update, batches: Sequence[Batch], made: Sequence[Images]
                       ) -> tuple[list[Images], dict[str, Tensor]]:
        """The images of each batch and the update's losses over all samples; gradients are where optimizers look.

        made: the images of each batch where there are some already.
        """
        self.optimizers.of[update.nets].zero_grad()
        samples = sum(len(batch["A"]) for batch in batches)
        all_images: list[Images] = []
        losses: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            share = len(batch["A"]) / samples
            with self.exchange.put_off(update, number + 1 < len(batches)):
                with self._autocast():
                    images = made[number] if made else self._forward(batch, several=len(batches) > 1)
                    with frozen(net for name, net in self.model.nets.items() if name not in update.nets):
                        terms = self.exchange.losses(update, images)
                        self._refuse_second_tellers(update, terms)
                        objective = update.scale * share * torch.stack(list(terms.values())).sum()
                self.scaler.scale(objective).backward()
            all_images.append(images)
            for name, term in terms.items():
                losses[name] = losses.get(name, term.new_zeros(())) + share * term.detach()
        return all_images, losses

    def _learn(self, update: Update, losses: Mapping[str, Tensor], finite: Tensor) -> tuple[Tensor, Tensor]:
        """Moves the update's networks unless a loss up to now or a gradient is not finite.

        Returns whether all was finite, and whether they moved: boolean scalars on the device. Both are the same but for
        fp16, where a gradient beyond its range is no fault as long as the scale can be made smaller.
        """
        optimizer = self.optimizers.of[update.nets]
        finite = finite & everywhere(finite_scalars(losses.values()))
        if not self.scaler.is_enabled():
            finite = finite & finite_gradients(gradients_of(optimizer))
            learn(optimizer, finite)
            return finite, finite
        self.scaler.unscale_(optimizer)
        within = finite_gradients(gradients_of(optimizer))
        learn(optimizer, moved := finite & within)
        small = self.scaler.scale(torch.ones((), device=self.device)) <= 1
        self.scaler.update()
        return finite & (within | ~small), moved

    def _refuse_second_tellers(self, update: Update, losses: Iterable[str]) -> None:
        for name in losses:
            teller = self.tellers.setdefault(name, update.name)
            if teller != update.name:
                raise TypeError(f"the updates {teller!r} and {update.name!r} both have a loss {name!r}; "
                                "give each a name of its own")

    def _forward(self, batch: Batch, several: bool) -> Images:
        """The model's images; computed again when others of `several` batches come before the generators learn."""
        if several and not set(self.generators) & set(self.optimizers.updates[0].nets):
            return checkpoint(self.model.forward, batch, use_reentrant=False,
                              context_fn=lambda: (nullcontext(), self.model.same_statistics()))
        return self.model.forward(batch)

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.precision, self.device, cache=self.recorded is None)  # no cache outlives a recording

    @torch.no_grad()
    def translate(self, batch: Batch, seed: int | None = None) -> Images:
        """The images that the model makes of a batch, by name. seed: of the noise, where generators have any; left out:
        the engine's. Several threads may call it at once.
        """
        batch = on_device(batch, self.device)
        alone = self.device.type == "cpu" and not self.plain and self.model.samples_alone  # caches are small there
        parts = _samples(batch) if alone else [batch]
        if not self.trains:
            self.tuning.before_translation(parts[0])
        seed = self.seed if seed is None else seed
        with self._autocast(), noise_from(seed, self.model.nets.values(), self.device):
            made = [self.model.translate(part) for part in parts]
        return {name: torch.cat([images[name] for images in made]) for name in made[0]}

    def state(self) -> dict[str, Any]:
        """Everything to go on exactly: networks, their running means, optimizers, and what model and exchange remember.
        """
        return {
            "nets": {name: net.state_dict() for name, net in self.model.nets.items()},
            "averaged": {name: net.state_dict() for name, net in self.model.averaged.items()},
            "optimizers": self.optimizers.state(),
            "scaler": self.scaler.state_dict(),
            "model": self.model.extra_state(),
            "exchange": self.exchange.state(),
            "chosen": self.tuning.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave, on any device and with any flags of speed. Its optimizers' moments leave it."""
        self.tuning.load_state(state)
        for name, net in self.model.nets.items():
            net.load_state_dict(state["nets"][name])
        for name, net in self.model.averaged.items():  # which an older state may lack
            net.load_state_dict(state.get("averaged", {}).get(name, state["nets"][name]))
        self.optimizers.load_state(state["optimizers"])
        if self.scaler.is_enabled() and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.model.load_extra_state(state["model"])
        self.exchange.load_state(state.get("exchange", {}))  # which an older state lacks


def step_seed(*where: object) -> int:
    """A seed of 63 bits for a step that is described by `where`."""
    return random.Random(" ".join(map(str, where))).getrandbits(63)


def _samples(batch: Batch) -> list[Batch]:
    """A batch for each sample."""
    return [{name: value[number:number + 1] for name, value in batch.items() if isinstance(value, Tensor)}
            for number in range(len(batch["A"]))]
