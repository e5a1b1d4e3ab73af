"""What the classic code does with the same flags, to compare with: written from the public description of its flags.

Pictures are opened by Pillow and brought to size by torchvision's transforms, with or without PyTorch's worker
processes. `python benchmarks/classic.py FOLDER WEIGHTS RESULTS SIZE COUNT` is its test command: images are translated
and written one after the other, then the page is.
"""
import random
import sys
from pathlib import Path
from typing import Any

import torch
import torchvision.transforms as T
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


def preprocess(load_size: int, crop_size: int, flip: bool = True) -> T.Compose:
    """resize_and_crop: from a picture to (3, crop_size, crop_size) in [-1, 1]."""
    steps = [T.Resize([load_size, load_size], T.InterpolationMode.BICUBIC), T.RandomCrop(crop_size)]
    steps += [T.RandomHorizontalFlip()] if flip else []
    return T.Compose([*steps, T.ToTensor(), T.Normalize((0.5,) * 3, (0.5,) * 3)])


class Pictures(Dataset):
    """The pictures of a folder, or each of the first folder with a random one of the second."""

    def __init__(self, folders: list[Path], transform: T.Compose):
        self.piles, self.transform = [sorted(folder.iterdir()) for folder in folders], transform

    def __len__(self) -> int:
        return len(self.piles[0])

    def __getitem__(self, index: int) -> dict[str, Any]:
        paths = [self.piles[0][index], *(random.choice(pile) for pile in self.piles[1:])]
        found: dict[str, Any] = {}
        for side, path in zip("AB", paths, strict=False):
            found |= {side: self.transform(Image.open(path).convert("RGB")), f"{side}_paths": str(path)}
        return found


def loader(folders: list[Path], num_threads: int) -> DataLoader:
    """The batches of an epoch, of one sample each, with the classic defaults of a training.

    Workers stay for the next epoch, which the classic code's do not: short epochs would only show how they start.
    """
    return DataLoader(Pictures(folders, preprocess(286, 256)), 1, shuffle=True, num_workers=num_threads,
                      persistent_workers=num_threads > 0)


class Block(nn.Module):
    """A residual block of `resnet_9blocks`."""

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            layers += [] if last else [nn.ReLU(True)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """(B, width, H, W) to the same."""
        return image + self.conv_block(image)


def resnet_9blocks(ngf: int) -> nn.Sequential:
    """The generator as its paper's appendix lists it, with the classic names of its weights below `model.`."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU(True)]
    for width in (ngf, 2 * ngf):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]
    layers += [Block(4 * ngf) for _ in range(9)]
    for width in (4 * ngf, 2 * ngf):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), nn.InstanceNorm2d(width // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh())


def test(folder: Path, weights: Path, results: Path, size: int, count: int) -> None:
    """Translate the first `count` pictures of a folder one by one; inputs and outputs as PNG, and a page."""
    saved = torch.load(weights, map_location="cpu", weights_only=True)
    state = {name.removeprefix("model."): value for name, value in saved.items()}
    net = resnet_9blocks(len(state["1.bias"]))
    net.load_state_dict(state)
    (results / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    batches = DataLoader(Pictures([folder], preprocess(size, size, flip=False)), 1)
    for number, batch in enumerate(batches):
        if number >= count:
            break
        with torch.no_grad():
            shown = {"real": batch["A"], "fake": net(batch["A"])}
        name = Path(batch["A_paths"][0]).stem
        for label, image in shown.items():
            pixels = (image[0].permute(1, 2, 0).numpy() + 1) / 2 * 255
            Image.fromarray(pixels.astype("uint8")).save(results / "images" / f"{name}_{label}.png")
        pictures = "".join(f"<td><img src=images/{name}_{label}.png><br>{label}</td>" for label in shown)
        rows.append(f"<h3>{name}</h3><table><tr>{pictures}</tr></table>")
    (results / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(rows))


if __name__ == "__main__":
    test(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
