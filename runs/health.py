"""Warnings of the known diseases of adversarial training, once each, with what to try."""
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.contract import Translation

CHECKS = 10  # how many checks in a row must look ill
THUMBNAIL = 8  # pixels a side

ADVICE = {  # disease: what it is, and what to try against it in any model
    "winning": ("{D} wins outright: its loss stays below 0.02, so {G} learns little from it",
                "a weaker discriminator (--ndf, --netD pixel), --gan_mode lsgan"),
    "copying": ("{fake} is a copy of {source}, although the target differs from it",
                "more weight on the adversarial loss"),
    "collapsed": ("{fake} hardly depends on {source} (mode collapse): it is nearly the same for different inputs",
                  "a lower --lr, another --seed"),
    "inverted": ("{fake} has the light and dark of {source} inverted, which the target does not ask for",
                 "another --seed, if that is not wanted"),
}


class Health:
    """Looks at a training whenever losses are logged. Judges ten checks together, each disease once."""

    def __init__(self, translations: tuple[Translation, ...]):
        self.translations = translations
        self.checks: dict[str, list[dict[str, Any]]] = {t.fake: [] for t in translations}
        self.said: list[str] = []

    def check(self, losses: Mapping[str, float], images: Mapping[str, Tensor]) -> list[str]:
        """Warnings that are new. losses: as logged; images: (B, C, H, W) in [-1, 1] by name."""
        warnings = []
        for t in self.translations:
            if t.fake not in images:  # a model that does not translate while it trains
                continue
            checks = self.checks[t.fake] = [*self.checks[t.fake], _look(t, losses, images)][-CHECKS:]
            if len(checks) == CHECKS:
                warnings += [self._warn(disease, t) for disease in _diagnose(t, checks)]
        return [warning for warning in warnings if warning]

    def _warn(self, disease: str, t: Translation) -> str:
        key = f"{disease} {t.fake}"
        if key in self.said:
            return ""
        self.said.append(key)
        what, remedy = ADVICE[disease]
        own = (t.remedies or {}).get(disease)
        said = what.format(source=t.source, fake=t.fake, G=t.G, D=" + ".join(t.D))
        return f"warning: {said}; try {remedy}" + (f", {own}" if own else "")

    def state(self) -> dict[str, Any]:
        """What to go on with after a stop."""
        return {"checks": self.checks, "said": self.said}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.checks, self.said = dict(state["checks"]), list(state["said"])


def _look(t: Translation, losses: Mapping[str, float], images: Mapping[str, Tensor]) -> dict[str, Any]:
    """The few numbers of one check."""
    source, fake, target = (images[name][:1].float() for name in (t.source, t.fake, t.target))
    gray = {name: F.adaptive_avg_pool2d(image.mean(1), THUMBNAIL).flatten().cpu()
            for name, image in (("source", source), ("fake", fake), ("target", target))}
    same_shape = source.shape == fake.shape
    return {
        "D": sum(losses[name] for name in t.D) if t.D else 1.0,
        "copied": (fake - source).abs().mean().item() if same_shape else 2.0,
        "source": gray["source"],
        "fake": gray["fake"],
        "change": (gray["target"] - gray["source"]).abs().mean().item(),
        "correlation": _correlation(gray["fake"], gray["source"]),
        "wanted": _correlation(gray["target"], gray["source"]) if t.paired else 0.0,
    }


def _correlation(one: Tensor, other: Tensor) -> float:
    return F.cosine_similarity(one - one.mean(), other - other.mean(), dim=0).item()


def _diagnose(t: Translation, checks: list[dict[str, Any]]) -> list[str]:
    """The diseases that all checks agree on."""
    found = []
    if t.D and all(0 <= check["D"] < 0.02 for check in checks):
        found.append("winning")
    if all(check["copied"] < 0.02 and check["change"] > 0.1 for check in checks):
        found.append("copying")
    variety = {name: torch.stack([check[name] for check in checks]).std(0).mean().item() for name in ("source", "fake")}
    if variety["source"] > 0.05 and variety["fake"] < 0.02 * variety["source"]:
        found.append("collapsed")
    if all(check["correlation"] < -0.5 and check["wanted"] > -0.2 for check in checks):
        found.append("inverted")
    return found
