"""The history of fakes: what goes in comes out, now or later."""
import torch

from helpers.commands import TINY
from helpers.engines import start, take_step
from models.image_pool import ImagePool

SOURCE = torch.Generator()


def fakes(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float).reshape(-1, 1, 1, 1).requires_grad_()


def test_a_pool_of_size_zero_answers_with_the_new_ones():
    assert torch.equal(ImagePool(0).query(fakes(1, 2), SOURCE), fakes(1, 2))


def test_a_filling_pool_answers_with_the_new_ones():
    assert ImagePool(3).query(fakes(1, 2, 3), SOURCE).flatten().tolist() == [1, 2, 3]


def test_a_full_pool_answers_half_of_the_time_with_an_old_one_and_keeps_the_new():
    SOURCE.manual_seed(0)
    pool = ImagePool(50)
    pool.query(fakes(*range(50)), SOURCE)
    answers = [int(pool.query(fakes(number), SOURCE).item()) for number in range(50, 1050)]
    assert 430 < sum(answer == number for number, answer in enumerate(answers, start=50)) < 570
    handed_out = [answer for number, answer in enumerate(answers, start=50) if answer != number]
    assert len(set(handed_out)) == len(handed_out)  # an image leaves the pool when it is handed out
    assert len(pool.images) == 50


def test_answers_carry_no_gradient():
    assert not ImagePool(2).query(fakes(1), SOURCE).requires_grad
    assert not ImagePool(0).query(fakes(1), SOURCE).requires_grad


def test_what_is_not_finite_does_not_come_back():
    pool = ImagePool(2)
    pool.query(fakes(float("nan"), float("inf")), SOURCE)
    assert [image.item() for image in pool.images] == [0, 0]


def test_where_it_draws_from_decides():
    def answers() -> list[float]:
        pool, source = ImagePool(2), torch.Generator().manual_seed(5)
        return [pool.query(fakes(number), source).item() for number in range(20)]
    torch.manual_seed(1)
    first, state = answers(), torch.get_rng_state()
    assert answers() == first and len(set(first)) < 20
    assert torch.equal(torch.get_rng_state(), state)


def test_after_the_images_changed_their_size_only_new_ones_are_shown_beside_others():
    pool = ImagePool(1)
    pool.query(torch.zeros(1, 1, 2, 2), SOURCE)
    shown = [pool.query(torch.ones(2, 1, 3, 3), SOURCE) for _ in range(8)]
    assert all(torch.equal(image, torch.ones(2, 1, 3, 3)) for image in shown)


def test_a_pool_keeps_images_of_its_own():
    """Not views of the batch: they would keep all of it, in memory and in the saved state, and change with it."""
    made = fakes(1, 2, 3).detach()
    pool = ImagePool(2)
    for _ in range(20):  # filling it, and exchanging
        answer = pool.query(made, SOURCE)
        assert [image.untyped_storage().nbytes() for image in pool.images] == [made[0].nbytes] * len(pool.images)
        answer.fill_(-1)  # a recorded step writes over what it gave and was given
    made.fill_(-2)
    assert all(image.item() > 0 for image in pool.images)


def test_each_pool_of_a_cycle_gan_holds_the_fakes_it_is_named_after():
    engine = start(f"--model cycle_gan {TINY} --pool_size 1")
    made = take_step(engine, {"A": torch.full((1, 3, 32, 32), 0.5), "B": torch.full((1, 3, 32, 32), -0.5)}).images
    kept = engine.model.extra_state()
    assert all(torch.equal(kept[name][0], made[name][0]) for name in ("fake_A", "fake_B"))
    assert not torch.equal(made["fake_A"], made["fake_B"])
