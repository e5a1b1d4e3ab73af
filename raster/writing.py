"""From a picture as an array to a file, value for value, in the format that the file's ending names."""
import gzip
import importlib
import io
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from raster.picture import Origin, Picture
from raster.tiff_tags import tiff_layout
from util.errors import UserError
from util.files import replacing

CLASSIC_TIFF = 2**32 - 2**25  # bytes of values: more need offsets of 64 bits
PNG_HEADER = 33  # bytes: the signature and the first chunk
ANY_PICTURE = "--format tiff or --format npy"

BYTES, DEEP = ("uint8",), ("uint8", "uint16")
ANY_TYPE = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
NIFTI = tuple(dtype for dtype in ANY_TYPE if dtype != "float16")


@dataclass(frozen=True)
class Kind:
    """A format. ending: of its files; dtypes, channels: that it holds, () for any; write: to an open file; exact:
    whether what is read again is what was written; keeps: of what its origin knows, 'resolution', 'tags', 'no_data';
    longest: side that it holds, in pixels; write_pages: for a number of pictures in one file."""

    ending: str
    dtypes: tuple[str, ...]
    channels: tuple[int, ...]
    write: Callable[[BinaryIO, Picture], None]
    exact: bool = True
    keeps: tuple[str, ...] = ()
    longest: float = float("inf")
    write_pages: Callable[[BinaryIO, Iterable[Picture], int], None] | None = None

    def lacks(self, dtype: np.dtype, channels: int) -> str:
        """What it cannot hold of such pictures, '' when it holds them."""
        wrong = []
        if self.channels and channels not in self.channels:
            wrong.append(f"{channels} channels, only {_or(self.channels)}")
        if self.dtypes and dtype.name not in self.dtypes:
            wrong.append(f"{dtype.name} values, only {_or(self.dtypes)}")
        return " nor ".join(wrong)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture, value for value, in the format of the path's ending; whole or not at all.

    A TIFF keeps the resolution, the geo tags and the no-data value, a PNG the resolution, a NIfTI file the affine. JPEG
    and AVIF alone are not exact.
    Raises UserError, which says what to type, for values, channels or a size that the format cannot hold; OSError.
    """
    kind = _kind_for(path, picture)
    with replacing(path) as file:
        kind.write(file, picture)


def as_file(path: Path, picture: Picture) -> bytes:
    """The content of the file that `write_picture` would write. UserError as there."""
    buffer = io.BytesIO()
    _kind_for(path, picture).write(buffer, picture)
    return buffer.getvalue()


def _kind_for(path: Path, picture: Picture) -> Kind:
    """The format of the path's ending. UserError where it cannot hold the picture."""
    kind = require_format(path, picture.values.dtype, picture.values.shape[2])
    height, width, _ = picture.values.shape
    if max(width, height) > kind.longest:
        raise UserError(f"{path}: {path.suffix[1:]} holds at most {kind.longest} pixels a side, found {width}x"
                        f"{height}; give {ANY_PICTURE}")
    return kind


def require_format(path: Path, dtype: np.dtype, channels: int) -> Kind:
    """The format of the path's ending. UserError, which says what to type, where it cannot hold such a picture."""
    kind = kind_of(path)
    if wrong := kind.lacks(dtype, channels):
        raise UserError(f"{path}: {path.suffix[1:]} does not hold {wrong}; give {ANY_PICTURE}")
    return kind


def kind_of(path: Path) -> Kind:
    """The format that an ending names. UserError, with the known ones, for another."""
    for ending, kind in ENDINGS.items():
        if path.name.lower().endswith(f".{ending}"):
            return kind
    raise UserError(f"{path}: no picture is written with this ending. Known: {', '.join(ENDINGS)}")


def ending_for(format: str, origin: Origin, dtype: np.dtype, channels: int) -> str:
    """The ending, without its dot, of a picture's file. format: a name of FORMATS; 'as_input', the format of the file
    that it was made from; or 'auto', the same if that is exact.

    Where the format of the input cannot hold the picture, or is only read, it becomes a PNG or else a TIFF.
    UserError when a format that was asked for by name cannot hold it.
    """
    if format in FORMATS:
        if wrong := FORMATS[format].lacks(dtype, channels):
            raise UserError(f"--format {format} does not hold {wrong}; give {ANY_PICTURE}, or leave --format out")
        return FORMATS[format].ending
    same = FORMATS.get(SAME.get(origin.format.upper(), ""))
    for kind in (same, FORMATS["png"]):
        clear = kind in PICTURES and channels in (2, 4) and not origin.alpha  # a further band is no transparency
        if kind and not clear and not kind.lacks(dtype, channels) and (kind.exact or format == "as_input"):
            return kind.ending
    return TIFF.ending


def _or(known: Sequence[object]) -> str:
    *most, last = map(str, known)
    return f"{', '.join(most)} or {last}" if most else last


def _write_png(file: BinaryIO, picture: Picture) -> None:
    if picture.values.dtype == np.uint8 or picture.values.shape[2] == 1:
        _pillow("PNG", resolved=True)(file, picture)
    else:
        imagecodecs = _extra("imagecodecs", "PNG files with 16-bit colours")
        content = imagecodecs.png_encode(np.ascontiguousarray(picture.values))
        file.write(content[:PNG_HEADER] + _physical_size(picture.origin) + content[PNG_HEADER:])


def _physical_size(origin: Origin) -> bytes:
    """The chunk pHYs of a PNG, which says the resolution; nothing where it is not known (PNG 1.2, 4.2.4.2)."""
    if not origin.resolution:
        return b""
    across, down = (round(side * 100 / 2.54) for side in origin.resolution)  # pixels per metre
    chunk = b"pHYs" + struct.pack(">IIB", across, down, 1)
    return struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _pillow(format: str, resolved: bool = False, **options: Any) -> Callable[[BinaryIO, Picture], None]:
    """What writes a format of Pillow's. resolved: whether it has a place for the resolution."""
    def write(file: BinaryIO, picture: Picture) -> None:
        image = Image.fromarray(np.ascontiguousarray(_plain(picture)))
        resolution = picture.origin.resolution
        image.save(file, format, **options, **({"dpi": resolution} if resolved and resolution else {}))
    return write


def write_pages(path: Path, pictures: Iterable[Picture], count: int) -> None:
    """Write `count` pictures into one file, a page of a TIFF or a slice of a NIfTI volume each.

    UserError for an ending of another format, and for slices of several sizes.
    """
    kind = kind_of(path)
    if not kind.write_pages:
        raise UserError(f"{path}: of the formats that are written only TIFF and NIfTI hold several pages; give a .tif, "
                        "a .nii.gz or a folder")
    with replacing(path) as file:
        kind.write_pages(file, pictures, count)


def _write_tiff_pages(file: BinaryIO, pictures: Iterable[Picture], count: int) -> None:
    import tifffile

    source = iter(pictures)
    first = next(source)
    with tifffile.TiffWriter(file, bigtiff=count * first.values.nbytes > CLASSIC_TIFF) as tiff:
        for picture in chain([first], source):
            _add_page(tiff, picture)


def _write_tiff(file: BinaryIO, picture: Picture) -> None:
    import tifffile

    with tifffile.TiffWriter(file, bigtiff=picture.values.nbytes > CLASSIC_TIFF) as tiff:
        _add_page(tiff, picture)


def _add_page(tiff: Any, picture: Picture) -> None:
    values = picture.values
    layout = tiff_layout(values.shape[2], values.dtype, picture.origin, picture.no_data)
    if values.dtype.kind in "iu" and values.itemsize <= 4:
        layout["predictor"] = True  # differences of neighbours, which pack better
    tiff.write(_plain(picture), compression="zlib", **layout)


def _write_npy(file: BinaryIO, picture: Picture) -> None:
    np.save(file, _plain(picture), allow_pickle=False)


def _write_npz(file: BinaryIO, picture: Picture) -> None:
    np.savez_compressed(file, image=_plain(picture))


def _plain(picture: Picture) -> np.ndarray:
    """(H, W) of one channel, (H, W, C) of several."""
    return picture.values[:, :, 0] if picture.values.shape[2] == 1 else picture.values


def _write_nifti(file: BinaryIO, picture: Picture) -> None:
    _write_volume(file, [picture])


def _write_volume(file: BinaryIO, pictures: Iterable[Picture], count: int = 1) -> None:
    """A volume of these slices, x, y, z and, of several channels, a fifth axis of them (NIfTI-1, dim[5])."""
    nibabel = _extra("nibabel", "NIfTI files")
    slices = list(pictures)
    if len({picture.values.shape for picture in slices}) > 1:
        raise UserError("the slices of a NIfTI volume have one size; give a .tif, or a folder")
    volume = np.stack([picture.values.transpose(1, 0, 2) for picture in slices], 2)
    volume = volume[..., 0] if volume.shape[3] == 1 else volume[:, :, :, None]
    affine = np.asarray(slices[0].origin.tags.get("affine", np.eye(4)))
    file.write(nibabel.Nifti1Image(volume, affine, dtype=volume.dtype).to_bytes())


def _write_packed_nifti(file: BinaryIO, picture: Picture) -> None:
    _write_packed_volume(file, [picture])


def _write_packed_volume(file: BinaryIO, pictures: Iterable[Picture], count: int = 1) -> None:
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        _write_volume(packed, pictures)  # type: ignore[arg-type]


def _extra(name: str, what: str) -> Any:
    """A package of the extra `formats`. UserError when it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{what} need the package {name} ({error}): pip install .[formats], or give --format tiff"
                        ) from None


TIFF = Kind("tif", ANY_TYPE, (), _write_tiff, keeps=("resolution", "tags", "no_data"), write_pages=_write_tiff_pages)
FORMATS = {
    "png": Kind("png", DEEP, (1, 2, 3, 4), _write_png, keeps=("resolution",)),
    "tiff": TIFF,
    "npy": Kind("npy", (), (), _write_npy),
    "npz": Kind("npz", (), (), _write_npz),
    "jpg": Kind("jpg", BYTES, (1, 3), _pillow("JPEG", True, quality=95, subsampling=0), False, ("resolution",),
                65500),
    "webp": Kind("webp", BYTES, (3, 4), _pillow("WEBP", lossless=True, exact=True), longest=16383),
    "avif": Kind("avif", BYTES, (3, 4), _pillow("AVIF", quality=95), False, longest=32768),
    "bmp": Kind("bmp", BYTES, (1, 3), _pillow("BMP", True), keeps=("resolution",)),
    "ppm": Kind("ppm", BYTES, (1, 3), _pillow("PPM")),
    "gif": Kind("gif", BYTES, (1,), _pillow("GIF"), longest=65535),
    "nifti": Kind("nii.gz", NIFTI, (), _write_packed_nifti, keeps=("tags",), longest=32767,
                  write_pages=_write_packed_volume),
}
ENDINGS = {kind.ending: kind for kind in FORMATS.values()} | {
    "tiff": TIFF, "jpeg": FORMATS["jpg"], "pgm": FORMATS["ppm"],
    "nii": replace(FORMATS["nifti"], ending="nii", write=_write_nifti, write_pages=_write_volume)}
PICTURES = (FORMATS["png"], FORMATS["webp"], FORMATS["avif"])  # whose second and fourth channel is transparency
SAME = {"PNG": "png", "TIFF": "tiff", "NPY": "npy", "NPZ": "npz", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp",
        "AVIF": "avif", "BMP": "bmp", "PPM": "ppm", "GIF": "gif", "NIFTI": "nifti"}
"""By the format of a file that was read, as Origin names it, the one to write. Others are only read."""
