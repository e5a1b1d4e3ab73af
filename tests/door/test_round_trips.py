"""Through a generator that gives back its input every file comes out as it went in: by test.py, by --output, in Python.
"""
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import bothways
from helpers.commands import load_command
from helpers.pictures import write_dicom
from models.test_model import TestModel
from networks.generators import GENERATORS
from raster.picture import Origin, Picture
from raster.reading import read_picture, with_channels
from raster.writing import write_picture

HEIGHT, WIDTH = 15, 17
SPANS = {  # of values that float32 in [-1, 1] tells apart
    "uint8": (0, 255), "uint16": (0, 65535), "uint32": (0, 2**23), "int8": (-128, 127), "int16": (-32768, 32767),
    "int32": (-2**22, 2**22), "float16": (0, 1), "float32": (0, 1), "float64": (-4, 4)}
ALL, SOME, BYTES, DEEP = tuple(SPANS), ("uint8", "uint16", "float64"), ("uint8",), ("uint8", "uint16")


class Kind(NamedTuple):
    """Files of a format. becomes: the ending of their results, by --format as_input, where that is another one."""

    name: str
    ending: str
    dtypes: tuple[str, ...]
    channels: tuple[int, ...] = (1, 2, 3, 4, 13)
    becomes: str = ""
    exact: bool = True


KINDS = (
    Kind("tiff", "tif", ALL), Kind("big", "tif", SOME), Kind("tiles", "tif", SOME), Kind("npy", "npy", ALL),
    Kind("npz", "npz", SOME), Kind("nifti", "nii", ("int8", "uint16", "int32", "float32"), becomes="nii.gz"),
    Kind("packed", "nii.gz", ("int16",)), Kind("dicom", "dcm", DEEP, (1,), "png"),
    Kind("signed", "dcm", ("int16", "int32"), (1,), "tif"), Kind("colour", "dcm", BYTES, (3,), "png"),
    Kind("png", "png", DEEP, (1, 2, 3, 4)),
    Kind("ppm", "ppm", BYTES, (1, 3)), Kind("deep", "ppm", ("uint16",), (1, 3), "png"),
    Kind("bmp", "bmp", BYTES, (1, 3)), Kind("gif", "gif", BYTES, (1,)), Kind("webp", "webp", BYTES, (3, 4)),
    Kind("avif", "avif", BYTES, (3, 4), exact=False), Kind("jpeg", "jpg", BYTES, (1, 3), exact=False))


class Given(NamedTuple):
    """A file, what it holds, and its kind."""

    path: Path
    held: np.ndarray
    kind: Kind


@pytest.fixture(params=[1, 2, 3, 4, 13])
def channels(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def files(tmp_path: Path, channels: int) -> list[Given]:
    """A file of each kind and type with that many channels, in the folder `in`."""
    (tmp_path / "in").mkdir()
    found = []
    for kind in KINDS:
        for dtype in kind.dtypes if channels in kind.channels else ():
            path = tmp_path / "in" / f"{kind.name}_{dtype}.{kind.ending}"
            given = values(dtype, channels) if kind.exact else smooth(channels)
            write(path, kind, given)
            held = read(path, channels)
            if kind.exact:
                np.testing.assert_array_equal(held, given, strict=True)
            found.append(Given(path, held, kind))
    return found


def values(dtype: str, channels: int) -> np.ndarray:
    """Both ends of the span, and what lies between in steps that the type holds."""
    low, high = SPANS[dtype]
    steps = 1024 if dtype.startswith("float") else high - low
    picked = np.random.default_rng(channels).integers(0, steps, (HEIGHT, WIDTH, channels), endpoint=True)
    picked[0, 0], picked[0, 1] = 0, steps
    return (low + picked * ((high - low) / steps)).astype(dtype)


def smooth(channels: int) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([40 + 5 * rows + 6 * columns + 10 * channel for channel in range(channels)], 2).astype(np.uint8)


def read(path: Path, channels: int) -> np.ndarray:
    """What a file holds; a gray GIF is one of colours, too."""
    return with_channels(read_picture(path), channels, path).values


def write(path: Path, kind: Kind, given: np.ndarray) -> None:
    flat = given[:, :, 0] if given.shape[2] == 1 else given
    if kind.name in ("big", "tiles"):
        how = {"bigtiff": True} if kind.name == "big" else {"tile": (16, 16), "compression": "zlib"}
        tifffile.imwrite(path, flat, photometric="minisblack", metadata=None,
                         planarconfig="contig" if flat.ndim > 2 else None, **how)
    elif kind.ending == "dcm":
        write_dicom(path, flat)
    elif kind.name == "deep":
        header = f"P{5 if flat.ndim == 2 else 6} {WIDTH} {HEIGHT} 65535\n"
        path.write_bytes(header.encode() + given.astype(">u2").tobytes())
    else:
        write_picture(path, Picture(given, Origin(kind.name.upper(), alpha=kind.ending in ("png", "webp", "avif"))))


@pytest.fixture
def run(tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run whose generator gives back its input."""
    folder = tmp_path / "checkpoints" / "run"
    folder.mkdir(parents=True)
    net = GENERATORS["resnet_6blocks"].build(channels, channels, 1, "instance", False)
    torch.save(net.state_dict(), folder / "latest_net_G.pth")
    monkeypatch.setattr(TestModel, "translate", lambda self, batch: {"real": batch["A"], "fake": batch["A"]})
    monkeypatch.chdir(tmp_path)
    return folder


def translate(line: str) -> None:
    where = f"--dataroot {Path('in').absolute()} --name run"
    load_command("test").main(f"{where} --preprocess none --num_threads 0 --gpu_ids -1 {line}".split())


def require_same(found: np.ndarray, given: Given, exact: bool) -> None:
    if exact:
        np.testing.assert_array_equal(found, given.held, strict=True)
    else:
        np.testing.assert_allclose(found.astype(int), given.held, atol=4)


def test_a_results_page(run: Path, files: list[Given]):
    translate("--num_test 999 --format as_input")
    folder = Path("results/run/test_latest")
    own = json.loads((folder / "names.json").read_text())["values"]
    for given in files:
        name = given.path.name.split(".")[0]
        for label in ("real", "fake"):
            becomes = given.kind.becomes or given.kind.ending
            if becomes == "png" and given.held.dtype == np.uint8 and given.held.shape[2] in (1, 3):
                with Image.open(folder / f"images/{name}_{label}.png") as view:  # holds all values
                    require_same(np.asarray(view).reshape(given.held.shape), given, exact=True)
            else:
                assert own[name][label]["file"] == f"{name}_{label}.{becomes}"
                found = read(folder / "values" / own[name][label]["file"], given.held.shape[2])
                require_same(found, given, given.kind.exact)


def test_a_folder_of_files(run: Path, files: list[Given]):
    translate("--output out")
    assert len(list(Path("out").glob("[!.]*"))) == len(files)
    for given in files:
        name = f"{given.path.name.split('.')[0]}.{given.kind.becomes or given.kind.ending}"
        require_same(read(Path("out", name), given.held.shape[2]), given, given.kind.exact)


def test_from_python(run: Path, files: list[Given]):
    G = bothways.load(run, device="cpu", preprocess="none")
    for given in files:
        for picture in (given.path, given.path.read_bytes(), given.held):
            made = np.asarray(G(picture))
            require_same(made.reshape(given.held.shape), given, exact=True)
