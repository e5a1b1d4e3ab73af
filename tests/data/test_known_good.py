"""Files that were found good are not opened again until they change."""
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

import data.check
from data import known_good
from data.check import check_images
from data.folders import list_images
from data.integrity import Look
from data.known_good import KnownGood
from data.loader import Loader
from data.paths import Paths
from data.per_file import PerFile
from data.sampler import EpochSampler
from data.scaled import ImageFile, ImageFiles
from helpers.images import write_image
from helpers.loading import open_on
from raster import reading
from runs.stop import StopRequest
from util.errors import UserError


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The names of files that the check opens, which is always worth remembering; a cache folder of its own."""
    monkeypatch.setattr(data.check, "WORTH", -1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: list[str] = []
    family = reading.family
    monkeypatch.setattr("data.integrity.family", lambda path: names.append(path.name) or family(path))
    yield names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images of which the dates are past."""
    for number in range(1, 9):
        past(write_image(tmp_path / "images/train" / f"{number}.png", 64, 32, seed=number))
    return tmp_path / "images"


def past(path: Path, seconds: float = 100) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def start(root: Path, line: str = "") -> Loader:
    return open_on(root, f"--model pix2pix {line}")


def test_the_second_start_opens_no_file_and_gives_the_same(folder: Path, opened: list[str]):
    first = start(folder)
    assert sorted(opened) == [f"{number}.png" for number in range(1, 9)]
    opened.clear()
    again = start(folder)
    assert opened == [] and again.notices == first.notices and again.least_side == first.least_side
    assert dict(again.dataset.ranges) == dict(first.dataset.ranges)
    (memory,) = (folder.parent / "cache/bothways/good_images").iterdir()
    assert memory.stat().st_size < 4000


def test_what_changed_is_opened_again(folder: Path, opened: list[str]):
    start(folder)
    opened.clear()
    past(write_image(folder / "train/3.png", 66, 32), 50)  # another size and date
    past(folder / "train/4.png", 60)  # another date
    past(write_image(folder / "train/9.png", 64, 32))  # a new one
    (folder / "train/5.png").rename(folder / "train/6.png")  # another file by that name
    start(folder)
    assert sorted(opened) == ["3.png", "4.png", "6.png", "9.png"]
    opened.clear()
    content = (folder / "train/7.png").read_bytes()
    date = (folder / "train/7.png").stat().st_mtime_ns
    (folder / "train/7.png").write_bytes(bytes(len(content)))
    os.utime(folder / "train/7.png", ns=(date, date))  # the same size and date; but that of the change itself
    with pytest.raises(UserError, match=r"1 of 8 images are bad:\n.*/7.png cannot be read as an image"):
        start(folder)
    assert opened == ["7.png"]


def test_bad_files_are_looked_at_at_each_start(folder: Path, opened: list[str]):
    past(folder / "train/2.png").write_text("no image")
    past(folder / "train/2.png")
    said = start(folder, "--skip_bad_images").notices
    opened.clear()
    assert start(folder, "--skip_bad_images").notices == said and "1 bad images are left out" in said[0]
    assert opened == ["2.png"]
    with pytest.raises(UserError, match="1 of 8 images are bad"):
        start(folder)


def test_more_pixels_than_allowed_are_found_though_remembered(folder: Path, opened: list[str]):
    start(folder)
    with pytest.raises(UserError, match="8 of 8 images are bad"):
        start(folder, "--max_pixels 2000")


def test_a_file_written_just_now_is_not_remembered(folder: Path, opened: list[str]):
    write_image(folder / "train/8.png", 64, 32)
    start(folder)
    opened.clear()
    start(folder)
    assert opened == ["8.png"]


@pytest.mark.parametrize("processes", [False, True])
def test_what_an_interrupted_check_found_is_kept(folder: Path, opened: list[str], monkeypatch, processes: bool):
    monkeypatch.setattr(data.check, "CHUNK", 2)
    if processes:
        monkeypatch.setattr(data.check, "FEW", 0)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
    place, met = KnownGood.place, []

    def interrupt(known: KnownGood, look: Look) -> int:
        met.append(look)
        if len(met) == 6:
            raise KeyboardInterrupt
        return place(known, look)
    monkeypatch.setattr(KnownGood, "place", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start(folder)
    monkeypatch.setattr(KnownGood, "place", place)
    monkeypatch.setattr(data.check, "FEW", 4096)
    opened.clear()
    start(folder)
    assert sorted(opened) == ["6.png", "7.png", "8.png"]


def test_in_several_processes_the_same_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "train/2.png").write_text("no image")
    one = start(folder, "--skip_bad_images")
    monkeypatch.setattr(data.check, "FEW", 0)
    monkeypatch.setattr(data.check, "CHUNK", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    many = start(folder, "--skip_bad_images")
    assert many.notices == one.notices and many.dataset.files() == one.dataset.files()


@pytest.mark.parametrize("damage", [
    lambda content: content[:len(content) // 2], lambda content: b"", lambda content: b"no archive",
    lambda content: content.replace(content[300:304], b"????")])
def test_a_damaged_memory_is_as_none(folder: Path, opened: list[str], damage: Callable[[bytes], bytes]):
    start(folder)
    (memory,) = (folder.parent / "cache/bothways/good_images").iterdir()
    memory.write_bytes(damage(memory.read_bytes()))
    opened.clear()
    start(folder)
    assert len(opened) == 8
    opened.clear()
    start(folder)
    assert opened == []


def test_a_cache_that_cannot_be_written_stops_nothing(folder: Path, opened: list[str]):
    (folder.parent / "cache").write_text("a file")
    for _ in range(2):
        opened.clear()
        assert len(start(folder).dataset) == 8 and len(opened) == 8


def test_every_fact_is_remembered(tmp_path: Path, opened: list[str]):
    big = np.full((8, 8), 2**63 + 7, np.uint64)
    values = {"1.tif": np.float32([[0.1, 3], [np.nan, -2]]), "2.tif": big, "3.tif": np.int16([[-3, 700]])}
    for name, array in values.items():
        tifffile.imwrite(tmp_path / name, array, photometric="minisblack")
        past(tmp_path / name)
    line = "--dataset_mode single --preprocess none --input_range float32:-1,1"
    looks = [dict(check_images(open_on(tmp_path, line, needs=("A",)).dataset, False)[0]) for _ in range(2)]
    assert looks[0] == looks[1] and looks[1][tmp_path / "2.tif"].least == 2**63 + 7
    assert len(opened) == 3 and looks[1][tmp_path / "1.tif"].void


def test_what_is_gone_is_forgotten_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(known_good, "SPARE", 2)
    marks = np.arange(2, 22, dtype=np.uint64).reshape(10, 2)
    for part in (marks[:2], marks[2:4], marks[4:]):
        known = KnownGood(tmp_path, 100)
        known.save(part, np.full(len(part), known.place(Look((3, 3)))))
    known = KnownGood(tmp_path, 100)
    assert (known.find(marks) >= 0).all()
    known.save(marks[:1], np.array([known.place(Look((4, 4)))]))
    known = KnownGood(tmp_path, 100)
    assert known.find(marks).tolist() == [0] + [-1] * 9 and list(known.looks) == [Look((4, 4))]
    assert (KnownGood(tmp_path, 101).find(marks) == -1).all()


def test_what_comes_after_the_last_save_in_between_is_kept_too(folder: Path, opened: list[str], monkeypatch):
    monkeypatch.setattr(data.check, "CHUNK", 3)
    monkeypatch.setattr(data.check, "SAVED_EVERY", -1.0)
    monkeypatch.setattr(data.check, "WORTH", 0.0)
    save, kept = KnownGood.save, []
    monkeypatch.setattr(KnownGood, "save", lambda *args: (save(*args), kept.append((args[2] >= 0).sum())))
    start(folder)
    assert kept == [3, 6, 8, 8]
    opened.clear()
    start(folder)
    assert opened == []


# What stands behind it

def test_the_order_is_that_of_words_and_numbers(tmp_path: Path):
    def words(name: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", name.lower())
        return [(int(part), part) if part.isdecimal() else (0, part) for part in parts] + [(0, name)]
    rng = random.Random(0)
    names = {"".join(rng.choices(["0", "1", "2", "10", "07", "a", "B", "b", "-", "_", " ", "é", "²", "٣", "x/"],
                                 k=rng.randint(1, 7))).strip("/") + ".png" for _ in range(1500)}
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)] == sorted(names, key=words)


@pytest.mark.parametrize(("length", "skip", "processes", "batch", "shared"), [
    (10, 0, 1, 1, False), (10, 4, 1, 3, False), (10, 3, 2, 2, False), (5, 4, 3, 4, False), (7, 0, 2, 1, True)])
def test_the_order_of_samples_is_that_of_a_shuffled_list(monkeypatch: pytest.MonkeyPatch, length: int, skip: int,
                                                         processes: int, batch: int, shared: bool):
    source, order = random.Random("7 3"), list(range(length))
    source.shuffle(order)
    keys = [(index, source.getrandbits(63)) for index in order]
    left = keys[skip:]
    size = batch * processes
    filled = left + (keys * size)[:-len(left) % size]
    for rank in range(processes):
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        monkeypatch.setenv("RANK", str(rank))
        sampler = EpochSampler(length, 7, True, batch)
        sampler.choose(3, length, skip, shared)
        own = left[rank::processes] if shared or processes == 1 else [
            key for begin in range(rank * batch, len(filled), size) for key in filled[begin:begin + batch]]
        assert list(sampler) == own and len(sampler) == len(own)


def test_paths_are_a_sequence(tmp_path: Path):
    listed = [Path("a/ä.png"), Path("b.png"), Path("c d/\udcff.png"), Path("b.png")]
    paths = Paths.of(listed)
    assert paths == listed and list(paths) == listed and paths[-2] == listed[2] and paths[1:3] == listed[1:3]
    assert paths.unique() == listed[:3] and listed[2] in paths and Path("c") not in paths
    assert paths.without({Path("b.png"), Path("z")}) == [listed[0], listed[2]]
    assert (paths + Paths.of(["x"])).find(Paths.of([Path("x"), Path("y"), listed[2]])).tolist() == [4, -1, 2]
    assert Paths.of([]).find(paths).tolist() == [-1] * 4 and not Paths.of([])


def test_a_value_for_each_file():
    found = {Path("a"): 1, Path("b"): 2, Path("c"): 1}
    values = PerFile.of(found)
    assert dict(values.items()) == found and list(values.values()) == [1, 2, 1] and values[Path("b")] == 2
    assert values.get(Path("z")) is None and values.counts() == {1: 2, 2: 1}
    assert values.firsts() == {1: Path("a"), 2: Path("b")}
    assert dict(values.where(lambda value: value == 1)) == {Path("a"): 1, Path("c"): 1}
    assert values.map(lambda value: 0).counts() == {0: 3}
    files = ImageFiles.of([ImageFile(Path("a"), (3,)), ImageFile(Path("b"), (1, 3))])
    assert list(files + files) == [*files, *files] and files[1] == ImageFile(Path("b"), (1, 3))


def test_ctrl_c_before_the_first_step_stops_at_once():
    with StopRequest() as stop:
        with pytest.raises(KeyboardInterrupt, match="not checked again"), stop.before_the_first_step():
            signal.raise_signal(signal.SIGINT)
        assert not stop.signal
        signal.raise_signal(signal.SIGINT)  # from then on the step is finished
        stop.check()
        assert stop.reason == "SIGINT"
