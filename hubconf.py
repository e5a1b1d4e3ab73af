"""For torch.hub: torch.hub.load("path of this folder", "translator", run="checkpoints/maps", source="local")"""
import sys
from pathlib import Path
from typing import Any

dependencies = ["torch", "torchvision", "kornia", "numpy", "PIL", "tqdm", "tifffile", "dominate", "filelock"]


def translator(run: str, **options: Any) -> Any:
    """The generator of the run in a folder, as bothways.load(run, **options) gives it: a function of pictures."""
    here = str(Path(__file__).parent)
    if here not in sys.path[1:]:  # torch.hub takes it away again, and what is used first later is imported later
        sys.path.append(here)
    import bothways

    return bothways.load(run, **options)
