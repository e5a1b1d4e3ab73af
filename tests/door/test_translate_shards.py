"""test.py from shards and into shards: each image once, whole shards or none, the pixels of folders."""
import json
import os
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bothways
from door.shard_jobs import plan_of_many
from helpers.commands import ROOT, load_command
from helpers.forked import forked_ranks
from helpers.images import write_image
from helpers.lively import CYCLE, NOISY
from shards import copies
from shards.writing import File, write_shard
from util.errors import UserError


@pytest.fixture
def run(trained, tmp_path, capsys):
    """Translates tmp_path/`dataroot` into tmp_path/out with the noisy run; returns made, done before, unreadable."""
    trained(NOISY)

    def translate(dataroot: str, more: str = "") -> tuple[int, int, int]:
        capsys.readouterr()
        load_command("test").main(["--dataroot", str(tmp_path / dataroot), "--output", str(tmp_path / "out"), "--name",
                                   "run", "--gpu_ids", "-1", *more.split()])
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("made: ")]
        words = line.replace(",", "").split()
        return int(words[1]), int(words[words.index("before:") + 1]), int(words[-1])
    return translate


def write_images(folder: Path, count: int) -> None:
    for number in range(count):
        write_image(folder / f"{number}.png", 32, 32, seed=number)


def write_shards(folder: Path, *sets: dict[str, Path]) -> None:
    """train-000000.tar, ... with these files under these names."""
    for number, files in enumerate(sets):
        write_shard(folder / f"train-{number:06}.tar", [File(name, path.read_bytes()) for name, path in files.items()])


def dates(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}


def members(folder: Path) -> dict[str, np.ndarray]:
    """The pictures in the shards of a folder, under <shard>/<name>."""
    found = {}
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                name = f"{path.relative_to(folder).with_suffix('')}/{member.name}"
                assert name not in found
                found[name] = np.asarray(Image.open(tar.extractfile(member)))
    return found


def expected(files: dict[str, Path]) -> dict[str, np.ndarray]:
    G = bothways.load("checkpoints/run", device="cpu")
    return {name: np.asarray(G(path)) for name, path in files.items()}


@pytest.mark.parametrize(("sets", "size", "name"), [
    ({"x.tar": ["p.a.png", "p.png"]}, 0, "x/p.png"), ({"x.tar": ["p.png"], "x.TAR": ["p.png"]}, 0, "x/p.png"),
    ({"x.tar": ["p.png"], "x.TAR": ["q.png"]}, 10, "x.tar")])
def test_no_result_replaces_another(tmp_path: Path, sets: dict[str, list[str]], size: int, name: str):
    write_image(tmp_path / "one.png", 8, 8, seed=0)
    for shard, names in sets.items():
        write_shard(tmp_path / "in" / shard, [File(one, (tmp_path / "one.png").read_bytes()) for one in names])
    with pytest.raises(UserError, match=f"2 of the results would be called .*out/{name};"):
        plan_of_many(tmp_path / "in", str(tmp_path / "out"), "AtoB", size, lambda notices: None)


def test_shards_become_folders(run, tmp_path):
    write_images(tmp_path / "A", 4)
    write_images(tmp_path / "B", 4)
    A = {number: tmp_path / f"A/{number}.png" for number in range(4)}
    write_shards(tmp_path / "in", {"0.png": A[0], "sub/1.png": A[1]}, {"2.png": A[2]})
    assert run("in") == (3, 0, 0)
    made = {path.relative_to(tmp_path / "out").as_posix(): np.asarray(Image.open(path))
            for path in (tmp_path / "out").rglob("*.png")}
    np.testing.assert_equal(made, expected({"train-000000/0.png": A[0], "train-000000/sub/1.png": A[1],
                                            "train-000001/2.png": A[2]}))
    assert run("in") == (0, 3, 0)
    write_shards(tmp_path / "in", {"0.png": A[0], "sub/1.png": A[3]})  # which has another date now
    assert run("in/train-{000000..000001}.tar") == (2, 1, 0)


def test_copies_go_where_they_were_told_to_before_any_shard_is_asked_for(run, tmp_path, monkeypatch):
    write_images(tmp_path / "photos", 1)
    told = []
    monkeypatch.setattr("door.output.plan_of_many", lambda *given: told.append(
        [os.environ[copies.FOLDER], os.environ[copies.BYTES]]) or plan_of_many(*given))
    assert run("photos", f"--shard_cache {tmp_path}/copies --shard_cache_gb 3") == (1, 0, 0)
    assert told == [[f"{tmp_path}/copies", "3000000000"]]


def test_of_pairs_the_source_is_translated(run, tmp_path, trained):
    write_images(tmp_path / "A", 2)
    write_shards(tmp_path / "in", {f"{number}.{side}.png": tmp_path / f"A/{number ^ (side == 'b')}.png"
                                   for number in range(2) for side in "ab"})
    assert run("in", "--output_shards 5") == (2, 0, 0)
    np.testing.assert_equal(members(tmp_path / "out"), expected(
        {f"train-000000/{number}.png": tmp_path / f"A/{number}.png" for number in range(2)}))


def test_a_folder_becomes_shards(run, tmp_path, failure):
    write_images(tmp_path / "in", 5)
    for name in ("sub/a.v2.png", "sub/a.bmp", "sub/a.png"):
        write_image(tmp_path / "in" / name, seed=9)
    assert run("in", "--output_shards 3") == (8, 0, 0)
    files = ["0.png", "1.png", "2.png", "3.png", "4.png", "sub/a.bmp", "sub/a.png", "sub/a.v2.png"]
    made = ["0.png", "1.png", "2.png", "3.png", "4.png", "sub/a.bmp", "sub/a_png.png", "sub/a_v2.png"]
    np.testing.assert_equal(members(tmp_path / "out"), expected(
        {f"in-{number // 3:06}/{made[number]}": tmp_path / "in" / name for number, name in enumerate(files)}))
    before = dates(tmp_path / "out")
    write_image(tmp_path / "in/4.png", 32, 32, seed=77)
    assert run("in", "--output_shards 3") == (3, 5, 0)
    assert dict(dates(tmp_path / "out").items() - before.items()).keys() == {"in-000001.tar"}
    with tarfile.open(tmp_path / "out/in-000001.tar") as tar:
        np.testing.assert_array_equal(np.asarray(Image.open(tar.extractfile("4.png"))),
                                      expected({"": tmp_path / "in/4.png"})[""])
    code, said = failure(lambda line: run("in", line), "--output_shards 3 --seed 4")
    assert code == 2 and "was begun with --seed 0 (now 4)" in said


def test_bad_images_and_a_sample(run, tmp_path):
    write_images(tmp_path / "in", 4)
    (tmp_path / "in/1.png").write_bytes(b"no image")
    assert run("in", "--output_shards 2 --skip_bad_images --page_samples 2 --format npy") == (3, 0, 1)
    assert [path.name for path in sorted((tmp_path / "out").glob("*.tar"))] == ["in-000000.tar", "in-000001.tar"]
    page = (tmp_path / "out/index.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 4 and "in-000000.tar/0.npy" in page and "2 of 3" in page
    assert run("in", "--output_shards 2 --skip_bad_images --format npy") == (0, 3, 1)


@pytest.mark.parametrize("place, said", [
    ("in", "in-000000.tar is an input itself"), ("out.tar", "--output out --output_shards 1000"),
    ("s3://bucket/out", "is no place on this machine"), ("-", "so give a folder")])
def test_places_that_take_no_shards(trained, tmp_path, failure, place, said):
    trained(NOISY)
    write_image(tmp_path / "0.png")
    write_shard(tmp_path / "in/in-000000.tar", [File("0.png", (tmp_path / "0.png").read_bytes())])
    place = str(tmp_path / "in") if place == "in" else place
    code, told = failure(lambda line: load_command("test").main(line.split()), f"--dataroot {tmp_path}/in --output "
                         f"{place} --name run --gpu_ids -1 --output_shards 2")
    assert code == 2 and said in told


@pytest.mark.slow
def test_killed_each_image_is_in_one_shard(trained, tmp_path):
    run = trained(CYCLE)
    write_images(tmp_path / "A", 120)
    write_shards(tmp_path / "in", *({f"{number}.png": tmp_path / f"A/{number}.png" for number in own}
                                    for own in (range(40), range(40, 80), range(80, 120))))
    words = ["--dataroot", "in", "--output", "out", "--output_shards", "10", "--name", "run", "--gpu_ids", "-1"]
    out = tmp_path / "out"
    killed = forked_ranks(2, ROOT / "test.py", words, tmp_path, lambda: len([*out.glob("*.tar")]) >= 3)
    assert [code for code, _ in killed] == [-signal.SIGKILL] * 2, killed
    there = dates(out)
    (code, said), (_, second) = forked_ranks(2, ROOT / "test.py", words, tmp_path)
    line = said[said.index("made: "):].replace(",", "").split()
    made, before = int(line[1]), int(line[line.index("before:") + 1])
    assert code == 0 and made + before == 120 and before >= 10 and "made" not in second
    assert len(there.items() & dates(out).items()) >= before // 10
    found = members(out)
    G = bothways.load(run, device="cpu")
    np.testing.assert_equal(found, {f"train-{number // 40:06}-{number % 40 // 10:06}/{number}.png": np.asarray(
        G(tmp_path / f"A/{number}.png")) for number in range(120)})
    rows = [json.loads(row) for path in (out / ".translated").glob("*.jsonl") for row in path.read_text().splitlines()]
    assert len({name for name, *_ in rows}) == len(rows) == 12 and not list(out.glob(".*.tmp"))
