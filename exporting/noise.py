"""The noise of a program of PyTorch, from a seed as that of a translation."""
import torch
from torch import Tensor

from exporting.contract import Function


def seeded(program: Function, seed: int) -> Function:
    """The program, each call with the same noise; torch's random numbers then go on as if nothing had been."""
    def run(x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            return program(x)
    return run
