"""Parts of pictures: what is read is what whole reading gives, what is written is what others read."""
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from raster.picture import Origin
from raster.reading import read_picture
from raster.region_reading import open_region_reader
from raster.region_writing import open_region_writer, partial_of
from util.errors import UserError

BOXES = ((0, 0, 61, 83), (0, 0, 61, 1), (17, 30, 1, 53), (60, 82, 1, 1), (15, 15, 18, 34), (31, 0, 5, 83))
LAYOUTS = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "other byte order": {"byteorder": ">"},
    "tiles": {"tile": (16, 32)},
    "BigTIFF": {"bigtiff": True, "tile": (32, 16)},
    "deflated tiles": {"tile": (16, 16), "compression": "zlib", "predictor": True},
    "deflated strips": {"rowsperstrip": 5, "compression": "zlib"},
    "planes": {"planarconfig": "separate"},
    "deflated planes": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
}


def values(channels: int, dtype: str, height: int = 61, width: int = 83) -> np.ndarray:
    drawn = np.random.default_rng(channels).random((height, width, channels)) * 250
    return drawn.astype(dtype) if dtype != "uint16" else (drawn * 257).astype(dtype)


def write_tiff(path: Path, array: np.ndarray, **how: object) -> Path:
    if array.shape[2] > 1 and "planarconfig" not in how:
        how["planarconfig"] = "contig"
    elif "planarconfig" in how:
        array = np.moveaxis(array, 2, 0)
    tifffile.imwrite(path, array if array.shape[2] > 1 else array[..., 0],
                     photometric="rgb" if 3 in array.shape else "minisblack", **how)
    return path


def assert_parts_are_those_of(path: Path, whole: np.ndarray) -> None:
    with open_region_reader(path, max_pixels=1) as reader:
        assert reader.size == whole.shape[1::-1] and reader.channels == whole.shape[2] and reader.dtype == whole.dtype
        for top, left, height, width in BOXES:
            part = reader.read(top, left, height, width)
            assert part.dtype == whole.dtype and part.dtype.isnative
            np.testing.assert_array_equal(part, whole[top:top + height, left:left + width])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (5, "uint16"), (2, "float32")])
def test_parts_of_a_tiff_are_those_of_the_whole(tmp_path: Path, layout: str, channels: int, dtype: str):
    path = write_tiff(tmp_path / "a.tif", whole := values(channels, dtype), **LAYOUTS[layout])
    assert_parts_are_those_of(path, whole)
    np.testing.assert_array_equal(read_picture(path).values, whole)


def test_gray_and_jpeg_compressed_tiles(tmp_path: Path):
    gray = values(1, "uint16")
    assert_parts_are_those_of(write_tiff(tmp_path / "gray.tif", gray, tile=(16, 16)), gray)
    jpeg = write_tiff(tmp_path / "jpeg.tif", values(3, "uint8"), tile=(32, 32), compression="jpeg")
    assert_parts_are_those_of(jpeg, read_picture(jpeg).values)


def test_tiles_that_are_not_stored_are_zero(tmp_path: Path):
    path = tmp_path / "sparse.tif"
    tiles = (np.full((16, 16), 7, "u1") if number == 0 else None for number in range(24))
    tifffile.imwrite(path, tiles, shape=(61, 83), dtype="u1", tile=(16, 16), compression="zlib")
    whole = np.zeros((61, 83, 1), "u1")
    whole[:16, :16] = 7
    assert_parts_are_those_of(path, whole)


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "int16"), (4, ">f4")])
def test_parts_of_an_array(tmp_path: Path, channels: int, dtype: str):
    whole = values(channels, dtype)
    np.save(tmp_path / "a.npy", whole if channels > 1 else whole[..., 0])
    assert_parts_are_those_of(tmp_path / "a.npy", whole.astype(whole.dtype.newbyteorder("=")))
    np.save(tmp_path / "b.npy", np.ascontiguousarray(np.moveaxis(whole, 2, 0)))
    assert_parts_are_those_of(tmp_path / "b.npy", whole.astype(whole.dtype.newbyteorder("=")))


def test_the_second_page(tmp_path: Path):
    pages = [values(1, "uint8")[..., 0] + page for page in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False, metadata=None)
    assert_parts_are_those_of(tmp_path / "a.p2.tif", pages[1][..., None])


def test_other_formats_are_read_whole_within_max_pixels(tmp_path: Path):
    Image.fromarray(values(3, "uint8")).save(tmp_path / "a.png")
    with open_region_reader(tmp_path / "a.png") as reader:
        np.testing.assert_array_equal(reader.read(5, 6, 7, 8), values(3, "uint8")[5:12, 6:14])
    with pytest.raises(UserError, match="--max_pixels"):
        open_region_reader(tmp_path / "a.png", max_pixels=1)


def test_a_file_that_ends_too_early_is_named(tmp_path: Path):
    path = write_tiff(tmp_path / "a.tif", values(3, "uint8"), metadata=None)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(UserError, match=r"a\.tif"), open_region_reader(path) as reader:
        reader.read(0, 0, 61, 83)


def test_a_picture_that_was_compressed_in_one_piece_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raster.region_reading.LARGEST_SEGMENT", 1000)
    path = write_tiff(tmp_path / "a.tif", values(3, "uint8"), compression="zlib", rowsperstrip=61)
    with pytest.raises(UserError, match="83x61 pixels.*TILED=YES"):
        open_region_reader(path)


def test_decoded_segments_are_kept_within_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("raster.region_reading.KEPT", 3 * 16 * 16)
    path = write_tiff(tmp_path / "a.tif", whole := values(1, "uint8"), compression="zlib", tile=(16, 16))
    assert_parts_are_those_of(path, whole)
    with open_region_reader(path) as reader:
        reader.read(0, 0, 61, 83)
        assert len(reader.kept) == 3


@pytest.mark.parametrize("no_data", [None, -9999.0])
def test_bounds_are_those_of_finite_values_with_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_data: float):
    monkeypatch.setattr("raster.region_reading.BLOCK", 16)
    whole = values(2, "float32") + 3
    whole[60, 82], whole[5, 5], whole[40, 40, 1], whole[1, 1] = (7000, 2), (np.nan, np.inf), -50, -9999
    write_parts(tmp_path / "a.tif", whole, QUARTERS, Origin("TIFF"), no_data)
    with open_region_reader(tmp_path / "a.tif") as reader:
        assert reader.bounds() == (-50 if no_data else -9999, 7000)


def write_parts(path: Path, whole: np.ndarray, boxes: list[tuple[int, int, int, int]], origin: Origin,
                no_data: float | None = None) -> None:
    writer = open_region_writer(path, whole.shape[1::-1], whole.shape[2], whole.dtype, origin, no_data)
    for top, left, height, width in boxes:
        writer.write(top, left, whole[top:top + height, left:left + width])
    assert not path.exists()
    writer.close()


QUARTERS = [(0, 0, 30, 40), (30, 40, 31, 43), (30, 0, 31, 40), (0, 40, 30, 43)]


@pytest.mark.parametrize("ending", ["tif", "npy", "TIFF"])
@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint8"), (5, "uint16"), (2, "float32")])
def test_what_was_written_in_parts_is_read_as_a_whole(tmp_path: Path, ending: str, channels: int, dtype: str):
    path, whole = tmp_path / f"a.{ending}", values(channels, dtype)
    write_parts(path, whole, QUARTERS, Origin("NPY"))
    np.testing.assert_array_equal(read_picture(path).values, whole)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_png_is_collected_and_converted_at_the_end(tmp_path: Path):
    write_parts(tmp_path / "a.png", values(3, "uint8"), QUARTERS, Origin("PNG"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), values(3, "uint8"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_resolution_geo_tags_and_no_data_are_written(tmp_path: Path):
    tags = {33550: (0.5, 0.5, 0.0), 33922: (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), 34735: (1, 1, 0, 0),
            34737: "WGS 84|"}
    write_parts(tmp_path / "a.tif", values(2, "float32"), QUARTERS, Origin("TIFF", (300, 150), tags), -9999.0)
    with open_region_reader(tmp_path / "a.tif") as reader:
        assert reader.origin.resolution == (300, 150) and reader.no_data == -9999
        assert {code: reader.origin.tags[code] for code in tags} == tags


def test_a_left_file_is_found_again(tmp_path: Path):
    path, whole = tmp_path / "a.tif", values(3, "uint8")

    def opened(size: tuple[int, int]):
        return open_region_writer(path, size, 3, np.dtype("uint8"), Origin("TIFF"))
    writer = opened((83, 61))
    assert not writer.found
    writer.write(0, 0, whole[:30])
    writer.leave()
    assert partial_of(path).exists() and not path.exists()
    writer = opened((83, 61))
    assert writer.found
    writer.write(30, 0, whole[30:])
    writer.close()
    np.testing.assert_array_equal(read_picture(path).values, whole)
    opened((83, 61)).leave()
    assert not opened((80, 61)).found  # of another size: begun anew


def test_a_large_file_is_a_big_tiff(tmp_path: Path):
    writer = open_region_writer(tmp_path / "a.tif", (70_000, 70_000), 1, np.dtype("uint8"), Origin("TIFF"))
    writer.write(69_999, 69_990, np.full((1, 10, 1), 9, np.uint8))  # 4.9 GB, of which next to nothing is on disk
    writer.close()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
    with open_region_reader(tmp_path / "a.tif") as reader:
        assert reader.read(69_998, 69_989, 2, 11).sum() == 90
