"""Bothways from Python: translate pictures with a trained run, or train one.

    import bothways
    G = bothways.load("checkpoints/maps", direction="AtoB")
    out = G("photo.jpg")                                  # a Pillow image; arrays and tensors come back as such
    G.translate_file("clip.mp4", "out.mp4")

docs/python.md has more. Nothing is printed by load and what it gives; errors are `bothways.Error`.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from options.schema import OptionError
from util.errors import MachineError, UserError

if TYPE_CHECKING:  # torch takes seconds to import: not before it is needed
    import torch

    from door.training import Trained
    from door.translator import Translator
    from options.schema import Options

__all__ = ["Error", "MachineError", "OptionError", "UserError", "load", "options", "train"]

Error = (UserError, OptionError)
"""What to catch: except bothways.Error. Everything else is a bug."""


def load(run: str | os.PathLike[str], direction: str | None = None, epoch: str | int = "latest", weights: str = "raw",
         device: str | torch.device | None = None, **options: Any) -> Translator:
    """A generator of the run in a folder, ready to translate, with the options that it was trained with.

    run: its folder; or what export.py wrote of a generator alone: a safetensors file, a hub folder, or one on the
    Hugging Face Hub, 'hf://USER/REPO' or 'hf://USER/REPO@REVISION', of which weights and options are fetched and no
    code is run.
    direction: 'AtoB' or 'BtoA', where the run has both; epoch, weights: as --epoch and --weights of test.py; device:
    'cpu', 'cuda:0', ...; left out: the best there is. options: further ones of test.py, such as preprocess='none',
    eval=True or precision='auto'.
    Raises UserError or OptionError, with what to do; MachineError when the Hub cannot be reached.
    """
    from door.asking import ask_for_run
    from door.translator import open_translator

    asked = {"direction": direction, "epoch": epoch, "weights": weights, **options}
    return open_translator(ask_for_run(run, asked), device)


def train(**options: Any) -> Trained:
    """Train in this process, with the options of train.py as keywords: train(dataroot='maps', name='maps', n_epochs=5).

    Prints what train.py prints. Returns the run's folder and its last losses. Ctrl-C saves the state after the current
    step and raises KeyboardInterrupt; train(name=..., dataroot=..., continue_train=True) goes on.
    Raises UserError or OptionError, with what to do.
    """
    from door.training import train

    return train(options)


def options(**keywords: Any) -> Options:
    """The frozen options of train.py by keywords, for scripts that use datasets, models and engine by themselves.

    Raises OptionError, with what to do.
    """
    from door.asking import ask
    from door.commands import load_command

    return ask(load_command("train").COMMAND, keywords)
