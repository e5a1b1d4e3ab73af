"""The order of an epoch of shards: each image once, a few shards at a time, whoever reads them."""
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.paths import Paths
from data.sampler import EpochSampler, Key
from data.shard_order import WINDOW, ShardOrder, in_shards


def images(name: str, shards: int, each: int) -> Paths:
    return Paths.of([f"d/{name}-{shard:03}.tar/{number}.png" for shard in range(shards) for number in range(each)])


A, B, FEW, LOOSE = images("a", 13, 7), images("b", 9, 8), images("f", 2, 3), Paths.of([f"B/{n}.png" for n in range(5)])


def epoch(piles: Sequence[Paths], seed: str = "1", shuffle: bool = True) -> list[list[Path]]:
    """The images of each sample."""
    order = ShardOrder(piles, max(map(len, piles)))
    samples = order.epoch(random.Random(seed), shuffle)
    if not shuffle:
        return [[pile[sample % len(pile)] for pile in piles] for sample in samples]
    return [[pile[place] for pile, place in zip(piles, divmod(sample, len(piles[0]))[::-1], strict=False)]
            for sample in samples]


@pytest.mark.parametrize("piles", [[A], [A, B], [B, A], [FEW, A], [A, FEW], [A, LOOSE]],
                         ids=["A", "A and B", "B and A", "few and A", "A and few", "A and loose"])
def test_every_image_of_a_pile_comes_once_before_one_comes_again(piles: list[Paths]):
    for number, pile in enumerate(piles):
        took = [sample[number] for sample in epoch(piles)]
        for begin in range(0, len(took), len(pile)):
            part = took[begin:begin + len(pile)]
            assert len(set(part)) == len(part) and set(part) <= set(pile)
        assert set(took) == set(pile)


@pytest.mark.parametrize("piles", [[A], [A, B], [A, FEW]], ids=["A", "A and B", "A and few"])
def test_only_a_few_shards_are_read_at_a_time(piles: list[Paths]):
    samples = epoch(piles)
    for number, pile in enumerate(piles):
        for begin in range(0, len(samples), len(pile)):
            shards = [sample[number].parent.name for sample in samples[begin:begin + len(pile)]]
            last = {shard: place for place, shard in enumerate(shards)}
            first = {shard: shards.index(shard) for shard in last}
            alive = [sum(first[shard] <= place <= last[shard] for shard in last) for place in range(len(shards))]
            assert max(alive) <= WINDOW
            if len(first) > WINDOW:
                assert shards != sorted(shards) and max(alive) == WINDOW  # they are mixed


def test_epochs_and_seeds_have_orders_and_pairs_of_their_own():
    orders = [epoch([A, B], seed) for seed in "1234"]
    assert orders[0] == epoch([A, B], "1") and len({str(order) for order in orders}) == 4
    partners = {seed: dict(map(tuple, order)) for seed, order in enumerate(orders)}
    assert len({partners[seed][A[0]] for seed in partners}) > 1
    assert epoch([A, B], shuffle=False)[:75] == [[A[n], B[n % len(B)]] for n in range(75)]


def keys(seed: int = 3, world: int = 1, skip: int = 0, batch: int = 2, number: int = 2) -> list[list[Key]]:
    """What each process is given."""
    given = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(world))
        for rank in range(world):
            patch.setenv("RANK", str(rank))
            sampler = EpochSampler(len(A), seed, True, batch, ShardOrder([A, B], len(A)))
            sampler.choose(number, len(A), skip, shared=False)
            given.append(list(sampler))
    return given


def test_it_is_the_same_for_any_number_of_processes_and_from_any_place():
    (whole,) = keys()
    assert len(whole) == len(A) and whole != keys(seed=4)[0] != keys(number=3)[0]
    for skip in (1, 40, len(A) - 1, len(A)):
        assert keys(skip=skip) == [whole[skip:]]
    for skip in (0, 12):
        steps = [[batch[begin:begin + 2] for begin in range(0, len(batch), 2)] for batch in keys(world=3, skip=skip)]
        together = [key for step in zip(*steps, strict=True) for part in step for key in part]
        assert together[:len(A) - skip] == whole[skip:] and len(together) - (len(A) - skip) < 6


def test_the_shards_that_come_next_are_wanted_before_they_are_read(monkeypatch: pytest.MonkeyPatch):
    order, wanted = ShardOrder([A, B], len(A)), [[]]
    monkeypatch.setattr(order.ahead, "want", wanted.append)
    samples = order.epoch(random.Random("1"), True)
    for skip in (0, 50):
        for place in order.followed(range(skip, len(A))):
            known = wanted[-1]
            reads = {A[samples[place] % len(A)].parent, B[samples[place] // len(A)].parent}
            assert reads <= set(known) and len(known) <= 4 * WINDOW
            coming = [A[sample % len(A)].parent for sample in samples[place:]]
            assert set(list(dict.fromkeys(coming))[:WINDOW]) <= set(known)


def test_folders_are_not_shards():
    assert in_shards([A]) and in_shards([LOOSE, A]) and not in_shards([LOOSE]) and not in_shards([Paths.of([])])


def test_a_window_has_all_images_of_its_shards():
    many = images("m", 100, 1000)
    samples = np.array(ShardOrder([many], len(many)).epoch(random.Random("1"), True))
    assert (np.sort(samples) == np.arange(len(many))).all()
    assert len({int(sample) // 1000 for sample in samples[:4000]}) == WINDOW
