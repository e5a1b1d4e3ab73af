"""The network of the FCN score: it says of which class each pixel of a photo is."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.detection.backbone_utils import BackboneWithFPN

BATCH = 8
LEARNING_RATE = 3e-3
RARITY = 0.5  # the weight of a class in the loss is its share of the pixels to the power of minus this


class SegmentationNet(nn.Module):
    """A fully convolutional network with skips, as of Long et al. 2015: the first three stages of ResNet-18 (He et al.
    2016), joined from coarse to fine (Lin et al. 2017), and a linear classifier of each point.

    It knows the mean and spread of the photos that it was trained on.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, classes: int, width: int = 64):
        super().__init__()
        stages = {"layer1": "fine", "layer2": "middle", "layer3": "coarse"}
        self.body = BackboneWithFPN(resnet18(weights=None), stages, [64, 128, 256], width)
        self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, classes, 1))
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("spread", torch.ones(1, 3, 1, 1))

    def forward(self, photos: Tensor) -> Tensor:
        """Logits (B, K, ceil(H / 4), ceil(W / 4)) of photos (B, 3, H, W) in [0, 1]."""
        return self.head(self.body((photos - self.mean) / self.spread)["fine"])


def squared(photos: Tensor, size: int) -> Tensor:
    """Photos (B, 3, H, W) brought to (B, 3, size, size)."""
    if photos.shape[2:] == (size, size):
        return photos
    return F.interpolate(photos, (size, size), mode="bilinear", antialias=True).clamp(0, 1)


def train_net(photos: Tensor, classes: Tensor, count: int, steps: int, seed: int, device: torch.device,
              advance: Callable[[int, str], None] = lambda images, label: None) -> SegmentationNet:
    """A network trained on photos (N, 3, S, S), uint8, and the class of each of their pixels (N, S, S), int16.

    count: of classes; steps: of BATCH images; advance: told how many images more are done, and the loss. The same seed
    gives the same network on the same machine; the random numbers of others are left alone.
    """
    with _own_random_numbers(seed):
        net = SegmentationNet(count)
    means, squares = (torch.stack([(photo / 255).pow(power).mean((1, 2)) for photo in photos]).mean(0).view(1, 3, 1, 1)
                      for power in (1, 2))
    net.mean.copy_(means)
    net.spread.copy_((squares - means ** 2).clamp_min(1e-4).sqrt())
    net.to(device).to(memory_format=torch.channels_last).train()  # a seventh faster on the CPU
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(steps, 2))
    weights = _weights(classes, count).to(device)
    for chosen, mirrored in _draws(len(photos), steps, seed):
        x, y = photos[chosen].to(device).float() / 255, classes[chosen].to(device).long()
        if mirrored:
            x, y = x.flip(-1), y.flip(-1)
        loss = F.cross_entropy(F.interpolate(net(x), y.shape[1:], mode="bilinear"), y, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        advance(len(x), f"loss {loss.item():.3f}")
    return net.to(memory_format=torch.contiguous_format).eval()  # as it is when it is loaded: equal to the bit


def _draws(images: int, steps: int, seed: int) -> Iterator[tuple[Tensor, bool]]:
    """The images of each batch, epoch after epoch in another order, and whether they are mirrored."""
    source = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(order) < BATCH:
            order = torch.cat((order, torch.randperm(images, generator=source)))
        chosen, order = order[:BATCH], order[BATCH:]
        yield chosen, bool(torch.rand(1, generator=source) < 0.5)


def _weights(classes: Tensor, count: int) -> Tensor:
    """The weight of each class in the loss, 1 in the mean over all pixels; 0 for a class that no pixel is of."""
    pixels = torch.stack([torch.bincount(one.flatten(), minlength=count) for one in classes]).sum(0).float()
    share = pixels / pixels.sum()
    weights = torch.where(share > 0, share.clamp_min(1e-12) ** -RARITY, 0)
    return weights / (weights * share).sum()


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
