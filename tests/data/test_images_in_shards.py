"""Images in tar shards: all that holds for folders holds for them."""
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

import data.check
from data.folders import NoImages
from data.integrity import inspect_image
from data.layouts import doubt_one_pile
from data.loader import Loader
from data.shard_looks import as_values
from helpers.images import write_image
from helpers.loading import equal, names, open_on
from helpers.tars import png, write_tar
from pages.pictures import result_names
from raster.reading import read_header, read_picture
from shards import index
from shards.index import BrokenShard, index_path, scan
from util.errors import UserError

PAIRS = "--model pix2pix"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two shards of three pairs each, the second ones of the same names, and a file that is no image."""
    for shard in range(2):
        files = {f"{key}.{side}.png": png(10 * shard + 2 * key + (side == "b")) for key in range(3) for side in "ab"}
        write_tar(tmp_path / "pairs" / f"train-{shard:06d}.tar", {**files, "0.txt": b"label"})
    return tmp_path / "pairs"


def as_folders(root: Path) -> Path:
    """The pairs of both shards as files in folders."""
    for shard in range(2):
        for key in range(3):
            for side in "ab":
                path = root / "train" / side.upper() / f"{shard}{key}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(10 * shard + 2 * key + (side == "b")))
    return root


def pixels(loader: Loader, epoch: int = 1, skip: int = 0) -> list[dict]:
    return [{side: batch[side] for side in "AB"} for batch in loader.epoch(epoch, skip)]


@pytest.mark.parametrize("line", ["", "--direction BtoA", "--cache ram", "--batch_size 2 --num_threads 2"])
def test_pairs_are_those_of_folders(pairs: Path, tmp_path: Path, line: str):
    shards, folders = (open_on(root, f"{PAIRS} --serial_batches {line}")
                       for root in (pairs, as_folders(tmp_path / "folders")))
    assert equal(pixels(shards), pixels(folders)) and len(pixels(shards)) == 6 // shards.batch_size
    assert any("2 of 14 files in the 2 shards" in notice and "2 .txt" in notice for notice in shards.notices)
    assert names(shards.epoch(1), "A")[0][0].endswith(".b" if "BtoA" in line else ".a")


def test_an_epoch_goes_on_in_its_middle_with_any_number_of_workers(pairs: Path):
    whole = pixels(open_on(pairs, f"{PAIRS} --batch_size 2"), 3)
    assert equal(pixels(open_on(pairs, f"{PAIRS} --batch_size 2 --num_threads 2"), 3, skip=2), whole[1:])


def test_the_cache_on_disk_is_found_again(pairs: Path, tmp_path: Path):
    line = f"{PAIRS} --cache disk --checkpoints_dir {tmp_path / 'runs'}"
    first = open_on(pairs, line)
    filled = pixels(first)
    again = open_on(pairs, line)
    assert any("12 of 12 files were there" in notice for notice in again.notices)
    assert equal(pixels(again), filled)


def test_two_sets_of_shards_are_two_piles(tmp_path: Path):
    for number, side in enumerate("AB"):
        write_tar(tmp_path / f"train{side}-000000.tar", {f"{at}.png": png(10 * number + at) for at in range(3)})
    by_folder = open_on(tmp_path, "--model cycle_gan --serial_batches")
    by_pattern = open_on(Path(f"{tmp_path}/train{{A,B}}-000000.tar"), "--model cycle_gan --serial_batches")
    assert names(by_folder.epoch(1)) == [["0"], ["1"], ["2"]] and equal(pixels(by_folder), pixels(by_pattern))
    assert {Path(batch["B_paths"][0]).parent.name for batch in by_folder.epoch(1)} == {"trainB-000000.tar"}
    with pytest.raises(NoImages, match="look like unpaired shards"):
        open_on(tmp_path, PAIRS)


def test_files_with_both_sides_and_colour_images_and_single_ones(tmp_path: Path):
    write_tar(tmp_path / "train.tar", {f"{at}.png": png(at, 64, 32) for at in range(3)})
    assert open_on(tmp_path, PAIRS).images == 3
    assert open_on(tmp_path / "train.tar", "--model colorization", needs=("A", "B")).images == 3
    single = open_on(tmp_path / "train.tar", "--model test --dataset_mode single --max_dataset_size 2", False, ("A",))
    assert single.images == 2


def test_a_bad_picture_is_left_out_by_its_name_and_a_broken_shard_never(pairs: Path):
    broken = write_tar(pairs / "train-000002.tar", {"7.a.png": png(7)[:200], "7.b.png": png(8), "8.a.png": png(1),
                                                    "8.b.png": png(2)})
    with pytest.raises(UserError, match=r"train-000002\.tar/7\.a\.png cannot be read"):
        open_on(pairs, PAIRS)
    loader = open_on(pairs, f"{PAIRS} --skip_bad_images")
    assert loader.images == 7 and any("train-000002.tar/7.a.png" in notice for notice in loader.notices)
    os.truncate(broken, 3000)
    with pytest.raises(BrokenShard, match=r"train-000002\.tar cannot be read"):
        open_on(pairs, f"{PAIRS} --skip_bad_images")
    with pytest.raises(BrokenShard, match=r"train-000002\.tar cannot be read: .*start again"):
        list(loader.epoch(1))


def test_the_second_start_opens_no_picture(pairs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data.check, "WORTH", -1.0)
    first = open_on(pairs, PAIRS)
    index.forget(list(pairs.iterdir()))
    monkeypatch.setattr(data.check, "inspect_image", lambda *_: pytest.fail("a picture was opened"))
    assert equal(pixels(open_on(pairs, PAIRS)), pixels(first))
    monkeypatch.undo()
    with pytest.raises(UserError, match="more than --max_pixels 1000"):
        open_on(pairs, f"{PAIRS} --max_pixels 1000")


def test_an_index_that_says_what_pictures_are_is_believed_at_the_first_start(pairs: Path,
                                                                             monkeypatch: pytest.MonkeyPatch):
    for shard in pairs.glob("*.tar"):
        values = [as_values(inspect_image(shard / "0.a.png"))]
        which = np.zeros(len(scan(shard)), np.int32)
        scan(shard).with_values(values, which).write(index_path(shard))
    index.forget(list(pairs.iterdir()))
    monkeypatch.setattr(data.check, "inspect_image", lambda *_: pytest.fail("a picture was opened"))
    assert open_on(pairs, PAIRS).images == 6


def test_deep_pictures_have_the_values_of_their_files(tmp_path: Path):
    deep = np.random.default_rng(0).integers(0, 4096, (32, 32), np.uint16)
    files = {"a.tif": tmp_path / "a.tif", "b.npy": tmp_path / "b.npy", "c.tif": tmp_path / "c.tif"}
    tifffile.imwrite(files["a.tif"], deep)
    np.save(files["b.npy"], deep.astype(np.float32))
    tifffile.imwrite(files["c.tif"], np.stack([deep, deep + 1]), photometric="minisblack", compression="zlib")
    colour = np.random.default_rng(1).integers(0, 65536, (8, 8, 3), np.uint16)
    files["d.ppm"] = tmp_path / "d.ppm"
    files["d.ppm"].write_bytes(b"P6 8 8 65535\n" + colour.astype(">u2").tobytes())
    files["e.npz"] = tmp_path / "e.npz"
    np.savez(files["e.npz"], one=deep, two=deep + 1)
    shard = write_tar(tmp_path / "x.tar", files)
    for name, path in files.items():
        for page in ("", ".p2") if name in ("c.tif", "e.npz") else ("",):
            stem, ending = name.split(".")
            found, expected = (read_picture(place / f"{stem}{page}.{ending}") for place in (shard, tmp_path))
            assert found.values.dtype == expected.values.dtype and (found.values == expected.values).all()
        assert inspect_image(shard / name) == inspect_image(path)
    loader = open_on(shard, "--model test --dataset_mode single --input_nc 1 --preprocess none --max_dataset_size 1",
                     False, ("A",))
    assert loader.dataset.range_of(shard / "a.tif").dtype == "uint16"
    every = open_on(write_tar(tmp_path / "y.tar", {"c.tif": files["c.tif"]}),
                    "--model test --dataset_mode single --input_nc 1 --preprocess none --page all", False, ("A",))
    assert names(every.epoch(1)) == [["c.p1"], ["c.p2"]]


def test_medical_formats_and_deep_png(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    imagecodecs = pytest.importorskip("imagecodecs")
    volume = np.random.default_rng(0).integers(0, 900, (9, 8, 3)).astype(np.int16)
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / name)
    nibabel.save(nibabel.Nifti2Image(volume, np.eye(4)), tmp_path / "b.nii")
    (tmp_path / "c.png").write_bytes(imagecodecs.png_encode(np.arange(192, dtype=np.uint16).reshape(8, 8, 3) * 300))
    listed = ("a.nii", "a.nii.gz", "b.nii", "c.png")
    shard = write_tar(tmp_path / "x.tar", {name: tmp_path / name for name in listed})
    for name in listed:
        assert (read_picture(shard / name).values == read_picture(tmp_path / name).values).all()
    assert (read_picture(shard / "a.p3.nii.gz").values[..., 0] == volume[..., 2].T).all()
    assert read_header(shard / "a.nii.gz").pages == 3


def test_results_are_called_by_their_samples(tmp_path: Path):
    one, two = tmp_path / "d/t-0.tar", tmp_path / "d/t-1.tar"
    assert list(result_names([one / "a/town.a.png", one / "b.png"]).values()) == ["a/town", "b"]
    assert list(result_names([one / "x.png", two / "x.png"]).values()) == ["t-0/x", "t-1/x"]
    assert list(result_names([one / "x.a.png", one / "x.b.png"]).values()) == ["x.a.png", "x.b.png"]


def test_pairs_without_partner_and_without_sense_are_told(tmp_path: Path):
    write_tar(tmp_path / "train-0.tar", {"1.a.png": png(1), "1.b.png": png(2), "2.a.png": png(3), "3.png": png(4)})
    notices = open_on(tmp_path, PAIRS).notices
    assert any("2 images have no partner in their shard" in notice and "2.a.png" in notice for notice in notices)
    write_tar(tmp_path / "twice/train-0.tar", {"1.a.png": png(1), "1.a.jpg": png(1), "1.b.png": png(2)})
    with pytest.raises(UserError, match=r"not clear which of these are a pair: .*1\.a\.png and .*1\.a\.jpg"):
        open_on(tmp_path / "twice", PAIRS)


def test_where_no_images_are_found_it_says_what_was(tmp_path: Path):
    write_tar(tmp_path / "photos-0.tar", {"1.png": png(1)})
    with pytest.raises(NoImages, match=r"1 shards called photos(.|\n)*train-000000\.tar, \.\.\.   shards of"):
        open_on(tmp_path, PAIRS)
    write_tar(tmp_path / "val-0.tar", {"1.png": png(1, 64)})
    with pytest.raises(NoImages, match=r"Did you mean --phase val"):
        open_on(tmp_path, PAIRS)
    with pytest.raises(NoImages, match="no images for this dataset in the shards"):
        open_on(write_tar(tmp_path / "x/texts.tar", {"1.txt": b"1"}), PAIRS)


def test_images_beside_shards_are_read_instead(tmp_path: Path):
    write_image(tmp_path / "train/1.png", 64, 32)
    write_tar(tmp_path / "train/x.tar", {"2.png": png(2, 64)})
    write_tar(tmp_path / "train-0.tar", {"2.png": png(2, 64)})
    assert names(open_on(tmp_path, PAIRS).epoch(1)) == [["1"]]


def test_one_pile_of_pairs_is_doubted(pairs: Path, tmp_path: Path):
    assert "KEY.a.png" in doubt_one_pile(pairs, "train")
    for side in "AB":
        write_tar(tmp_path / "two" / f"train{side}-0.tar", {"1.png": png(1)})
    assert "trainA-*.tar" in doubt_one_pile(tmp_path / "two", "test")
    assert doubt_one_pile(tmp_path / "two/trainA-0.tar", "test") == ""
    wide = write_tar(tmp_path / "wide.tar", {"1.png": png(1, 64, 32)})
    assert "twice as wide as high" in doubt_one_pile(wide, "test")
