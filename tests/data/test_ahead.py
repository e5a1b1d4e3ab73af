"""Samples made ahead in threads, where there are no worker processes."""
import threading

import pytest
from torch.utils.data import Dataset

from data.ahead import THREADS, Ahead


class Counted(Dataset):
    """Gives each key's index; says which were begun. together: two must be under way before one ends."""

    def __init__(self, together: bool = False):
        self.begun: list[int] = []
        self.both = threading.Barrier(2, timeout=10) if together else None

    def __getitem__(self, key):
        self.begun.append(key[0])
        if self.both:
            self.both.wait()
        if key[0] == 99:
            raise OSError("the drive is gone")
        return key[0]


def keys(*indices: int) -> list[tuple[int, int]]:
    return [(index, 0) for index in indices]


def test_they_come_in_order():
    assert list(Ahead(Counted(), keys(*range(20)))) == list(range(20))


def test_two_are_under_way_at_once():
    assert list(Ahead(Counted(together=True), keys(0, 1, 2, 3))) == [0, 1, 2, 3]


def test_few_wait():
    samples = Counted()
    first = iter(Ahead(samples, keys(*range(20))))
    assert next(first) == 0
    first.close()
    assert len(samples.begun) <= THREADS + 1


def test_an_error_comes_where_its_sample_would():
    found = iter(Ahead(Counted(), keys(0, 99, 1)))
    assert next(found) == 0
    with pytest.raises(OSError, match="the drive is gone"):
        next(found)
