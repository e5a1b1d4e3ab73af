"""Pictures become files whose values, types and places on the earth are those of the arrays."""
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from raster import writing
from raster.picture import Origin, Picture
from raster.reading import read_picture
from raster.writing import ANY_TYPE, FORMATS, NIFTI, ending_for, write_pages, write_picture
from util.errors import UserError

PNG = Origin("PNG")
ALL = [*FORMATS, "nii"]


def values(dtype: str, channels: int, height: int = 5, width: int = 7) -> np.ndarray:
    """Every value that the type has room for: its ends and what lies between."""
    rng = np.random.default_rng(3)
    if np.issubdtype(dtype, np.integer):
        kind = np.iinfo(dtype)
        found = rng.integers(kind.min, kind.max, (height, width, channels), dtype, endpoint=True)
        found[0, 0], found[0, 1] = kind.min, kind.max
        return found
    return rng.normal(0, 1000, (height, width, channels)).astype(dtype)


def read(path: Path) -> np.ndarray:
    """(H, W, C), by the libraries themselves."""
    if path.name.endswith((".nii", ".nii.gz")):
        volume = np.asanyarray(nibabel.load(path).dataobj)
        assert volume.shape[2] == 1
        return volume.reshape(*volume.shape[:2], -1).transpose(1, 0, 2)
    if path.suffix == ".tif":
        read = tifffile.imread(path)
    elif path.suffix == ".npy":
        read = np.load(path)
    elif path.suffix == ".npz":
        (read,) = np.load(path).values()
    elif path.suffix == ".png":
        import imagecodecs
        read = imagecodecs.png_decode(path.read_bytes())
    else:
        with Image.open(path) as image:
            read = np.asarray(image.convert("L") if image.mode == "P" else image)
    return read if read.ndim == 3 else read[:, :, None]


EXACT = [(kind.ending, dtype, channels) for kind in FORMATS.values() if kind.exact
         for dtype in kind.dtypes or ANY_TYPE for channels in kind.channels or (1, 2, 3, 4, 13)]


@pytest.mark.parametrize("ending, dtype, channels", [*EXACT, ("nii", "int16", 1), ("npy", "bool", 2)])
def test_what_is_written_is_read_again_value_for_value(tmp_path, ending, dtype, channels):
    given = values(dtype, channels) if dtype != "bool" else values("uint8", channels) > 100
    write_picture(tmp_path / "sub" / f"x.{ending}", Picture(given, PNG))
    found = read(tmp_path / "sub" / f"x.{ending}")
    assert found.dtype == given.dtype
    np.testing.assert_array_equal(found, given)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == [f"x.{ending}"]


@pytest.mark.parametrize("ending", ["jpg", "avif"])
def test_the_lossy_formats_are_near(tmp_path, ending):
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    write_picture(tmp_path / f"x.{ending}", Picture(ramp, PNG))
    assert np.abs(read(tmp_path / f"x.{ending}").astype(int) - ramp).max() <= 4


@pytest.mark.parametrize("format, dtype, channels, said", [
    ("jpg", "uint16", 3, "--format jpg does not hold uint16 values, only uint8"),
    ("png", "float32", 1, "--format png does not hold float32 values, only uint8 or uint16"),
    ("png", "uint8", 13, "--format png does not hold 13 channels, only 1, 2, 3 or 4"),
    ("webp", "int16", 1, "--format webp does not hold 1 channels, only 3 or 4 nor int16 values, only uint8"),
    ("nifti", "float16", 1, "--format nifti does not hold float16 values"),
])
def test_what_a_format_cannot_hold_is_said_with_one_that_can(tmp_path, format, dtype, channels, said):
    with pytest.raises(UserError) as error:
        ending_for(format, PNG, np.dtype(dtype), channels)
    assert str(error.value).startswith(said) and "give --format tiff or --format npy" in str(error.value)
    path = tmp_path / f"x.{FORMATS[format].ending}"
    with pytest.raises(UserError, match="give --format tiff or --format npy") as error:
        write_picture(path, Picture(values(dtype, channels), PNG))
    assert str(path) in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending, side", [("jpg", 65501), ("webp", 16384), ("avif", 32769), ("gif", 65536),
                                          ("nii", 32768)])
def test_a_side_that_a_format_cannot_hold_is_said(tmp_path, ending, side):
    picture = Picture(np.zeros((side, 1, 1 if ending in ("gif", "nii") else 3), np.uint8), PNG)
    with pytest.raises(UserError, match=f"{ending} holds at most {side - 1} pixels a side, found 1x{side}; give --for"):
        write_picture(tmp_path / f"x.{ending}", picture)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"x\.xcf: no picture is written with this ending. Known: png, tif,"):
        write_picture(tmp_path / "x.xcf", Picture(values("uint8", 3), PNG))


@pytest.mark.parametrize("format, origin, dtype, channels, ending", [
    ("auto", "PNG", "uint16", 1, "png"), ("auto", "PNG", "uint16", 3, "png"), ("auto", "PNG", "uint16", 2, "tif"),
    ("auto", "PNG", "float32", 1, "tif"), ("auto", "TIFF", "uint16", 1, "tif"), ("auto", "NPY", "int16", 13, "npy"),
    ("auto", "JPEG", "uint8", 3, "png"), ("as_input", "JPEG", "uint8", 3, "jpg"),
    ("as_input", "JPEG", "uint16", 3, "png"), ("as_input", "DICOM", "int16", 1, "tif"),
    ("as_input", "NIFTI", "int16", 1, "nii.gz"), ("as_input", "WEBP", "uint8", 1, "png"),
    ("auto", "PNG", "uint8", 4, "tif"), ("tiff", "PNG", "uint8", 3, "tif"), ("npy", "TIFF", "uint8", 3, "npy"),
])
def test_the_ending_follows_the_input_as_far_as_its_format_goes(format, origin, dtype, channels, ending):
    assert ending_for(format, Origin(origin), np.dtype(dtype), channels) == ending


def test_a_tiff_keeps_resolution_geo_tags_and_no_data(tmp_path):
    tags = {33550: (10.0, 10.0, 0.0), 33922: (0.0, 0.0, 0.0, 399960.0, 4300020.0, 0.0),
            34735: (1, 1, 0, 1, 1024, 0, 1, 1), 34736: (1.5,), 34737: "WGS 84|"}
    given = values("float32", 2)
    given[0, 0] = -9999
    write_picture(tmp_path / "x.tif", Picture(given, Origin("TIFF", (300.0, 150.0), tags), -9999.0))
    with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
        found = tiff.pages[0].tags
        assert {number: found[number].value for number in tags} == tags
        assert found[42113].value == "-9999"
        assert (found[282].value, found[283].value, found[296].value) == ((300, 1), (150, 1), 2)
        assert 270 not in found and 305 not in found  # nothing that the user did not say


def test_a_png_keeps_the_resolution(tmp_path):
    for dtype, channels in product(("uint8", "uint16"), (1, 3, 4)):
        write_picture(tmp_path / "x.png", Picture(values(dtype, channels), Origin("TIFF", (300.0, 150.0))))
        assert Image.open(tmp_path / "x.png").info["dpi"] == pytest.approx((300, 150), abs=0.1)
        np.testing.assert_array_equal(read_picture(tmp_path / "x.png").values, values(dtype, channels))


def test_a_nifti_file_keeps_the_affine(tmp_path):
    affine = np.array([[2, 0, 0, -90], [0, 2, 0, -126], [0, 0, 3, 12], [0, 0, 0, 1.0]])
    write_picture(tmp_path / "x.nii.gz", Picture(values("int16", 1), Origin("NIFTI", None, {"affine": affine})))
    np.testing.assert_array_equal(nibabel.load(tmp_path / "x.nii.gz").affine, affine)


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_slices_become_a_volume(tmp_path, ending):
    affine = np.diag([0.5, 0.5, 2.0, 1.0])
    slices = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5, 1)
    pictures = [Picture(one, Origin("NIFTI", tags={"affine": affine})) for one in slices]
    write_pages(tmp_path / f"x.{ending}", pictures, 3)
    volume = nibabel.load(tmp_path / f"x.{ending}")
    np.testing.assert_array_equal(np.asanyarray(volume.dataobj), slices[..., 0].transpose(2, 1, 0))
    np.testing.assert_array_equal(volume.affine, affine)
    with pytest.raises(UserError, match="have one size"):
        write_pages(tmp_path / f"y.{ending}", [pictures[0], Picture(slices[0, :2], Origin("NIFTI"))], 2)
    with pytest.raises(UserError, match="only TIFF and NIfTI hold several pages"):
        write_pages(tmp_path / "x.png", pictures, 3)


def test_large_pictures_have_offsets_of_64_bits(tmp_path, monkeypatch):
    picture = Picture(values("uint16", 2), PNG)
    for limit, big in ((writing.CLASSIC_TIFF, False), (10, True)):
        monkeypatch.setattr(writing, "CLASSIC_TIFF", limit)
        write_picture(tmp_path / "x.tif", picture)
        with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
            assert tiff.is_bigtiff is big
            np.testing.assert_array_equal(tiff.asarray(), picture.values)


def test_the_file_before_stays_where_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(b"before")
    monkeypatch.setattr(writing.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(UserError, match=r"16-bit colours need the package imagecodecs .* pip install .\[formats\]"):
        write_picture(path, Picture(values("uint16", 3), PNG))
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_every_type_of_nifti_is_one_of_all():
    assert set(NIFTI) < set(ANY_TYPE)


@pytest.mark.parametrize("ending, dtype, channels", [("tif", "uint16", 4), ("tif", "uint8", 2), ("png", "uint8", 4)])
def test_transparency_stays_transparency(tmp_path, ending, dtype, channels):
    path = tmp_path / f"x.{ending}"
    write_picture(path, Picture(values(dtype, channels), Origin("PNG", alpha=True)))
    found = read_picture(path)
    assert found.origin.alpha
    np.testing.assert_array_equal(found.values, values(dtype, channels))
    assert ending_for("auto", found.origin, np.dtype(dtype), channels) == ending
    write_picture(tmp_path / "bands.tif", Picture(values(dtype, channels), Origin("TIFF")))
    assert not read_picture(tmp_path / "bands.tif").origin.alpha


@pytest.mark.parametrize("ending, dtype, channels", EXACT)
def test_what_is_written_is_what_our_own_reading_gives(tmp_path, ending, dtype, channels):
    if (ending in ("webp", "png") and channels in (2, 4)) or ending in ("nii.gz", "gif"):
        return
    given = Picture(values(dtype, channels, 20, 30), Origin("TIFF", (72.0, 72.0)), 7.0)
    write_picture(tmp_path / f"x.{ending}", given)
    found = read_picture(tmp_path / f"x.{ending}")
    assert found.values.dtype == given.values.dtype
    np.testing.assert_array_equal(found.values, given.values)
    if ending == "tif":
        assert (found.origin, found.no_data) == (given.origin, 7.0)
