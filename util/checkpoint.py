"""Weight files: `<epoch>_net_<name>.pth`, plain state_dicts as in the classic implementation."""
import io
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from util.errors import UserError
from util.files import write_atomically

EXPECTED = "a state_dict (names to tensors) saved with torch.save"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def prefix(epoch: int | str, load_iter: int = 0) -> str:
    """How the file names of one save begin: 'latest', '5', or 'iter_2000' when load_iter is above 0."""
    return f"iter_{load_iter}" if load_iter > 0 else str(epoch)


def weights_file(folder: Path, prefix: str, net_name: str) -> Path:
    """The weight file of one network in a run's folder."""
    return folder / f"{prefix}_net_{net_name}.pth"


def save_nets(folder: Path, prefix: str, nets: Mapping[str, nn.Module]) -> None:
    """Write every network's state_dict, on the CPU."""
    for name, net in nets.items():
        buffer = io.BytesIO()
        torch.save({key: value.cpu() for key, value in net.state_dict().items()}, buffer)
        write_atomically(weights_file(folder, prefix, name), buffer.getvalue())


def load_nets(folder: Path, prefix: str, nets: Mapping[str, nn.Module]) -> None:
    """Fill every network from its file. UserError when one is missing or belongs to another architecture."""
    for name, net in nets.items():
        path = weights_file(folder, prefix, name)
        if not path.is_file():
            raise UserError(f"{path} does not exist. {describe_saves(folder)}")
        load_weights(net, path)


def load_weights(net: nn.Module, path: Path) -> None:
    """Fill `net` from `path`. UserError, naming the first differences, when keys or shapes differ."""
    found, expected = read_weights(path), net.state_dict()
    differences = [f"{key}: the file has {_shape(found, key)}, the network {_shape(expected, key)}"
                   for key in {**expected, **found} if _shape(found, key) != _shape(expected, key)]
    if differences:
        raise UserError(f"{path} does not fit the network of these options:\n  " + "\n  ".join(differences[:5])
                        + (f"\n  ... and {len(differences) - 5} more" if len(differences) > 5 else "")
                        + "\ngive the --netG, --ngf, --norm, --no_dropout, --input_nc, --output_nc it was trained with")
    net.load_state_dict(found)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state_dict in a file, in today's keys: without `module.` in front and without the statistics that
    instance norms carried in early versions. Code in a file is never run. UserError when it is no state_dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails in any way it likes on what is no pickle
        raise UserError(f"{path} {_what_it_is(path, error)}; expected {EXPECTED}") from None
    if not isinstance(state, Mapping):
        raise UserError(f"{path} holds a {type(state).__name__}; expected {EXPECTED}")
    if not state or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise UserError(f"{path} holds a dict of {', '.join(map(str, list(state)[:8])) or 'nothing'}; expected {EXPECTED}")
    state = {key.removeprefix("module."): value for key, value in state.items()}
    return {key: value for key, value in state.items() if not _is_stale(key, state)}


def describe_saves(folder: Path) -> str:
    """Which weight files a run's folder holds, in one sentence."""
    saves = sorted(path.name for path in folder.glob("*_net_*.pth"))
    if not saves:
        return f"{folder} holds no weight files (*_net_*.pth)"
    return f"{folder} holds: {', '.join(saves[:12])}" + (" ..." if len(saves) > 12 else "")


def _what_it_is(path: Path, error: Exception) -> str:
    """What a file that is no state_dict is instead, as the end of a sentence about it. error: of reading it."""
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    with open(path, "rb") as file:
        head = file.read(200)
    pickled = re.search(r"GLOBAL (\S+)", str(error))
    if not head:
        return "is empty"
    if head.lstrip().startswith(b"<"):
        return "is a web page (HTML), perhaps of a download that failed"
    if pickled:
        return (f"holds a whole pickled object ({pickled[1]}), whose code could do anything and is not run; where it was "
                "made, save its weights alone: torch.save(net.state_dict(), FILE)")
    if head.isascii() and b"\0" not in head:
        return f"is a text file that begins with {head.decode().strip()[:60]!r}"
    return f"is damaged, cut off, or no weight file at all ({type(error).__name__})"


def _is_stale(key: str, state: Mapping[str, Tensor]) -> bool:
    """Statistics of a norm layer without weights, which is an instance norm: kept before 2018, never used."""
    layer, _, name = key.rpartition(".")
    return name in STATISTICS and f"{layer}.weight" not in state


def _shape(state: Mapping[str, Tensor], key: str) -> str:
    return str(list(state[key].shape)) if key in state else "nothing"
