"""Mean and variance of an image that is seen part by part."""
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Statistics:
    """Of each channel: how many values there were, their mean, and the sum of squared distances from it, float64 (C,).

    Merged as in Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances": sums of squares would cancel each other out.
    """

    count: int = 0
    mean: Tensor | None = None
    squares: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Values (1, C, h, w) that were not seen before."""
        variance, mean = (part.double().cpu() for part in
                          torch.var_mean(values.float(), (0, 2, 3), correction=0))
        count = values[0, 0].numel()
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = count, mean, variance * count
            return
        share = count / (self.count + count)
        distance = mean - self.mean
        self.squares = self.squares + variance * count + distance**2 * (self.count * share)
        self.mean = self.mean + distance * share
        self.count += count

    @property
    def variance(self) -> Tensor:
        """The biased one, (C,)."""
        assert self.squares is not None
        return self.squares / self.count

    def state(self) -> dict[str, Any]:
        """What JSON can keep without loss."""
        assert self.mean is not None and self.squares is not None
        return {"count": self.count, "mean": self.mean.tolist(), "squares": self.squares.tolist()}

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Statistics":
        mean, squares = (torch.tensor(state[name], dtype=torch.float64) for name in ("mean", "squares"))
        return cls(state["count"], mean, squares)
