"""The network that scores, and its file: kept beside the dataset, and used again as long as nothing has changed."""
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.segmentation import SegmentationNet, squared
from metrics.palette import Palette
from util.errors import UserError
from util.files import write_atomically

FILE = "fcn_score.pth"  # in the folder of a dataset
PARTS: dict[str, type] = {"kind": str, "names": list, "colours": Tensor, "made_of": dict, "weights": dict}
KIND = "scoring network of evaluate.py fcn"
ADVICE = "remove it, and it is trained again; or give another file with --net FILE"


@dataclass(frozen=True)
class MadeOf:
    """What a scoring network depends on, beside the palette. fingerprint: of the pairs; labels: the side painted with
    the palette, 'A' or 'B'; size: the side in pixels of the squares in which it sees photos."""

    fingerprint: str
    phase: str
    labels: str
    size: int
    steps: int
    seed: int


@dataclass(frozen=True)
class ScoringNet:
    """net: in eval mode; palette: the classes that it tells apart."""

    net: SegmentationNet
    palette: Palette
    made_of: MadeOf

    @torch.no_grad()
    def painted(self, photos: Tensor) -> Tensor:
        """What the network sees in photos, painted in the colours of its palette: (B, 3, H, W) in [0, 1], both.

        They are brought to its size, and what it says is brought back to theirs, as in Long et al. 2015.
        """
        logits = self.net(squared(photos.to(self.net.mean.device), self.made_of.size))
        return paint(F.interpolate(logits, photos.shape[2:], mode="bilinear").argmax(1).cpu(), self.palette)

    def differences(self, wanted: Mapping[str, Any], palette: Palette | None) -> list[str]:
        """What is not as it is wanted, in words. wanted: parts of MadeOf by name; None for what does not matter."""
        said = {"fingerprint": "on other pairs, or these have changed since"}
        unlike = [said.get(name, f"with {name} {found}, not {wanted[name]}")
                  for name, found in asdict(self.made_of).items() if wanted.get(name) not in (None, found)]
        if palette and (palette.colours.shape != self.palette.colours.shape
                        or not palette.colours.allclose(self.palette.colours)):
            unlike.append("with another palette")
        return unlike


def paint(classes: Tensor, palette: Palette) -> Tensor:
    """Classes (B, H, W) in the colours of the palette: (B, 3, H, W) in [0, 1]."""
    return palette.colours[classes].permute(0, 3, 1, 2)


def save_scoring_net(path: Path, scoring: ScoringNet) -> None:
    """Write the network with its palette and what it was made of. Raises OSError."""
    state = {key: value.cpu() for key, value in scoring.net.state_dict().items()}
    content = {"kind": KIND, "names": list(scoring.palette.names), "colours": scoring.palette.colours,
               "made_of": asdict(scoring.made_of), "weights": state}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_scoring_net(path: Path) -> ScoringNet:
    """The network in a file, on the CPU; code in a file is never run. UserError when it holds none."""
    content = read_scoring_file(path)
    try:
        made_of = MadeOf(**content["made_of"])
        palette = Palette(content["names"], content["colours"])
        net = SegmentationNet(len(palette.names))
        net.load_state_dict(content["weights"])
        whole = all(value.isfinite().all() for value in (*net.state_dict().values(), palette.colours))
        if not whole or palette.colours.shape != (len(palette.names), 3) or made_of.labels not in ("A", "B"):
            raise ValueError("numbers that cannot be")
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is no whole scoring network ({reason}): it is damaged, or of another version; "
                        "--overwrite trains it anew") from None
    return ScoringNet(net.eval(), palette, made_of)


def read_scoring_file(path: Path) -> Mapping[str, Any]:
    """What is in the file. UserError when that is not what save_scoring_net writes, in this or another version."""
    try:
        content = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); expected a scoring network, which evaluate.py fcn "
                        "writes; give another file with --net FILE") from None
    except Exception as error:  # the unpickler fails in any way it likes on what is no pickle
        raise UserError(f"{path} is damaged, cut off, or no scoring network ({type(error).__name__}); code in it is "
                        f"not run; {ADVICE}") from None
    if not (isinstance(content, dict) and content.get("kind") == KIND
            and all(isinstance(content.get(name), kind) for name, kind in PARTS.items())):
        raise UserError(f"{path} holds no scoring network, which evaluate.py fcn writes, but something else; give "
                        "another file with --net FILE")
    return content
