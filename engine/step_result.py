"""What one training step gave."""
from collections.abc import Mapping

import torch
from torch import Tensor


class NotFinite(Exception):
    """A loss became NaN or infinite; `term` is its name, '' in another process. Nothing was learned."""

    def __init__(self, term: str, value: float):
        super().__init__(f"the loss {term} is {value}")
        self.term = term


class Report:
    """Losses (scalars) and images (B, C, H, W) of a step by name, all detached.

    On a GPU the losses travel to the host while the next steps are computed; `require_finite` waits for them.
    """

    def __init__(self, losses: Mapping[str, Tensor], images: Mapping[str, Tensor], finite: Tensor):
        """finite: a boolean scalar, whether all losses are finite in all processes."""
        values = torch.stack([loss.detach() for loss in losses.values()])  # a copy: a recorded step writes over its own
        self.losses = dict(zip(losses, values.unbind(), strict=True))
        self.images = {name: image.detach() for name, image in images.items()}
        self._values = values.to("cpu", non_blocking=values.is_cuda)
        self._finite = finite.to("cpu", non_blocking=values.is_cuda)
        self._arrived = torch.cuda.current_stream(values.device).record_event() if values.is_cuda else None

    def require_finite(self) -> None:
        """Raises NotFinite, in all processes, for the first loss that is NaN or infinite."""
        if self._arrived:
            self._arrived.synchronize()
        if self._finite:
            return
        for name, value in zip(self.losses, self._values, strict=True):
            if not value.isfinite():
                raise NotFinite(name, value.item())
        raise NotFinite("", 0.0)
