"""Mean and variance of an image that is seen part by part."""
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CACHED = 1 << 16  # values that a CPU's cache holds


@dataclass
class Statistics:
    """Of each channel: how many values there were, their mean, and the sum of squared distances from it, float64 (C,).

    Merged as in Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances": sums of squares would cancel each other out.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Statistics":
        """Of all values, (1, C, h, w)."""
        x = values[0].float()
        channels, height, width = x.shape
        near = x[:, :1].mean((1, 2), keepdim=True)  # the mean, or near it
        rows = max(1, CACHED // (width * channels)) if x.device.type == "cpu" else height
        total = squares = torch.zeros(channels, dtype=torch.float64, device=x.device)
        for part in x.split(rows, 1):
            distance = part - near
            total = total + distance.sum((1, 2))
            squares = squares + distance.square_().sum((1, 2))
        count = height * width
        off = total / count
        return cls(count, (near.flatten() + off).cpu(), (squares - count * off**2).clamp(min=0).cpu())

    def with_(self, other: "Statistics") -> "Statistics":
        """Of the values of both."""
        count = self.count + other.count
        distance, share = other.mean - self.mean, other.count / count
        return Statistics(count, self.mean + distance * share,
                          self.squares + other.squares + distance**2 * (self.count * share))

    @property
    def variance(self) -> Tensor:
        """The biased one, (C,)."""
        return self.squares / self.count

    def state(self) -> dict[str, Any]:
        """What JSON can keep without loss."""
        return {"count": self.count, "mean": self.mean.tolist(), "squares": self.squares.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Statistics":
        mean, squares = (torch.tensor(state[name], dtype=torch.float64) for name in ("mean", "squares"))
        return cls(state["count"], mean, squares)
