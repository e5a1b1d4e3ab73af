"""Weight files: `<epoch>_net_<name>.pth`, plain state_dicts as in the classic implementation."""
import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from util.errors import UserError
from util.files import write_atomically

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
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be read as weights ({reason}); expected a state_dict saved with torch.save") from None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no plain state_dict (names to tensors), but a {type(state).__name__}")
    state = {key.removeprefix("module."): value for key, value in state.items()}
    return {key: value for key, value in state.items() if not _is_stale(key, state)}


def describe_saves(folder: Path) -> str:
    """Which weight files a run's folder holds, in one sentence."""
    saves = sorted(path.name for path in folder.glob("*_net_*.pth"))
    if not saves:
        return f"{folder} holds no weight files (*_net_*.pth)"
    return f"{folder} holds: {', '.join(saves[:12])}" + (" ..." if len(saves) > 12 else "")


def _is_stale(key: str, state: Mapping[str, Tensor]) -> bool:
    """Statistics of a norm layer without weights, which is an instance norm: kept before 2018, never used."""
    layer, _, name = key.rpartition(".")
    return name in STATISTICS and f"{layer}.weight" not in state


def _shape(state: Mapping[str, Tensor], key: str) -> str:
    return str(list(state[key].shape)) if key in state else "nothing"
