"""The kinds of exports by name. Each is a file `NAME_kind.py`, imported when it is asked for."""
import importlib
from typing import TYPE_CHECKING, cast

from options.schema import did_you_mean
from util.errors import UserError

if TYPE_CHECKING:  # --help answers without torch
    from exporting.contract import Kind

DESCRIPTIONS = {
    "onnx": "one file for onnxruntime, browsers and phones",
    "torch_export": "torch.export's .pt2: PyTorch without the toolkit's code",
    "torchscript": "the older program of PyTorch, which C++ and phones load too",
    "safetensors": "the weights alone, in a file that holds no code",
    "classic": "the weights as the classic code loads them, latest_net_G.pth",
    "hub": "a folder in the form of the Hugging Face Hub; --push uploads it",
    "web": "a folder with a page that runs the generator in a browser",
}


def names() -> list[str]:
    """All kinds."""
    return list(DESCRIPTIONS)


def require(name: str) -> None:
    """UserError, with all kinds, when there is none of that name."""
    if name not in DESCRIPTIONS:
        raise UserError(f"--to {name!r} is not known{did_you_mean(name, DESCRIPTIONS)}. Known: {', '.join(names())}")


def find(name: str) -> "Kind":
    """The kind of that name: its module."""
    require(name)
    return cast("Kind", importlib.import_module(f"exporting.{name}_kind"))
