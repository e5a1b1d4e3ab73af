"""Memory stays flat over the epochs of a training."""
import gc
from collections.abc import Iterator

import pytest
import torch

from runs.training import Training

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _only_its_own() -> Iterator[None]:
    """What is alive before a test is none of its, and not looked through after each epoch."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_memory_is_flat_over_epochs(train, monkeypatch):
    """Counts what is alive, which neither the allocator nor other programs disturb."""
    tensors, numbers, objects = [], [], []
    end_epoch = Training.end_epoch

    def look(*args):
        end_epoch(*args)
        gc.collect()
        alive = gc.get_objects()
        mine = [thing for thing in alive if type(thing) in (torch.Tensor, torch.nn.Parameter)]
        tensors.append(len(mine))
        numbers.append(sum(tensor.numel() for tensor in mine))
        objects.append(len(alive))
    monkeypatch.setattr(Training, "end_epoch", look)
    train("--model cycle_gan --n_epochs 9 --pool_size 3 --print_freq 1 --save_epoch_freq 1")
    assert len(tensors) == 9
    assert len(set(tensors[3:])) == len(set(numbers[3:])) == 1, (tensors, numbers)  # the pools are full by then
    assert objects[-1] - objects[3] < 80, objects  # the page gains a row an epoch; a step must leave nothing


def test_a_training_that_goes_on_does_not_keep_the_state_it_began_with(train, monkeypatch):
    numbers = []
    end_epoch = Training.end_epoch

    def look(*args):
        end_epoch(*args)
        gc.collect()
        numbers.append(sum(thing.numel() for thing in gc.get_objects()
                           if type(thing) in (torch.Tensor, torch.nn.Parameter)))
    monkeypatch.setattr(Training, "end_epoch", look)
    train("--model template --n_epochs 2")
    train("--model template --n_epochs 3 --continue_train")
    assert len(numbers) >= 3 and numbers[-1] <= numbers[1], numbers
