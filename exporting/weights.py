"""What weights that leave their run take along: all that a test would take over from it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from door.asking import ask_for_run
from door.translator import open_translator
from exporting.contract import Export, Function
from runs.generator_config import describe_generator

LARGEST = 1e-6  # of a difference: the arithmetic is the same


def about(export: Export) -> dict[str, Any]:
    """The generator and its options, as config.json and the header of a safetensors file have them."""
    options = export.translator.options
    model = export.translator.opt.model  # test, or one that puts pictures together by itself
    kept = {name: getattr(options, name) for name, option in options.declared.items()
            if (option.structure or option.sampling) and not option.training_only and name != "dataset_mode"}
    return describe_generator(export.facts.network, {**kept, "model": model})


def opened(place: Path, export: Export) -> Function:
    """A generator alone as `bothways.load` opens it, with the same noise as the run's."""
    return open_translator(ask_for_run(place, {"seed": export.opt.seed}), "cpu")
