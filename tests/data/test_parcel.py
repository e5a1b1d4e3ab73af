"""Batches on their way from a worker: opened, they are what they were, bit for bit."""
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from data.parcel import Parcel
from data.pixels import bytes_of, to_tensor, unit_of
from raster.value_range import ValueRange

EVERY_BYTE = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)


def image(seed: int, channels: int = 3) -> Tensor:
    """An image of 8 bits as a sample holds it."""
    rng = torch.Generator().manual_seed(seed)
    return to_tensor(torch.randint(0, 256, (channels, 20, 30), dtype=torch.uint8, generator=rng))


def test_every_byte_becomes_the_number_that_it_always_was():
    expected = EVERY_BYTE.to(torch.float32).mul(2 / 255).sub(1)
    assert torch.equal(torch.from_numpy(unit_of(EVERY_BYTE.numpy())), expected)
    assert torch.equal(to_tensor(EVERY_BYTE), expected)
    assert torch.equal(to_tensor(Image.fromarray(EVERY_BYTE[0].numpy())), expected)
    assert np.array_equal(bytes_of(expected), EVERY_BYTE.numpy())


@pytest.mark.parametrize("other", [torch.rand(3, 5, 5), torch.full((1, 2, 2), torch.nan),
                                   torch.full((1, 2, 2), 1e9), image(0) + 1e-7,
                                   to_tensor(EVERY_BYTE, ValueRange(0, 200, "uint8"))])
def test_what_is_not_exactly_8_bits_stays_as_it_is(other):
    assert bytes_of(other) is None


@pytest.mark.parametrize("count", [1, 3])
def test_opened_it_is_the_batch(count):
    samples = [{"A_paths": f"{number}.png", "A": image(number), "deep": torch.rand(3, 4, 4),
                "void": torch.ones(1, 4) > 0, "B": image(9 + number, 1), "kept": torch.tensor([2, 3])}
               for number in range(count)]
    opened, expected = pickle.loads(pickle.dumps(Parcel(samples))).open(), default_collate(samples)
    assert list(opened) == list(expected)
    for name, value in expected.items():
        assert torch.equal(opened[name], value) if isinstance(value, Tensor) else opened[name] == value


def test_a_batch_in_which_one_image_is_not_8_bits():
    samples = [{"A": image(0)}, {"A": torch.rand(3, 20, 30)}]
    assert torch.equal(Parcel(samples).open()["A"], torch.stack([sample["A"] for sample in samples]))


def test_it_takes_a_quarter():
    one = torch.rand(3, 64, 64)
    assert len(pickle.dumps(Parcel([{"A": to_tensor((one * 255).to(torch.uint8))}]))) < one.nbytes / 4 + 1000
