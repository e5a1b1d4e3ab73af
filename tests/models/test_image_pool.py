"""The history of fakes: what goes in comes out, now or later."""
import torch

from models.image_pool import ImagePool


def fakes(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float).reshape(-1, 1, 1, 1).requires_grad_()


def test_a_pool_of_size_zero_answers_with_the_new_ones():
    assert torch.equal(ImagePool(0).query(fakes(1, 2)), fakes(1, 2))


def test_a_filling_pool_answers_with_the_new_ones():
    assert ImagePool(3).query(fakes(1, 2, 3)).flatten().tolist() == [1, 2, 3]


def test_a_full_pool_answers_half_of_the_time_with_an_old_one_and_keeps_the_new():
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool.query(fakes(*range(50)))
    answers = [int(pool.query(fakes(number)).item()) for number in range(50, 1050)]
    assert 430 < sum(answer == number for number, answer in enumerate(answers, start=50)) < 570
    handed_out = [answer for number, answer in enumerate(answers, start=50) if answer != number]
    assert len(set(handed_out)) == len(handed_out)  # an image leaves the pool when it is handed out
    assert len(pool.images) == 50


def test_answers_carry_no_gradient():
    assert not ImagePool(2).query(fakes(1)).requires_grad
    assert not ImagePool(0).query(fakes(1)).requires_grad
