"""For torch.hub: torch.hub.load("path of this folder", "translator", run="checkpoints/maps", source="local")"""
import sys
from pathlib import Path as _Path
from typing import Any as _Any

# torch.hub.list shows every function and class here whose name begins with a letter
dependencies = ["torch", "torchvision", "kornia", "numpy", "PIL", "tqdm", "tifffile", "dominate", "filelock"]


def translator(run: str, **options: _Any) -> _Any:
    """The generator of the run in a folder, as bothways.load(run, **options) gives it: a function of pictures."""
    here = str(_Path(__file__).parent)
    if here not in sys.path[1:]:  # torch.hub takes it away again, and what is used first later is imported later
        sys.path.append(here)
    import bothways

    return bothways.load(run, **options)
