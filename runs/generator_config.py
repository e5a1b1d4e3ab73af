"""What it takes to use a generator without its run: config.json in the form of the Hugging Face Hub, and the same in
the header of a safetensors file.

    {"library_name": "bothways", "bothways_config": 1, "network": "G_A", "sha256": "...",
     "options": {"netG": "resnet_9blocks", "input_range": "uint8:0,255", ...}}

network: what it is called in its run. options: what a test takes over from a run; see `adopt_to_test`.
"""
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.saved import plain_values
from runs.run_folder import CONFIG
from runs.safetensors_files import SUM, read_header
from util.errors import UserError

LIBRARY, LAYOUT, VERSION = "bothways", "bothways_config", 1


def describe_generator(network: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a config, but for the checksum of the weights."""
    return {"library_name": LIBRARY, LAYOUT: VERSION, "network": network, "options": dict(options)}


def as_config_text(about: Mapping[str, Any], weights: str) -> str:
    """The text of config.json. weights: the SHA-256 of model.safetensors."""
    return json.dumps({**about, SUM: weights}, indent=2) + "\n"


def read_generator_config(place: Path) -> tuple[str, dict[str, Any], str]:
    """Of a generator alone: what it is called in its run, the options by name, and the file they were read from.

    place: what `generator_alone` knows. UserError when another program wrote it, or a newer version of this one.
    """
    if place.is_file():
        path, about = place, read_header(place)
        _require_layout(about, str(path), f"--init_from {place} takes what fits of other weights, too")
    else:
        path = place / CONFIG
        about = require_ours(path, str(path))
    try:
        return str(about.get("network", "G")), plain_values(about["options"]), str(path)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); fetch or export it again") from None


def require_ours(path: Path, called: str) -> dict[str, Any]:
    """The content of a config.json. UserError when it is not of a generator that this toolkit reads.

    called: what the user knows the file as.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); fetch or export it again") from None
    _require_layout(about if isinstance(about, dict) else {}, called, "weights in another form go in as a file")
    return dict(about)


def _require_layout(about: Mapping[str, Any], called: str, otherwise: str) -> None:
    if LAYOUT not in about:
        raise UserError(f"{called} does not describe a generator of this toolkit (there is no {LAYOUT!r} in it); "
                        f"expected one that export.py --to hub or --to safetensors wrote; {otherwise}")
    if about[LAYOUT] != VERSION:
        raise UserError(f"{called} has version {about[LAYOUT]!r} of {LAYOUT}, and this toolkit reads version "
                        f"{VERSION}; a newer toolkit may read it: git pull")
