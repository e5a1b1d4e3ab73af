"""Weight files: `<epoch>_net_<name>.pth`, plain state_dicts as in the classic implementation.

What a training needs beside them to go on is in another file: see state_file.py.
"""
import os
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import torch
from torch import Tensor, nn

from runs.overwriting import where_kept
from runs.run_folder import TENSORS, WEIGHTS, generator_alone, is_safetensors
from runs.safetensors_files import read_safetensors
from runs.tensor_files import write_tensors
from util.errors import UserError
from util.files import replacing

EXPECTED = "a state_dict (names to tensors) saved with torch.save"
MOST_UNPACKED = 4  # times its size: torch.save does not compress at all, and weights can hardly be compressed
T = TypeVar("T")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def prefix(epoch: int | str, load_iter: int = 0) -> str:
    """How the file names of one save begin: 'latest', '5', or 'iter_2000' when load_iter is above 0."""
    return f"iter_{load_iter}" if load_iter > 0 else str(epoch)


def weights_file(folder: Path, prefix: str, net_name: str) -> Path:
    """The weight file of one network in a run's folder."""
    return folder / f"{prefix}_net_{net_name}.pth"


def find_weights(place: Path, prefix: str, net_name: str) -> Path:
    """Where the weights of one network are read from, if they are there: in a run's folder that file, and of a
    generator alone its own, which stands for the latest G.
    """
    alone = generator_alone(place) if (prefix, net_name) == ("latest", "G") else None
    return alone or weights_file(place, prefix, net_name)


def of_means(nets: Mapping[str, T]) -> dict[str, T]:
    """The same under the names with which the running means of networks are saved: G_ema of G."""
    return {f"{name}_ema": net for name, net in nets.items()}


def save_nets(folder: Path, prefix: str, nets: Mapping[str, nn.Module]) -> None:
    """Write every network's state_dict, on the CPU. Running means of an earlier save of this name do not outlive it."""
    for name, net in nets.items():
        with replacing(weights_file(folder, prefix, name)) as file:
            write_tensors({key: value.cpu().contiguous() for key, value in net.state_dict().items()}, file)
    for name in of_means(nets).keys() - nets.keys():
        weights_file(folder, prefix, name).unlink(missing_ok=True)


Describe = Callable[[Mapping[str, Tensor]], str]
"""What a state_dict belongs to, in words."""


def load_nets(folder: Path, prefix: str, nets: Mapping[str, nn.Module], describe: Describe = lambda state: "") -> None:
    """Fill every network from its file. UserError when one is missing or belongs to another architecture."""
    for name, net in nets.items():
        path = find_weights(folder, prefix, name)
        if not path.exists() and not path.is_symlink():
            raise UserError(f"{path} does not exist. {describe_saves(folder)}")
        load_weights(net, path, describe)


def load_weights(net: nn.Module, path: Path, describe: Describe = lambda state: "") -> None:
    """Fill `net` from `path`. UserError when keys or shapes differ, naming the first, or a number is not finite."""
    found, expected = read_weights(path), net.state_dict()
    differences = [f"{key}: the file has {_shape(found, key)}, the network {_shape(expected, key)}"
                   for key in {**expected, **found} if _shape(found, key) != _shape(expected, key)]
    if differences:
        what = describe(found)
        raise UserError(f"{path} does not fit the network of these options:\n  " + "\n  ".join(differences[:5])
                        + (f"\n  ... and {len(differences) - 5} more" if len(differences) > 5 else "")
                        + (f"\nin the file: {what}" if what else "")
                        + "\ngive the --netG, --ngf, --norm, --no_dropout, --input_nc, --output_nc it was trained with")
    refuse_not_finite(found, path)
    net.load_state_dict(found)


def refuse_not_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """UserError when a tensor read from `path` holds NaN or infinity: its pictures would be black."""
    for key, value in state.items():
        bad = value.numel() - int(value.isfinite().sum())
        if bad:
            raise UserError(f"{path}: of the {value.numel()} numbers in {key}, {bad} are NaN or infinite: the training "
                            f"that wrote it had gone wrong. Take an earlier save. {describe_saves(path.parent)}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state_dict in a file of torch.save or of safetensors, in today's keys: without `module.` in front and
    without the statistics that instance norms carried in early versions. Code in a file is never run. UserError when
    it is no state_dict.
    """
    state = read_safetensors(path) if is_safetensors(path) or path.name == TENSORS else _unpickled(path)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    return {key: value for key, value in state.items() if not _is_stale(key, state)}


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The state_dict in a file of torch.save, as it is there."""
    with _opened(path) as file, warnings.catch_warnings(action="ignore"):  # the error says it all
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # the unpickler fails in any way it likes on what is no pickle
            raise UserError(f"{path} {_what_it_is(file, error)}; expected {EXPECTED}") from None
    if not isinstance(state, Mapping):
        raise UserError(f"{path} holds a {type(state).__name__}; expected {EXPECTED}")
    if not state or not all(isinstance(key, str) and _is_plain(value) for key, value in state.items()):
        keys = ", ".join(map(str, list(state)[:8])) or "nothing"
        raise UserError(f"{path} holds a dict of {keys}; expected {EXPECTED}")
    quantised = [key for key, value in state.items() if value.is_quantized]
    if quantised:
        raise UserError(f"{path} holds quantised tensors ({', '.join(quantised[:4])}); "
                        "expected the weights of the network before it was quantised")
    return dict(state)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A weight file, open. UserError when it cannot be read, or would unpack to much more than it is."""
    if path.is_symlink() and not path.exists():
        raise UserError(f"{path} is a link to {os.readlink(path)}, which is not there; expected {EXPECTED}")
    try:
        if not stat.S_ISREG(kind := path.stat().st_mode) and not stat.S_ISDIR(kind):
            raise UserError(f"{path} is a pipe, a socket or a device; expected {EXPECTED}")
        with open(path, "rb") as file:
            file.read(1)  # a file may open and not be readable
            size, unpacked = path.stat().st_size, sum(entry.file_size for entry in _zip_entries(file))
            if unpacked > MOST_UNPACKED * size:
                raise UserError(f"{path} is a zip archive of {size} bytes that unpacks to {unpacked}, as weights never "
                                f"do, and is not unpacked; expected {EXPECTED}")
            file.seek(0)
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); expected {EXPECTED}") from None


def _is_plain(value: object) -> bool:
    """Whether this is a tensor with all its numbers: neither sparse nor of the meta device."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta


def describe_saves(folder: Path) -> str:
    """Which weight files a run's folder holds, in one sentence."""
    if alone := generator_alone(folder):
        return f"{alone} holds one generator, the latest G of its run"
    saves = [path.name if path.exists() else f"{path.name} (a link to {os.readlink(path)}, which is not there)"
             for path in sorted(folder.glob(WEIGHTS))]
    if not saves:
        return "; ".join([f"{folder} holds no weight files ({WEIGHTS})", *where_kept(folder)])
    return f"{folder} holds: {', '.join(saves[:12])}" + (" ..." if len(saves) > 12 else "")


def _what_it_is(file: BinaryIO, error: Exception) -> str:
    """What a file that is no state_dict is instead, as the end of a sentence about it. error: of loading it."""
    file.seek(0)
    head = file.read(200)
    pickled = re.search(r"GLOBAL (\S+)", str(error))
    if not head:
        return "is empty"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "is a web page (HTML), perhaps of a download that failed"
    if pickled:
        return (f"holds a whole pickled object ({pickled[1]}), whose code could do anything and is not run; where it "
                "was made, save its weights alone: torch.save(net.state_dict(), FILE)")
    if head.isascii() and b"\0" not in head:
        pointer = " (a Git LFS pointer: `git lfs pull` fetches what it stands for)" if b"git-lfs" in head else ""
        return f"is a text file that begins with {head.decode().strip()[:60]!r}{pointer}"
    if head.startswith(b"\x80"):
        return "is a pickle, cut off or not written by torch.save; code in it is not run"
    return _what_the_zip_is(file) or f"is damaged, cut off, or no weight file at all ({type(error).__name__})"


def _what_the_zip_is(file: BinaryIO) -> str:
    """The same for a zip archive, as torch.save writes them; '' for no whole one."""
    names = [entry.filename for entry in _zip_entries(file)]
    if any(name.endswith("/constants.pkl") for name in names):
        return ("is a TorchScript program, whose code is not run; where it was made, save its weights alone: "
                "torch.save(net.state_dict(), FILE)")
    if not names or any(name.endswith("/data.pkl") for name in names):
        return ""
    return f"is a zip archive of {', '.join(map(repr, names[:3]))}"


def _zip_entries(file: BinaryIO) -> list[zipfile.ZipInfo]:
    """What a zip archive says that it holds; nothing for other files and for damaged archives."""
    try:
        return zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):  # OSError: it looks before the beginning
        return []


def _is_stale(key: str, state: Mapping[str, Tensor]) -> bool:
    """Statistics of a norm layer without weights, which is an instance norm: kept before 2018, never used."""
    layer, _, name = key.rpartition(".")
    return name in STATISTICS and f"{layer}.weight" not in state


def _shape(state: Mapping[str, Tensor], key: str) -> str:
    return str(list(state[key].shape)) if key in state else "nothing"
