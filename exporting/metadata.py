"""What an export says of itself, in its file."""
from __future__ import annotations

import json

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from engine.noise import draws_noise
from exporting.contract import Export
from exporting.ranges import as_text, ranges_of
from models.network_options import image_sizes

LAYOUTS = {"unit": "float32 (N,C,H,W) in [-1,1]", "values": "float32 (N,C,H,W) in value_range",
           "uint8": "uint8 (N,H,W,C)"}


def modes(net: nn.Module) -> dict[str, str]:
    """How dropout and batch norm behave, in words; {} for a net that has neither."""
    said = {}
    if any(isinstance(part, nn.Dropout) for part in net.modules()):
        said["dropout"] = "active: noise, as in test.py" if draws_noise([net]) else "off (--eval)"
    norms = [part for part in net.modules() if isinstance(part, _BatchNorm)]
    if norms:
        said["batch_norm"] = ("statistics of each picture, as in test.py" if norms[0].training else
                              "statistics of the training (--eval)")
    return said


def metadata(export: Export) -> dict[str, str]:
    """Names and values, all text. Ranges as --input_range takes them: these values are -1 and 1 to the network."""
    opt, ranges = export.translator.opt, ranges_of(export.translator.opt)
    multiple, least = image_sizes(export.translator.options, training=False)
    return {"made_by": "bothways", "name": export.facts.name, "model": export.facts.model,
            "direction": export.facts.direction,
            "epoch": f"iter_{opt.load_iter}" if opt.load_iter else opt.epoch, "weights": opt.weights,
            "netG": opt.netG, "norm": opt.norm, "precision": export.opt.precision,
            "io": export.opt.io, "layout": LAYOUTS[export.opt.io],
            "input_nc": str(export.translator.preparing.channels),
            "output_nc": str(3 if opt.model == "colorization" else opt.output_nc),
            "input_range": as_text(ranges.input), "output_range": as_text(ranges.output),
            "sizes": "any", "padding": f"by reflection to multiples of {multiple}, at least {least}; cropped back",
            **modes(export.net)}


def as_json(values: dict[str, str]) -> str:
    """Metadata as text of a file."""
    return json.dumps(values, indent=1)
