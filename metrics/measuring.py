"""Metrics of many samples: fed batch by batch, then told as numbers."""
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metrics.base_metric import FeatureNet, Metric, Pictures, SetMetric
from util.errors import UserError

RESAMPLES = 1000


@dataclass(frozen=True)
class Value:
    """A metric of all samples. n: how many translations; references: how many pictures of the target domain they were
    compared with; low, high: the 95% bootstrap interval over samples, None where there is none (FID, KID, a single
    sample)."""

    value: float
    n: int
    references: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Report:
    """values: of each metric by name; rows: of each sample by its name, those metrics that a sample has; notes: what
    the values must not be read without, each beginning with the name of its metric."""

    values: Mapping[str, Value]
    rows: Mapping[str, Mapping[str, float]]
    notes: Sequence[str] = ()


class Measuring:
    """Keeps what metrics need of each sample of one direction of translation."""

    def __init__(self, metrics: Mapping[str, Metric]):
        """metrics: by the name under which each is told."""
        self.metrics = metrics
        self._samples: dict[str, list[str]] = {name: [] for name in metrics}  # which each metric has seen
        self._statistics: dict[str, list[Tensor]] = {name: [] for name in metrics}
        self._features: dict[tuple[FeatureNet, str], list[Tensor]] = defaultdict(list)
        self._void = self._empty = 0  # samples with pixels without data, and with nothing else

    @torch.no_grad()
    def add(self, names: Sequence[str], pictures: Pictures) -> None:
        """A batch: each metric takes what it needs, and leaves out a batch in which that is missing.

        names: of its samples, of which each comes once; pictures: by role. A metric of two sets also takes one role
        alone, so that the two sets may differ in number; a batch without a 'fake' is references only.
        pictures may hold 'void', bool (B, 1, H, W): pixels that are without data in some picture of the sample.
        UserError, naming the sample, when a picture has values that are no numbers, or when two that are compared
        pixel by pixel differ in size.
        """
        names, pictures = self._known(names, pictures)
        if not names:
            return
        _check_numbers(names, pictures)
        for name, metric in self.metrics.items():
            if not isinstance(metric, SetMetric) and all(role in pictures for role in metric.needs):
                _check_sizes(name, names, {role: pictures[role] for role in metric.needs})
                self._statistics[name].append(metric.statistics(pictures).cpu())
                self._samples[name] += names
        sets = [metric for metric in self.metrics.values() if isinstance(metric, SetMetric)]
        for network, role in dict.fromkeys((metric.extractor, role) for metric in sets for role in metric.needs):
            if role in pictures:
                self._features[network, role].append(network.to(pictures[role].device)(pictures[role]).cpu())

    def _known(self, names: Sequence[str], pictures: Pictures) -> tuple[Sequence[str], Pictures]:
        """The samples that hold data, as metrics expect them: see Pictures."""
        if "void" not in pictures:
            return names, pictures
        void = pictures["void"]
        known = 1 - void.flatten(1).float().mean(1)
        kept = [place for place, share in enumerate(known.tolist()) if share > 0]
        self._void += int((known < 1).sum())
        self._empty += len(names) - len(kept)
        filled = {role: batch.masked_fill(void, 0)[kept] for role, batch in pictures.items() if role != "void"}
        return [names[place] for place in kept], {**filled, "known": known[kept]}

    def report(self) -> Report:
        """The numbers of everything that was added. UserError for a metric that nothing, or too little, was added for.
        """
        values: dict[str, Value] = {}
        rows: dict[str, dict[str, float]] = defaultdict(dict)
        notes: list[str] = []
        for name, metric in self.metrics.items():
            if isinstance(metric, SetMetric):
                values[name] = self._distance(name, metric)
            else:
                statistics = self._statistics_of(name)
                n = len(statistics)
                values[name] = Value(metric.value(statistics), n, n if "real" in metric.needs else 0,
                                     *_interval(metric, statistics))
                for sample, number in zip(self._samples[name], metric.of_each(statistics).tolist(), strict=True):
                    rows[sample][name] = number
            notes += [f"{name}: {note}" for note in metric.notes(values[name].n, values[name].references)]
            if self._void:
                notes.append(f"{name}: pixels without data, of {self._void} samples, " + (
                    "are left out" if metric.leaves_out else "are black in both pictures and so count as equal"))
        if self._empty:
            notes.append(f"{self._empty} samples hold no data at all and are left out")
        return Report(values, dict(rows), notes)

    def _statistics_of(self, name: str) -> Tensor:
        if not self._statistics[name]:
            raise UserError(f"nothing was measured by {name}: no sample has all of what it needs "
                            f"({', '.join(self.metrics[name].needs)})")
        return torch.cat(self._statistics[name])

    def _distance(self, name: str, metric: SetMetric) -> Value:
        kept = {role: self._features[metric.extractor, role] for role in metric.needs}
        counts = {role: sum(map(len, parts)) for role, parts in kept.items()}
        if min(counts.values()) < 2:
            found = " and ".join(f"{count} of {role}" for role, count in counts.items())
            raise UserError(f"{name} compares two sets of pictures and needs at least 2 of each; there are {found}. "
                            "Give it more pictures or leave it out")
        fake, real = (torch.cat(parts) for parts in kept.values())
        return Value(metric.distance(fake, real), len(fake), len(real))


def with_void(batch: Pictures) -> Pictures:
    """The pictures of a batch, with 'void' beside them where pixels are without data (NaN)."""
    if len({pictures.shape[2:] for pictures in batch.values()}) > 1:  # they are compared as sets, if at all
        return {role: pictures.nan_to_num(nan=0.0) for role, pictures in batch.items()}
    void = torch.stack([pictures.isnan().any(1, keepdim=True) for pictures in batch.values()]).any(0)
    return {**batch, "void": void} if void.any() else batch


def _check_numbers(names: Sequence[str], pictures: Pictures) -> None:
    for role, batch in pictures.items():
        if role == "known":
            continue
        finite = batch.isfinite().flatten(1).all(1).tolist()
        for sample, sound in zip(names, finite, strict=True):
            if not sound:
                raise UserError(f"{sample}: its picture '{role}' has values that are not numbers (NaN or infinite), as "
                                "of a network whose weights are broken; take the weights of an earlier epoch")


def _check_sizes(name: str, names: Sequence[str], pictures: Pictures) -> None:
    sizes = {role: f"{batch.shape[3]} x {batch.shape[2]}" for role, batch in pictures.items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"'{role}' is {size}" for role, size in sizes.items())
        raise UserError(f"{names[0]}: {name} compares pictures pixel by pixel, and their sizes differ ({found}); bring "
                        "them to one size, or measure distances between sets (fid, kid)")


def _interval(metric: Metric, statistics: Tensor) -> tuple[float | None, float | None]:
    """The 95% interval of the metric's value over sets of samples drawn with replacement from these (Efron 1979).

    statistics: (N, ...). The draws are the same for every metric.
    """
    n, flat = len(statistics), statistics.double().flatten(1) if statistics.ndim > 1 else statistics.double()[:, None]
    if n < 2:
        return None, None
    source = torch.Generator().manual_seed(0)
    draws = (torch.randint(n, (n,), generator=source).bincount(minlength=n) for _ in range(RESAMPLES))
    means = torch.stack([times.double() @ flat / n for times in draws])
    values = metric.of_each(means.view(RESAMPLES, *statistics.shape[1:]))
    low, high = torch.quantile(values, torch.tensor((0.025, 0.975), dtype=values.dtype)).tolist()
    return low, high
