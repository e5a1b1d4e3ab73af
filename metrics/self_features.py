"""Features of a network that has seen nothing but the target domain: where no other weights are at hand, or where
those that were trained on photos see nothing in the pictures (microscopy, maps).

It learns two things of small crops at once: which picture one comes from (Dosovitskiy et al. 2014, each picture a
class), so that it knows what is shown, and what was done to it, so that it sees blur, noise, wrong colours and
patterns.
"""
import io
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from metrics.base_metric import FeatureNet
from metrics.weight_files import load_weights
from util.errors import UserError
from util.files import write_atomically

FILE = "self_features.pth"  # in a folder of weights
LARGEST = 256  # pixels: longer sides are shrunk to this
CROP = 64  # pixels a side
MOST_PICTURES, MOST_STEPS, BATCH = 200, 150, 32
DAMAGES = 6


class SelfFeatures(FeatureNet):
    """Means over the picture of 64 features, each of which sees 63 x 63 pixels."""

    num_features = 64

    def __init__(self, trained_on: int):
        """trained_on: how many pictures; the weights are still random."""
        super().__init__()
        self.trained_on = trained_on
        self.note = (f"features of a network trained on {trained_on} pictures of the target domain: not comparable "
                     "with published numbers, nor with those of another such network")
        sizes = (3, 16, 32, 64, self.num_features)
        self.layers = nn.Sequential(*[nn.Sequential(nn.Conv2d(ins, outs, 5 if ins == 3 else 3, 2, 1),
                                                    nn.BatchNorm2d(outs), nn.ReLU())
                                      for ins, outs in itertools.pairwise(sizes)])

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(2 * sized(pictures) - 1).mean((2, 3))


def sized(pictures: Tensor) -> Tensor:
    """(B, 3, H, W), brought to sides of CROP to LARGEST pixels, unless one is far longer than the other."""
    height, width = pictures.shape[2:]
    scale = min(1, LARGEST / max(height, width))
    shape = [max(CROP, round(side * scale)) for side in (height, width)]
    if shape == [height, width]:
        return pictures
    return F.interpolate(pictures, shape, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def load_or_train(weights: Path | None, pictures: Callable[[], Iterable[Tensor]]) -> SelfFeatures:
    """The network in the file (or folder) `weights`; where it is not there, one trained on pictures, and kept there."""
    path = Path(weights, FILE) if weights and Path(weights).is_dir() else weights
    if path and Path(path).exists():
        return _load(path)
    net = train(pictures())
    if path:
        content = io.BytesIO()
        torch.save({"trained_on": net.trained_on, "weights": net.state_dict()}, content)
        write_atomically(path, content.getvalue())
    return net


def _load(path: Path) -> SelfFeatures:
    expected = "a network of --features self, as evaluate.py keeps it"
    held = load_weights(path, expected)
    try:
        net = SelfFeatures(int(held["trained_on"]))
        net.load_state_dict(held["weights"])
    except (KeyError, RuntimeError, TypeError, ValueError):
        raise UserError(f"{path} holds no such weights; expected those of {expected}. Name another file with "
                        "--feature_weights, and it is trained and kept there") from None
    return net.eval()


def train(pictures: Iterable[Tensor]) -> SelfFeatures:
    """A network trained on the first MOST_PICTURES of these, each (3, H, W) in [0, 1]; always the same one.

    On the CPU, at most MOST_STEPS steps. The random numbers of others are left alone. UserError for fewer than 2.
    """
    kept = [(sized(picture[None].cpu().float())[0] * 255).round().byte()
            for picture in itertools.islice(pictures, MOST_PICTURES)]
    if len(kept) < 2:
        raise UserError("a network that learns from pictures of the target domain needs at least 2 of them; "
                        f"there are {len(kept)}")
    source = Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        net = SelfFeatures(len(kept)).train()
        heads = nn.ModuleList([nn.Linear(net.num_features, classes) for classes in (len(kept), DAMAGES)])
    optimizer = torch.optim.Adam([*net.parameters(), *heads.parameters()], 2e-3)
    steps = min(MOST_STEPS, 30 + 2 * len(kept))
    for _ in range(steps):
        which = torch.randint(len(kept), (BATCH,), generator=source)
        done = torch.randint(DAMAGES, (BATCH,), generator=source)
        crops = torch.stack([_crop(kept[i], source) for i in which.tolist()]).float() / 255
        with torch.enable_grad():
            features = net(damaged(crops, done, source))
            loss = F.cross_entropy(heads[0](features), which) + F.cross_entropy(heads[1](features), done)
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def _crop(picture: Tensor, source: Generator) -> Tensor:
    top, left = (int(torch.randint(side - CROP + 1, (), generator=source)) for side in picture.shape[1:])
    return picture[:, top:top + CROP, left:left + CROP]


def damaged(crops: Tensor, done: Tensor, source: Generator) -> Tensor:
    """(B, 3, CROP, CROP) in [0, 1]: each crop with what `done`, (B,) of 0 to DAMAGES - 1, says. 0 leaves it alone."""
    strength = torch.rand(len(crops), 1, 1, 1, generator=source)
    small = F.interpolate(F.avg_pool2d(crops, 2), crops.shape[2:], mode="bilinear", align_corners=False)
    blurred = torch.lerp(crops, small, 0.3 + 0.7 * strength)
    noisy = crops + (0.02 + 0.08 * strength) * torch.randn(crops.shape, generator=source)
    tinted = crops * (1 + 0.3 * (2 * torch.rand(len(crops), 3, 1, 1, generator=source) - 1))
    blocks = crops.unfold(2, 16, 16).unfold(3, 16, 16).reshape(len(crops), 3, 16, 16, 16)
    order = torch.randperm(16, generator=source)
    shuffled = blocks[:, :, order].view(len(crops), 3, 4, 4, 16, 16).transpose(3, 4).reshape(crops.shape)
    grid = torch.ones(crops.shape[2:])
    grid[::2, ::2] = -1
    patterned = crops + (0.02 + 0.06 * strength) * grid
    ways = torch.stack((crops, blurred, noisy, tinted, shuffled, patterned)).clamp(0, 1)
    return ways[done, torch.arange(len(crops))]
