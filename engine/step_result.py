"""What one training step gave."""
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor


class NotFinite(Exception):
    """A loss or gradient became NaN or infinite; `term` is the loss's name, '' for a gradient or in another process."""

    def __init__(self, term: str, value: float):
        super().__init__(f"the loss {term} is {value}" if term else "a gradient is NaN or infinite")
        self.term = term


def finite_scalars(scalars: Iterable[Tensor]) -> Tensor:
    """Whether all of them are finite: a boolean scalar on their device, which the host does not wait for."""
    return torch.stack(list(scalars)).isfinite().all()


def finite_gradients(gradients: Sequence[Tensor]) -> Tensor:
    """The same for gradients of any shape. One whose square is too large for its type is infinite, as for Adam."""
    return torch.nn.utils.get_total_norm(gradients).isfinite()


class StepResult:
    """Losses (scalars) and images (B, C, H, W) of a step by name, all detached.

    told: the losses as one tensor, and behind them 1, or 0 where an update was refused.
    On a GPU the losses travel to the host while the next steps are computed; `require_finite` waits for them.
    """

    def __init__(self, losses: Mapping[str, Tensor], images: Mapping[str, Tensor], finite: Tensor):
        """finite: a boolean scalar, whether all losses and gradients are finite in all processes."""
        values = [loss.detach() for loss in losses.values()]
        self.told = torch.stack([*values, finite.to(values[0].dtype)])  # a copy: a recorded step writes over its own
        self.losses = dict(zip(losses, self.told[:-1].unbind(), strict=True))
        self.images = {name: image.detach() for name, image in images.items()}
        self.refused = False  # whether it is known that an update was left out
        cuda = self.told.is_cuda
        self._arriving = self.told.to("cpu", non_blocking=cuda)
        self._arrived = torch.cuda.current_stream(self.told.device).record_event() if cuda else None

    def require_finite(self) -> None:
        """Raises NotFinite, in all processes, for the first loss that is NaN or infinite, else for a gradient."""
        if self._arrived:
            self._arrived.synchronize()
        *values, finite = self._arriving
        self.refused = not finite
        if not self.refused:
            return
        for name, value in zip(self.losses, values, strict=True):
            if not value.isfinite():
                raise NotFinite(name, value.item())
        raise NotFinite("", 0.0)
