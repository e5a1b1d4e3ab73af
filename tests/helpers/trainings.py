"""What a training left, bit by bit, and trainings in processes of their own."""
import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import torch

from engine.engine import Engine
from engine.step_result import StepResult


def weights(path: Path) -> dict[str, torch.Tensor]:
    """A file of weights."""
    return torch.load(path, weights_only=True)


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether all weights are the same, bit by bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def metrics(folder: Path) -> list[dict]:
    """The lines of metrics.jsonl that tell of losses."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "losses" in line]


def validations(folder: Path) -> list[dict]:
    """The lines of metrics.jsonl that tell what was measured on held-out images."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "validation" in line]


def fingerprint(folder: Path) -> dict:
    """All that must be the same: every bit of the weights, and the logs without their times."""
    nets = {path.name: weights(path) for path in sorted(folder.glob("latest_net_*.pth"))}
    lines = metrics(folder)
    for line in lines:
        del line["time"], line["data"], line["images_per_s"], line["eta_s"]
    log = re.sub(r"time: [\d.]+, data: [\d.]+|\(... ... .*\)", "", (folder / "loss_log.txt").read_text())
    return {"weights": nets, "metrics": lines + validations(folder), "log": log}


def same(one: dict, other: dict) -> bool:
    bits = all(torch.equal(value, other["weights"][file][key])
               for file, state in one["weights"].items() for key, value in state.items())
    return bits and one["metrics"] == other["metrics"] and one["log"] == other["log"]


def in_child(action: Callable[[], None]) -> int:
    """Runs `action` in a forked process (torch is imported already); returns the process id."""
    child = os.fork()
    if child:
        return child
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        torch.set_num_threads(1)
        action()
        os._exit(0)
    except SystemExit as left:
        os._exit(left.code or 0)
    finally:
        os._exit(99)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def stop_after(steps: int, *signals: int) -> AbstractContextManager:
    """Sends these signals, or SIGTERM, to this process during that step."""
    return _in_step(steps, lambda: [os.kill(os.getpid(), number) for number in signals or [signal.SIGTERM]])


def fail_in(step: int) -> AbstractContextManager:
    """That step raises RuntimeError("power cut")."""
    def fail() -> None:
        raise RuntimeError("power cut")
    return _in_step(step, fail)


def kill_in(step: int) -> AbstractContextManager:
    """That step ends the process without a word, as SIGKILL does."""
    return _in_step(step, lambda: os._exit(9))


def _in_step(number: int, act: Callable[[], object]) -> AbstractContextManager:
    original, done = Engine.step, []

    def step(self: Engine, *batches: dict, **clock: int) -> StepResult:
        done.append(1)
        if len(done) == number:
            act()
        return original(self, *batches, **clock)
    return patch.object(Engine, "step", step)
