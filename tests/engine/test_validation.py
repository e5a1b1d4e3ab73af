"""What --lr_policy plateau looks at: the held-out images as they are, in eval mode, each counted once."""
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.held_out import open_validation
from helpers.commands import TINY
from helpers.engines import options, start, validate
from helpers.images import read_pixels


def batch(seed: int, count: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {side: torch.rand(count, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"}


def test_validation_is_the_mean_over_images_in_eval_mode():
    engine = start(f"--model pix2pix {TINY} --norm batch --no_dropout false --init_type xavier --init_gain 1")
    batches = [batch(1, 3), batch(2, 1) | {"B": torch.full((1, 3, 32, 32), 5.0)}]  # the last is unlike the others
    G = engine.model.nets["G"]
    assert any(isinstance(module, nn.Dropout) for module in G.modules())
    for _ in range(3):
        G(batch(3, 4)["A"])  # running statistics that are not those of a batch
    before = {name: value.clone() for name, value in engine.model.nets.state_dict().items()}

    value = validate(engine, batches)

    assert all(torch.equal(value, before[name]) for name, value in engine.model.nets.state_dict().items())
    assert all(module.training for module in engine.model.nets.modules())
    G.eval()
    with torch.no_grad():
        errors = [(G(images["A"]) - images["B"]).abs().mean((1, 2, 3)) for images in batches]
    assert abs(value - torch.cat(errors).mean().item()) < 1e-5
    unweighted = torch.stack([error.mean() for error in errors]).mean().item()
    assert abs(value - unweighted) > 1  # what this test could not see with batches of one size or images of one kind


def held_out(dataroot: Path, line: str) -> list[dict]:
    opt = options(f"{TINY} --dataroot {dataroot} --lr_policy plateau {line}")
    loader = open_validation(opt, ("A", "B"), 4, 8)
    return list(loader.first(loader.images))


def test_held_out_images_are_neither_shuffled_nor_cropped_nor_mirrored(dataroot: Path):
    batches = held_out(dataroot, "--model pix2pix --batch_size 3 --seed 5")
    assert [batch["A_paths"] for batch in batches] == [
        [str(dataroot / "val" / f"{number}.png") for number in numbers] for numbers in ((1, 2, 3), (4,))]
    for place, side in enumerate("AB"):
        for number, found in enumerate(torch.cat([batch[side] for batch in batches]), start=1):
            image = np.split(read_pixels(dataroot / "val" / f"{number}.png"), 2, axis=1)[place]
            levels = ((found + 1) * 127.5).round().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(levels, image)  # whole, at --crop_size, as test.py has it


def test_val_phase_names_their_folder(dataroot: Path):
    batches = held_out(dataroot, "--model cycle_gan --val_phase test")
    assert [batch["B_paths"] for batch in batches] == [[str(dataroot / "testB" / f"{stem}.png")] for stem in "1234"]
