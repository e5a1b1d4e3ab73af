"""Damaged and hostile files of every format end in words that name them, before memory is taken for what they claim."""
import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from data.integrity import inspect_image
from helpers.pictures import write_dicom, write_nifti
from raster.bad_image import BadImage
from raster.reading import read_header, read_picture
from raster.view import read_image

NOISE = np.random.default_rng(0).integers(0, 60000, (40, 50), np.uint16)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npy_header(shape: object, dtype: str = "<u2") -> bytes:
    said = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said + bytes(64)


def npz(content: bytes, name: str = "arr_0.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def tiff(**how: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, NOISE, photometric="minisblack", **how)
    return file.getvalue()


def changed(content: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value of one tag."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        offset, kind = file.pages[0].tags[tag].valueoffset, file.pages[0].tags[tag].dtype
    packed = struct.pack("<H" if int(kind) == 3 else "<I", value)
    return content[:offset] + packed + content[offset + len(packed):]


def dicom(tmp_path: Path, **elements: object) -> bytes:
    return write_dicom(tmp_path / "whole.dcm", NOISE, **elements).read_bytes()


def nifti(tmp_path: Path) -> bytes:
    return write_nifti(tmp_path / "whole.nii", NOISE).read_bytes()


BAD: dict[str, tuple[Callable[[Path], bytes], str]] = {  # by name, with its ending: its content, and what is said
    "text.npy": (lambda path: b"no array at all", "no array of numpy"),
    "half.npy": (lambda path: npy(NOISE)[:2000], r"its shape is \(40, 50\), of which the file holds"),
    "objects.npy": (lambda path: npy(np.array([{"a": 1}, None])), "its values are of type object"),
    "pickle.npy": (lambda path: b"\x93NUMPY\x01\x00v\x00" + b"cos\nsystem\n(S'true'\ntR.".ljust(118), "."),
    "huge.npy": (lambda path: npy_header((10**6, 10**6)), r"its shape is \(1000000, 1000000\)"),
    "astronomic.npy": (lambda path: npy_header((2**62, 2**62)), "its shape is"),
    "negative.npy": (lambda path: npy_header((-4, 4)), "its shape is"),
    "empty_side.npy": (lambda path: npy(np.zeros((0, 4))), "its shape is"),
    "words.npy": (lambda path: npy_header("('a', 'b')"), "."),
    "line.npy": (lambda path: npy(np.zeros(9)), r"expected \(H, W\)"),
    "five.npy": (lambda path: npy(np.zeros((1, 1, 2, 2, 3))), r"expected \(H, W\)"),
    "complex.npy": (lambda path: npy(np.zeros((4, 4), complex)), "type complex128"),
    "dates.npy": (lambda path: npy(np.zeros((4, 4), "M8[s]")), "type datetime64"),
    "empty.npz": (lambda path: npz(b"x", "readme.txt"), "there is no array in it"),
    "cut.npz": (lambda path: npz(npy(NOISE))[:900], "no array of numpy"),
    "liar.npz": (lambda path: npz(npy_header((40, 50))), "of which the file holds"),
    "objects.npz": (lambda path: npz(npy(np.array([{"a": 1}, None]))), "type object"),
    "damaged.npz": (lambda path: npz(npy(NOISE))[:300] + b"x" * 40 + npz(npy(NOISE))[340:], "."),
    "text.tif": (lambda path: b"II*\0no tiff at all", "."),
    "no_page.tif": (lambda path: b"II*\0\x08\0\0\0\0\0\0\0\0\0", "."),
    "half.tif": (lambda path: tiff()[:2000], "cut off"),
    "half_lzw.tif": (lambda path: tiff(compression="lzw")[:2000], "cut off"),
    "half_tiles.tif": (lambda path: tiff(compression="zstd", tile=(16, 16))[:2000], "cut off"),
    "loop.tif": (lambda path: b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 1, 5) + b"\x08\0\0\0", "."),
    "wide.tif": (lambda path: changed(tiff(), 256, 0xFFFF), "."),
    "wide_and_high.tif": (lambda path: changed(changed(tiff(compression="lzw"), 256, 0xFFFF), 257, 0xFFFF),
                          "it has 4294836225 pixels, more than --max_pixels"),
    "no_width.tif": (lambda path: changed(tiff(), 256, 0), "."),
    "many_channels.tif": (lambda path: changed(tiff(compression="lzw"), 277, 65535), "."),
    "odd_bits.tif": (lambda path: changed(tiff(), 258, 77), "."),
    "odd_codec.tif": (lambda path: changed(tiff(), 259, 4242), "."),
    "damaged_lzw.tif": (lambda path: tiff(compression="lzw")[:-400] + b"\xff" * 400, "."),
    "damaged_zstd.tif": (lambda path: tiff(compression="zstd").replace(b"\x28\xb5\x2f\xfd", bytes(4)), "."),
    "text.dcm": (lambda path: b"no image", "DICOM"),
    "half.dcm": (lambda path: dicom(path)[:2000], "."),
    "huge.dcm": (lambda path: dicom(path, Rows=60000, Columns=60000), "it has 3600000000 pixels"),
    "no_rows.dcm": (lambda path: dicom(path, Rows=0), "0 pixels"),
    "fractional_bits.dcm": (lambda path: dicom(path, BitsAllocated=13), "."),
    "text.nii": (lambda path: b"no image" * 100, "."),
    "half.nii": (lambda path: nifti(path)[:2000], "."),
    "huge.nii": (lambda path: nifti(path)[:42] + struct.pack("<2h", 32000, 32000) + nifti(path)[46:], "pixels"),
    "negative.nii": (lambda path: nifti(path)[:42] + struct.pack("<2h", -5, 9) + nifti(path)[46:], "."),
    "text.nii.gz": (lambda path: b"no image", "."),
    "half.nii.gz": (lambda path: gzip.compress(nifti(path))[:1000], "."),
    "empty.nii.gz": (lambda path: gzip.compress(b""), "."),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_with_a_reason(tmp_path: Path, name: str):
    make, reason = BAD[name]
    content, path = make(tmp_path), tmp_path / name
    path.write_bytes(content)
    for read in (read_picture, inspect_image, lambda path: read_image(path, 3)):
        with pytest.raises(BadImage, match=rf"{name} cannot be read as an image: .*{reason}") as error:
            read(path)
        assert "\n" not in str(error.value)


def large(kind: str, path: Path) -> None:
    """A file of 200 x 100 pixels."""
    values = np.zeros((100, 200), np.uint16)
    if kind == "tif":
        tifffile.imwrite(path, values, photometric="minisblack")
    elif kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, values)
    elif kind == "dcm":
        write_dicom(path, values)
    elif kind.startswith("nii"):
        write_nifti(path, values)
    else:
        Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.mark.parametrize("kind", ["tif", "npy", "npz", "dcm", "nii", "nii.gz", "png", "bmp"])
def test_max_pixels_holds_for_every_format(tmp_path: Path, kind: str):
    path = tmp_path / f"1.{kind}"
    large(kind, path)
    for read in (read_picture, read_header, inspect_image):
        assert read(path, max_pixels=20_000)
        with pytest.raises(BadImage, match="20000 pixels, more than --max_pixels 19999; give --max_pixels 20000"):
            read(path, max_pixels=19_999)


def test_a_pixel_of_many_channels_counts_as_several(tmp_path: Path):
    np.save(tmp_path / "1.npy", np.zeros((100, 100, 64), np.float32))
    with pytest.raises(BadImage, match=r"it has 160000 pixels \(100x100 of 256 bytes each\), more than --max_pixels"):
        read_picture(tmp_path / "1.npy", max_pixels=159_999)


def test_a_small_archive_of_a_huge_array_is_refused_by_its_header(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "1.npz", "w", zipfile.ZIP_DEFLATED) as archive, \
            archive.open("arr_0.npy", "w", force_zip64=True) as member:
        member.write(npy_header((20_000, 20_000), "|u1")[:-64])
        for _ in range(400):
            member.write(bytes(1_000_000))
    assert (tmp_path / "1.npz").stat().st_size < 1_000_000
    with pytest.raises(BadImage, match="it has 400000000 pixels, more than --max_pixels"):
        read_picture(tmp_path / "1.npz")
