"""A folder with latest_net_G.pth, which the classic code takes for a run of its own."""
from __future__ import annotations

import shlex
from pathlib import Path

import torch

from door.translator import open_translator
from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.ranges import ranges_of
from exporting.weights import LARGEST
from raster.value_range import BYTES
from runs.weight_files import save_nets, weights_file
from util.errors import UserError

NAME, ENDING, EXTRA, SEEDED = "classic", "", "", True
PARTS = {"README.md", "latest_net_G.pth"}
NETS = ("resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128")
NORMS = {"batch": "batch", "syncbatch": "batch", "instance": "instance", "none": "none"}  # what they are called there


def refuse(opt: ExportOptions) -> None:
    """Nothing is known before the run is open; see `write`."""


def tolerance(opt: ExportOptions) -> float:
    """The arithmetic is PyTorch's."""
    return LARGEST


def write(export: Export, target: Path) -> None:
    """The generator's state_dict, in the classic keys. UserError when the classic code has no such generator."""
    test = export.translator.opt
    for flag, value, known in (("netG", test.netG, NETS), ("norm", test.norm, tuple(NORMS))):
        if value not in known:
            raise UserError(f"the classic code has no --{flag} {value}, only {', '.join(known)}; --to safetensors, or "
                            "another kind, takes this generator elsewhere")
    target.mkdir()
    save_nets(target, "latest", {"G": export.net})


def open(target: Path, export: Export) -> Function:
    """The weights in the run's own network, strictly key by key."""
    opened = open_translator(export.translator.options, "cpu")
    (net,) = opened.engine.model.nets.values()
    net.load_state_dict(torch.load(weights_file(target, "latest", "G"), weights_only=True))
    return opened


def command(export: Export, place: Path, above: str) -> str:
    """What to type in the folder of the classic code. above: how the folder that the export lies in is called there."""
    test = export.translator.opt
    words = ["python", "test.py", "--model", "colorization" if test.model == "colorization" else "test",
             "--dataroot", "PICTURES", "--checkpoints_dir", above, "--name", place.name,
             "--netG", test.netG, "--ngf", str(test.ngf), "--norm", NORMS[test.norm]]
    words += ["--no_dropout"] * (not export.facts.dropout) + ["--eval"] * test.eval
    words += ["--input_nc", str(test.input_nc), "--output_nc", str(test.output_nc), "--preprocess", test.preprocess]
    for flag, sides in (("--load_size", test.load_size), ("--crop_size", test.crop_size)):
        words += [flag, str(sides)] if isinstance(sides, int) else []
    return shlex.join(words)


def differences(export: Export) -> list[str]:
    """What is not the same there, in sentences."""
    test, ranges, said = export.translator.opt, ranges_of(export.translator.opt), []
    for side, one in (("input", ranges.input), ("output", ranges.output)):
        if one != BYTES:
            values = f"the values {one}" if one else "values found in each picture (percentile)"
            said.append(f"This generator's {side} has {values} for -1 and 1. The classic code reads and writes "
                        f"pictures of 8 bits alone, 0 and 255: bring {side} pictures to 8 bits of that range, or use "
                        "test.py of Bothways, which keeps the values.")
    if {test.input_nc, test.output_nc} - {1, 3} and test.model != "colorization":
        said.append(f"Pictures of {test.input_nc} and {test.output_nc} channels are none that the classic code reads "
                    "or writes: there, the weights are of use to programs alone.")
    if not isinstance(test.load_size, int) or not isinstance(test.crop_size, int):
        said.append("The classic code knows squares alone: its --load_size and --crop_size take one number.")
    if test.preprocess == "none" and test.netG.startswith("unet"):
        said.append("With --preprocess none the classic code brings sides to multiples of 4 alone, and a U-Net takes "
                    "others: give --preprocess resize_and_crop there, with sizes.")
    return said
