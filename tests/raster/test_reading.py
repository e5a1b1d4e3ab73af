"""Files of every format, type and number of channels are read value for value, upright, with what they know."""
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from helpers.commands import ROOT
from helpers.images import STORED
from helpers.pictures import write_dicom, write_nifti
from raster.names import page_paths, split_page
from raster.picture import Origin, Picture
from raster.reading import read_header, read_picture, with_channels
from util.errors import UserError

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64")


def values(dtype: str, channels: int, height: int = 19, width: int = 23) -> np.ndarray:
    """(H, W, C): all over the type's range."""
    rng = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 100, (height, width, channels)).astype(dtype)
    kind = np.iinfo(dtype)
    return rng.integers(kind.min, kind.max, (height, width, channels), dtype, endpoint=True)


def pages_in(path: Path) -> list[Path]:
    return page_paths(path, read_header(path).pages)


def assert_read(path: Path, expected: np.ndarray) -> None:
    """The file's picture and its header are those of (H, W, C)."""
    picture, header = read_picture(path), read_header(path)
    assert picture.values.dtype == expected.dtype == header.dtype and picture.values.dtype.isnative
    assert np.array_equal(picture.values, expected)
    assert (header.size, header.channels) == (expected.shape[1::-1], expected.shape[2])
    assert header.origin.alpha == picture.origin.alpha and header.no_data == picture.no_data


TIFFS = {
    "plain": {}, "big_endian": {"byteorder": ">"}, "bigtiff": {"bigtiff": True}, "both": {"bigtiff": True,
    "byteorder": ">"}, "tiled": {"tile": (16, 16)}, "strips": {"rowsperstrip": 4}, "lzw": {"compression": "lzw"},
    "zstd_tiles": {"compression": "zstd", "tile": (16, 16)}, "predictor": {"compression": "deflate", "predictor": True},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_of_every_type_and_number_of_channels(tmp_path: Path, dtype: str, kind: str):
    if kind == "predictor" and dtype in ("float16", "float64", "int8"):
        pytest.skip("tifffile does not write it")
    for channels in (1, 2, 3, 4, 7):
        expected, path = values(dtype, channels), tmp_path / f"{channels}.tif"
        colours = "rgb" if channels == 3 and dtype[:4] == "uint" else "minisblack"
        layout = {"planarconfig": "contig"} if channels > 1 else {}
        tifffile.imwrite(path, expected if channels > 1 else expected[..., 0], photometric=colours, **layout,
                         **TIFFS[kind])
        assert_read(path, expected)
        assert not read_header(path).origin.alpha


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("how", [{"planarconfig": "separate"}, {"metadata": {"axes": "CYX"}},
                                 {"imagej": True, "metadata": {"axes": "CYX"}},
                                 {"ome": True, "metadata": {"axes": "CYX"}}],
                         ids=["planar", "cyx", "imagej", "ome"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_tiff_whose_channels_lie_behind_each_other(tmp_path: Path, dtype: str, how: dict, compression: str | None):
    expected = values(dtype, 5)
    tifffile.imwrite(tmp_path / "1.tif", np.moveaxis(expected, 2, 0), photometric="minisblack", compression=compression,
                     **how)
    assert_read(tmp_path / "1.tif", expected)
    assert pages_in(tmp_path / "1.tif") == [tmp_path / "1.tif"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_last_channel_is_opacity_only_where_the_file_says_so(tmp_path: Path, dtype: str):
    expected = values(dtype, 4)
    for said, alpha in (("unassalpha", True), ("unspecified", False)):
        path = tmp_path / f"{said}.tif"
        tifffile.imwrite(path, expected, photometric="rgb", extrasamples=[said])
        assert_read(path, expected)
        assert read_picture(path).origin.alpha == alpha


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_is_turned_upright(tmp_path: Path, orientation: int, dtype: str):
    upright, path = values(dtype, 3), tmp_path / "1.tif"
    tifffile.imwrite(path, np.ascontiguousarray(STORED[orientation](upright)), photometric="rgb",
                     extratags=[(274, "H", 1, orientation, True)], resolution=(300, 200), resolutionunit="inch")
    assert_read(path, upright)
    assert read_header(path).origin.resolution == ((200, 300) if orientation > 4 else (300, 200))


def test_no_data_and_the_place_on_the_earth(tmp_path: Path):
    expected = values("float32", 2)
    expected[3, 4] = -9999
    scale, place = (10.0, 10.0, 0.0), (0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0)
    keys, name = (1, 1, 0, 1, 1024, 0, 1, 1), "WGS 84 / UTM zone 33N|"
    tifffile.imwrite(tmp_path / "1.tif", expected, photometric="minisblack", planarconfig="contig", extratags=[
        (42113, "s", 0, "-9999", True), (33550, "d", 3, scale, True), (33922, "d", 6, place, True),
        (34735, "H", 8, keys, True), (34737, "s", 0, name, True)])
    picture = read_picture(tmp_path / "1.tif")
    assert picture.no_data == -9999 and np.argwhere(picture.void()).tolist() == [[3, 4]]
    assert dict(picture.origin.tags) == {33550: scale, 33922: place, 34735: keys, 34737: name}
    assert read_header(tmp_path / "1.tif").origin == picture.origin


@pytest.mark.parametrize(("said", "dtype", "expected"), [
    ("0", "uint8", 0), ("-9999", "uint8", None), ("255", "uint8", 255), ("1.5", "int16", None),
    ("nan", "float32", None),
    ("-3.4028234663852886e+38", "float32", float(np.float32(-3.4028234663852886e+38))), ("none", "int16", None)])
def test_no_data_that_the_type_can_hold(tmp_path: Path, said: str, dtype: str, expected: float | None):
    tifffile.imwrite(tmp_path / "1.tif", values(dtype, 1)[..., 0], photometric="minisblack",
                     extratags=[(42113, "s", 0, said, True)])
    assert read_header(tmp_path / "1.tif").no_data == read_picture(tmp_path / "1.tif").no_data == expected


def test_a_microscopes_resolution(tmp_path: Path):
    tifffile.imwrite(tmp_path / "1.tif", values("uint16", 1)[..., 0], imagej=True, resolution=(4, 4),
                     metadata={"unit": "um"})  # 4 pixels a micrometre
    assert read_header(tmp_path / "1.tif").origin.resolution == pytest.approx((101600, 101600))


@pytest.mark.parametrize("how", [{}, {"imagej": True, "metadata": {"axes": "ZYX"}},
                                 {"ome": True, "metadata": {"axes": "TYX"}}, {"compression": "lzw"},
                                 {"metadata": {"axes": "TYX"}}, {"tile": (16, 16), "compression": "zstd"}],
                         ids=["plain", "imagej", "ome", "lzw", "axes", "tiles"])
def test_pages_of_a_tiff(tmp_path: Path, how: dict):
    pages = np.stack([values("uint16", 1)[..., 0] + number for number in range(3)])
    tifffile.imwrite(tmp_path / "a.b.tif", pages, **{"photometric": "minisblack"} | how)
    paths = pages_in(tmp_path / "a.b.tif")
    assert [path.name for path in paths] == ["a.b.p1.tif", "a.b.p2.tif", "a.b.p3.tif"]
    for path, page in zip(paths, pages, strict=True):
        assert_read(path, page[..., None])
    assert_read(tmp_path / "a.b.tif", pages[0][..., None])
    assert read_header(tmp_path / "a.b.tif").pages == 3
    with pytest.raises(UserError, match=r"a.b.tif cannot be read as an image: it has 3 pages, page 4 was asked for"):
        read_picture(tmp_path / "a.b.p4.tif")


def test_pages_with_channels_and_of_different_sizes_but_no_overviews(tmp_path: Path):
    stack = np.stack([values("uint16", 2)] * 6).reshape(2, 3, 19, 23, 2)
    stack += np.arange(6, dtype=np.uint16).reshape(2, 3, 1, 1, 1)
    tifffile.imwrite(tmp_path / "1.tif", stack.transpose(0, 1, 4, 2, 3), imagej=True, metadata={"axes": "TZCYX"})
    for path, expected in zip(pages_in(tmp_path / "1.tif"), stack.reshape(6, 19, 23, 2), strict=True):
        assert_read(path, expected)
    with tifffile.TiffWriter(tmp_path / "2.tif") as file:
        for number, side in enumerate((32, 16, 64)):
            file.write(np.full((side, side), number, np.uint16), subfiletype=1 if side == 16 else 0, metadata=None)
    paths = pages_in(tmp_path / "2.tif")
    seen = [(read_header(path).size, read_picture(path).values.max()) for path in paths]
    assert seen == [((32, 32), 0), ((64, 64), 2)]


def test_a_file_named_as_a_page_is_itself(tmp_path: Path):
    np.save(tmp_path / "1.npy", np.zeros((2, 8, 8, 3), np.uint8))
    np.save(tmp_path / "1.p2.npy", np.ones((8, 8), np.uint16))
    assert split_page(tmp_path / "1.p2.npy") == (tmp_path / "1.p2.npy", 1)
    assert split_page(tmp_path / "1.p1.npy") == (tmp_path / "1.npy", 1)
    assert read_header(tmp_path / "1.p2.npy").dtype == np.uint16


@pytest.mark.parametrize("dtype", [*DTYPES, "uint64", "int64", ">i2"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_arrays(tmp_path: Path, dtype: str, channels: int):
    stored = values(dtype.lstrip(">"), channels).astype(dtype)
    expected = stored.astype(stored.dtype.newbyteorder("="))
    for array in (stored, np.asfortranarray(stored), stored.transpose(2, 0, 1)):
        np.save(tmp_path / "1.npy", array)
        assert_read(tmp_path / "1.npy", expected)
        np.savez_compressed(tmp_path / "1.npz", array)
        assert_read(tmp_path / "1.npz", expected)


def test_pages_of_arrays(tmp_path: Path):
    pages = np.stack([values("float32", 3) + number for number in range(3)])
    for stored in (pages, np.asfortranarray(pages), pages.transpose(0, 3, 1, 2)):
        np.save(tmp_path / "1.npy", stored)
        np.savez_compressed(tmp_path / "1.npz", stored)
        np.savez(tmp_path / "2.npz", stored[:2], stored[2])  # of several arrays, one behind the other
        for name in ("1.npy", "1.npz", "2.npz"):
            for path, page in zip(pages_in(tmp_path / name), pages, strict=True):
                assert_read(path, page)


def test_truth_values_and_flat_arrays(tmp_path: Path):
    np.save(tmp_path / "1.npy", np.array([[True, False]]))
    assert_read(tmp_path / "1.npy", np.array([[[255], [0]]], np.uint8))
    np.save(tmp_path / "2.npy", values("int16", 1)[..., 0])
    assert_read(tmp_path / "2.npy", values("int16", 1))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("codec", ["imagecodecs", "torchvision"])
def test_png_of_16_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int, codec: str):
    expected, path = values("uint16", channels), tmp_path / "1.png"
    path.write_bytes(imagecodecs.png_encode(expected if channels > 1 else expected[..., 0]))
    if codec == "torchvision":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert_read(path, expected)
    assert read_header(path).origin.alpha == (channels in (2, 4))


@pytest.mark.parametrize("largest", [1023, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_ppm_of_more_than_8_bits(tmp_path: Path, largest: int, channels: int):
    expected, path = values("uint16", channels).clip(0, largest), tmp_path / "1.ppm"
    path.write_bytes(b"P%d 23 19 %d\n" % (5 if channels == 1 else 6, largest) + expected.astype(">u2").tobytes())
    assert_read(path, expected)


def test_gray_pgm_in_plain_text(tmp_path: Path):
    (tmp_path / "1.pgm").write_text("P2 3 1 1000\n0 500 1000\n")
    assert_read(tmp_path / "1.pgm", np.array([[[0], [500], [1000]]], np.uint16))


@pytest.mark.parametrize(("mode", "ending", "expected"), [
    ("1", "png", 1), ("L", "png", 1), ("LA", "png", 2), ("P", "png", 3), ("RGB", "webp", 3), ("RGBA", "webp", 4),
    ("CMYK", "jpg", 3), ("RGB", "bmp", 3), ("L", "jpg", 1), ("RGBA", "png", 4)])
def test_8_bits_by_pillow(tmp_path: Path, mode: str, ending: str, expected: int):
    image = Image.fromarray(values("uint8", 4)).convert("RGB" if mode == "P" else "RGBA").convert(mode)
    image.save(tmp_path / f"1.{ending}", **({"lossless": True, "exact": True} if ending == "webp" else {}))
    opened = Image.open(tmp_path / f"1.{ending}")
    known = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[expected]
    assert_read(tmp_path / f"1.{ending}", np.asarray(opened.convert(known)).reshape(19, 23, expected))


@pytest.mark.parametrize("codec", ["imagecodecs", "torchvision"])
def test_a_colour_of_16_bits_that_is_transparent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str):
    if codec == "torchvision":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    colours = values("uint16", 3)
    (tmp_path / "1.png").write_bytes(imagecodecs.png_encode(colours))
    content = (tmp_path / "1.png").read_bytes()
    clear = b"tRNS" + struct.pack(">3H", *colours[2, 5])
    (tmp_path / "1.png").write_bytes(content[:33] + struct.pack(">I", 6) + clear
                                     + struct.pack(">I", zlib.crc32(clear)) + content[33:])
    opacity = np.full((19, 23, 1), 65535, np.uint16)
    opacity[(colours == colours[2, 5]).all(2)] = 0
    assert opacity[2, 5] == 0
    assert_read(tmp_path / "1.png", np.concatenate([colours, opacity], 2))


def test_tiff_with_webp_in_it(tmp_path: Path):
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    tifffile.imwrite(tmp_path / "1.tif", smooth, compression="webp", compressionargs={"lossless": True},
                     photometric="rgb")
    assert_read(tmp_path / "1.tif", smooth)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_tiff_of_8_bits_and_less_by_pillow(tmp_path: Path, mode: str):
    Image.fromarray(values("uint8", 4)).convert("RGB" if mode == "P" else "RGBA").convert(mode).save(tmp_path / "1.tif")
    known = {"1": "L", "P": "RGB", "CMYK": "RGB"}.get(mode, mode)
    pixels = np.asarray(Image.open(tmp_path / "1.tif").convert(known))
    assert_read(tmp_path / "1.tif", pixels.reshape(19, 23, len(known)))


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_frames(tmp_path: Path, ending: str):
    frames = [Image.new("RGB", (16, 12), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"1.{ending}", save_all=True, append_images=frames[1:],
                   **({"lossless": True} if ending == "webp" else {}))
    for path, frame in zip(pages_in(tmp_path / f"1.{ending}"), frames, strict=True):
        assert np.array_equal(with_channels(read_picture(path), 3, path).values, np.asarray(frame))


@pytest.mark.parametrize(("bits", "dtype"), [(12, "int16"), (16, "int32")])
def test_a_ct_in_hounsfield_units(tmp_path: Path, bits: int, dtype: str):
    stored = values("uint16", 1)[..., 0] % 4096
    path = write_dicom(tmp_path / "1.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=7,
                       BitsStored=bits, HighBit=bits - 1, PixelSpacing=[0.5, 0.25])
    stored[0, 0] = 7
    write_dicom(path, stored, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=7, BitsStored=bits,
                HighBit=bits - 1, PixelSpacing=[0.5, 0.25])
    assert_read(path, (stored.astype(int) - 1024).astype(dtype)[..., None])
    assert read_header(path).no_data == 7 - 1024 and read_picture(path).void()[0, 0]
    assert read_header(path).origin == Origin("DICOM", (25.4 / 0.25, 25.4 / 0.5))


def test_frames_of_dicom_have_values_and_places_of_their_own(tmp_path: Path):
    def groups(**elements: list) -> pydicom.Dataset:
        found = pydicom.Dataset()
        for name, rows in elements.items():
            setattr(found, name, [pydicom.Dataset() for _ in rows])
            for row, values in zip(getattr(found, name), rows, strict=True):
                for keyword, value in values.items():
                    setattr(row, keyword, value)
        return found

    frames = np.arange(12, dtype=np.uint16).reshape(2, 2, 3)
    shared = groups(PixelMeasuresSequence=[{"PixelSpacing": [0.5, 0.25]}],
                    PixelValueTransformationSequence=[{"RescaleSlope": 1, "RescaleIntercept": -1024}])
    own = groups(PixelValueTransformationSequence=[{"RescaleSlope": 2, "RescaleIntercept": -1000}])
    path = write_dicom(tmp_path / "1.dcm", frames, NumberOfFrames=2, BitsStored=12, HighBit=11,
                       SharedFunctionalGroupsSequence=[shared],
                       PerFrameFunctionalGroupsSequence=[pydicom.Dataset(), own])
    first, second = pages_in(path)
    assert_read(first, (frames[0].astype(np.int16) - 1024)[..., None])
    assert_read(second, (frames[1].astype(np.int16) * 2 - 1000)[..., None])
    assert read_header(second).origin.resolution == (25.4 / 0.25, 25.4 / 0.5)


def test_frames_colours_and_fractions_of_dicom(tmp_path: Path):
    frames = values("int16", 3).transpose(2, 0, 1).copy()
    write_dicom(tmp_path / "1.dcm", frames, NumberOfFrames=3)
    for path, frame in zip(pages_in(tmp_path / "1.dcm"), frames, strict=True):
        assert_read(path, frame[..., None])
    write_dicom(tmp_path / "2.dcm", values("uint8", 3))
    assert_read(tmp_path / "2.dcm", values("uint8", 3))
    write_dicom(tmp_path / "3.dcm", frames[0], RescaleSlope=0.5, RescaleIntercept=0.25)
    assert_read(tmp_path / "3.dcm", (frames[0] * np.float32(0.5) + np.float32(0.25))[..., None])


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_slices_of_nifti(tmp_path: Path, ending: str):
    volume = np.random.default_rng(0).integers(-999, 999, (5, 4, 3, 2), np.int16)
    path = write_nifti(tmp_path / f"scan.{ending}", volume)
    paths = pages_in(path)
    assert [other.name for other in paths] == [f"scan.p{number}.{ending}" for number in range(1, 7)]
    for number, other in enumerate(paths):
        assert_read(other, volume[:, :, number % 3, number // 3].T[..., None])
    origin = read_header(paths[2]).origin
    assert origin.resolution == (12.7, 25.4) and origin.tags["affine"][:3, 3].tolist() == [0, 0, 8]


def test_the_slope_of_nifti_is_applied(tmp_path: Path):
    volume = np.arange(24, dtype=np.int16).reshape(4, 6)
    path = write_nifti(tmp_path / "1.nii", volume, slope=0.5, intercept=-3)
    assert_read(path, (volume.T[..., None] * 0.5 - 3).astype(np.float32))


def test_channels_become_others():
    def become(array: np.ndarray, channels: int, alpha: bool = False, no_data: float | None = None) -> np.ndarray:
        picture = Picture(array, Origin("PNG", alpha=alpha), no_data)
        return with_channels(picture, channels, Path("x.tif")).values
    colour = values("uint8", 3)
    image = Image.fromarray(colour)
    assert become(colour, 3) is colour
    assert np.array_equal(become(colour, 1)[..., 0], np.asarray(image.convert("L")))
    assert np.array_equal(become(colour[..., :1], 3), colour[..., :1].repeat(3, 2))
    clear = values("uint8", 4)
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), Image.fromarray(clear))
    assert np.array_equal(become(clear, 3, alpha=True), np.asarray(white)[..., :3])
    assert np.array_equal(become(clear, 1, alpha=True)[..., 0], np.asarray(white.convert("L")))
    assert become(np.array([[[1000, 65535], [1000, 0]]], np.uint16), 1, alpha=True).tolist() == [[[1000], [65535]]]
    assert become(np.array([[[0.5, 1, 0.25]]], np.float32), 1).item() == pytest.approx(0.299 / 2 + 0.587 + 0.114 / 4)
    assert become(np.array([[[-1000, 0, 500]]], np.int16), 1).item() == -242
    void = become(np.array([[[-9999, 3, 4], [1, 1, 1]]], np.int16), 1, no_data=-9999)
    assert void.tolist() == [[[-9999], [1]]]
    for had, wanted in ((4, 3), (2, 3), (7, 1), (3, 2)):
        with pytest.raises(UserError, match=rf"x.tif has {had} channels, expected {wanted}; give --input_nc {had}"):
            become(values("uint8", had), wanted)


def test_reading_needs_no_torch_and_no_extra():
    code = ("import sys; import raster.reading, raster.view\n"
            "print({'torch', 'torchvision', 'pydicom', 'nibabel'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("name", "library"), [("1.dcm", "pydicom"), ("1.nii", "nibabel"), ("1.tif", "imagecodecs")])
def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, name: str, library: str):
    path = tmp_path / name
    path.write_bytes(b"anything")
    if name == "1.tif":
        tifffile.imwrite(path, values("uint16", 3), photometric="rgb", compression="zstd")
    code = (f"import sys; sys.modules[{library!r}] = None\n"
            "from pathlib import Path; from raster.reading import read_picture; from util.errors import UserError\n"
            f"try: read_picture(Path({str(path)!r}))\nexcept UserError as error: print(type(error).__name__, error)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UserError ") and name in done.stdout and library in done.stdout
    assert "pip install .[formats]" in done.stdout


def test_gray_tiff_of_common_codecs_needs_no_extra(tmp_path: Path):
    expected, path = values("uint16", 1), tmp_path / "1.tif"
    tifffile.imwrite(path, expected[..., 0], photometric="minisblack", compression="lzw")
    code = ("import sys; sys.modules['imagecodecs'] = None\n"
            "from pathlib import Path; from raster.reading import read_picture\n"
            f"print(read_picture(Path({str(path)!r})).values.sum(dtype=int))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected.sum(dtype=int)
