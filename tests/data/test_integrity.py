"""What is found out of a file before the first step: type, channels, least and largest value, missing ones."""
from pathlib import Path

import numpy as np
import pytest
import tifffile

from data import integrity
from data.integrity import Look, inspect_image
from helpers.images import write_image
from helpers.pictures import write_dicom, write_nifti

FLOATS = np.array([[1.5, -2.5, np.nan], [np.inf, 8, -9999]], np.float32)


def write(path: Path, values: np.ndarray, **how: object) -> Path:
    tifffile.imwrite(path, values, **{"photometric": "minisblack"} | how)
    return path


@pytest.mark.parametrize("how", [{}, {"compression": "lzw"}, {"tile": (16, 16)}, {"tile": (16, 16), "byteorder": ">"},
                                 {"compression": "zstd", "tile": (16, 16)}, {"rowsperstrip": 7}])
def test_values_of_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict):
    monkeypatch.setattr(integrity, "PIECE", 100)  # values at once
    values = np.random.default_rng(0).integers(-500, 501, (37, 41), np.int16)
    values[0, 0], values[-1, -1] = -700, 900
    path = write(tmp_path / "1.tif", values, **how)
    expected = Look((41, 37), 1, 1, np.dtype(np.int16), False, False, -700, 900, False)
    assert inspect_image(path) == expected
    write(path, values, extratags=[(42113, "s", 0, "900", True)], **how)
    assert inspect_image(path) == expected._replace(largest=values[values < 900].max(), void=True)


def test_floats_that_are_no_numbers_do_not_count(tmp_path: Path):
    path = write(tmp_path / "1.tif", FLOATS)
    assert inspect_image(path)[-3:] == (-9999, 8, True)
    write(path, FLOATS, extratags=[(42113, "s", 0, "-9999", True)])
    assert inspect_image(path)[-3:] == (-2.5, 8, True)
    np.save(tmp_path / "1.npy", FLOATS[:, :2])
    assert inspect_image(tmp_path / "1.npy")[-3:] == (-2.5, 8, False)
    np.save(tmp_path / "2.npy", FLOATS[:1, 2:])
    assert inspect_image(tmp_path / "2.npy")[-3:] == (None, None, True)


def test_of_8_bits_only_what_is_missing_is_asked_for(tmp_path: Path):
    values = np.full((8, 9, 3), 7, np.uint8)
    path = write(tmp_path / "1.tif", values, photometric="rgb")
    assert inspect_image(path) == Look((9, 8))
    for said, void in (("7", True), ("0", False)):
        write(path, values, photometric="rgb", extratags=[(42113, "s", 0, said, True)])
        assert inspect_image(path) == Look((9, 8), void=void)


def test_every_family(tmp_path: Path):
    values = np.arange(-6, 6, dtype=np.int16).reshape(3, 4)
    np.savez(tmp_path / "1.npz", values)
    write_nifti(tmp_path / "1.nii.gz", values.T)
    write_dicom(tmp_path / "1.dcm", values)
    for name in ("1.npz", "1.nii.gz", "1.dcm"):
        assert inspect_image(tmp_path / name) == Look((4, 3), 1, 1, np.dtype(np.int16), False, False, -6, 5, False)
    write_image(tmp_path / "1.png", 9, 8)
    assert inspect_image(tmp_path / "1.png") == Look((9, 8))


def test_opacity_is_no_value(tmp_path: Path):
    values = np.full((5, 5, 4), 100, np.uint16)
    values[..., 3] = 65535
    path = write(tmp_path / "1.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    assert inspect_image(path) == Look((5, 5), 1, 4, np.dtype(np.uint16), True, False, 100, 100, False)


def test_pages_are_looked_at_each_by_itself(tmp_path: Path):
    write(tmp_path / "1.tif", np.arange(3, dtype=np.uint16)[:, None, None] * np.ones((1, 8, 8), np.uint16) * 100)
    assert [inspect_image(tmp_path / f"1.p{page}.tif")[:2] for page in (1, 2, 3)] == [((8, 8), 3)] * 3
    assert [inspect_image(tmp_path / f"1.p{page}.tif").largest for page in (1, 2, 3)] == [0, 100, 200]
