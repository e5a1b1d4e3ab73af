"""Folders become shards: the same bytes, samples as the WebDataset format has them, gone on with after a kill."""
import json
import signal
import sys
import tarfile
from pathlib import Path

import pytest

from helpers.commands import ROOT
from helpers.forked import forked, forked_ranks
from helpers.images import write_image
from shards.index import Index, index_path
from shards.member_names import MemberNames

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import make_shards


@pytest.fixture
def pack(tmp_path, capsys):
    """Packs tmp_path/in into tmp_path/out; returns how many shards were packed now, and how many were there."""
    def run(more: str = "") -> tuple[int, int]:
        capsys.readouterr()
        make_shards.main(["--dataroot", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *more.split()])
        words = capsys.readouterr().out.splitlines()[-1].split()
        return int(words[1]), int(words[4])
    return run


def packed(folder: Path) -> dict[str, dict[str, bytes]]:
    """What lies in the shards of a folder, by names, in order."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found[path.stem] = {member.name: tar.extractfile(member).read() for member in tar}
    return found


def dates(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}


def write_images(folder: Path, count: int) -> None:
    for number in range(count):
        write_image(folder / f"{number}.png", seed=number)


def test_pairs_are_samples_of_two_parts(pack, tmp_path):
    names = ["1", "night/2", "3.v2"]
    for number, name in enumerate(names):
        write_image(tmp_path / f"in/train/A/{name}.png", seed=number)
        write_image(tmp_path / f"in/train/B/{name}.jpg", seed=10 + number)
        write_image(tmp_path / f"in/test/{name}.png", 64, 32, seed=number)  # A|B
    assert pack() == (2, 0)
    found = packed(tmp_path / "out")
    sides = [(side, ending) for side, ending in (("A", "png"), ("B", "jpg"))]
    keys = {"1": "1", "3.v2": "3_v2", "night/2": "night/2"}  # by the natural order of the files
    assert list(found["train-000000"].items()) == [
        (f"{key}.{side.lower()}.{ending}", (tmp_path / f"in/train/{side}/{name}.{ending}").read_bytes())
        for name, key in keys.items() for side, ending in sides]
    assert list(found["test-000000"]) == [f"{key}.png" for key in keys.values()]
    webdataset = pytest.importorskip("webdataset")
    samples = list(webdataset.WebDataset(str(tmp_path / "out/train-000000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == list(keys.values())
    assert samples[1]["b.jpg"] == (tmp_path / "in/train/B/3.v2.jpg").read_bytes()


def test_the_index_knows_what_the_pictures_are(pack, tmp_path):
    write_image(tmp_path / "in/a.png", 40, 30)
    write_image(tmp_path / "in/b.png", 20, 30)
    assert pack() == (1, 0)
    index, _ = Index.read(index_path(tmp_path / "out/in-000000.tar"))
    assert index.names() == [b"a.png", b"b.png"] and [index.values[which][:2] for which in index.which] == [
        (40, 30), (20, 30)]


def test_phases_may_be_packed_one_after_the_other(pack, tmp_path):
    for phase in ("train", "test"):
        write_images(tmp_path / "in" / phase, 2)
        assert pack(f"--phase {phase}") == (1, 0)
    assert set(packed(tmp_path / "out")) == {"train-000000", "test-000000"}
    assert len((tmp_path / "out/SHA256SUMS").read_text().splitlines()) == 2


def test_two_piles_are_two_sets_of_shards_of_a_size(pack, tmp_path):
    write_images(tmp_path / "in/trainA", 12)
    write_images(tmp_path / "in/trainB", 3)
    sizes = [path.stat().st_size for path in sorted((tmp_path / "in/trainA").iterdir())]
    pack(f"--shard_mb {4 * max(sizes) / 1e6}")
    found = packed(tmp_path / "out")
    piles = {side: [shard for name, shard in found.items() if name.startswith(f"train{side}-")] for side in "AB"}
    assert len(found) == len(piles["A"]) + 1 and 3 <= len(piles["A"]) <= 4
    assert [name for shard in piles["A"] for name in shard] == [f"{number}.png" for number in range(12)]
    assert all(sum(map(len, shard.values())) <= 4 * max(sizes) for shard in piles["A"])
    assert list(piles["B"][0]) == ["0.png", "1.png", "2.png"]


def test_samples_are_mixed_always_alike(pack, tmp_path):
    write_images(tmp_path / "in", 8)
    pack("--shuffle")
    (mixed,) = packed(tmp_path / "out").values()
    assert sorted(mixed) == [f"{number}.png" for number in range(8)] != list(mixed)
    assert all(content == (tmp_path / "in" / name).read_bytes() for name, content in mixed.items())
    assert pack("--shuffle") == (0, 1) and pack() == (1, 0)


def test_what_is_packed_stays_and_what_changed_is_packed_anew(pack, tmp_path):
    write_images(tmp_path / "in", 6)
    each = "--shard_mb 0.0001"  # a file a shard
    assert pack(each) == (6, 0)
    before = dates(tmp_path / "out")
    write_image(tmp_path / "in/2.png", seed=99)
    assert pack(each) == (1, 5)
    assert dict(dates(tmp_path / "out").items() - before.items()).keys() == {"in-000002.tar"}
    assert packed(tmp_path / "out")["in-000002"]["2.png"] == (tmp_path / "in/2.png").read_bytes()
    (tmp_path / "in/5.png").unlink()
    assert pack(each) == (0, 5) and not list((tmp_path / "out").glob("in-000005*"))
    assert len((tmp_path / "out/SHA256SUMS").read_text().splitlines()) == 5
    (tmp_path / "out/in-000001.tar").write_bytes(b"")
    assert pack(each) == (1, 4)


def test_a_killed_run_goes_on(tmp_path):
    write_images(tmp_path / "in", 80)
    words = ["--dataroot", "in", "--out", "out", "--shard_mb", "0.002"]
    out, script = tmp_path / "out", ROOT / "datasets/make_shards.py"
    ((code, said),) = forked_ranks(1, script, words, tmp_path, lambda: len([*out.glob("*.tar")]) > 3)
    there = dates(out)
    assert code == -signal.SIGKILL, said
    whole = packed(out)
    code, said = forked(script, words, tmp_path)
    assert code == 0 and len(there.items() & dates(out).items()) >= len(there) - 1  # one may not have been noted
    found = packed(out)
    assert {name: found[name] for name in whole} == whole
    assert {name: content for shard in found.values() for name, content in shard.items()} == {
        path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} and sum(map(len, found.values())) == 80
    rows = [json.loads(line) for line in (out / ".packed/0.jsonl").read_text().splitlines()]
    assert len({name for name, *_ in rows}) == len(rows) == len(found)
    assert not list(out.glob(".*.tmp"))


def test_bad_images_are_told_or_left_out(pack, tmp_path, failure):
    write_images(tmp_path / "in", 2)
    (tmp_path / "in/bad.png").write_bytes(b"no image")
    code, said = failure(lambda line: pack(), "")
    assert code == 2 and "bad.png cannot be read" in said and not list((tmp_path / "out").glob("*.tar"))
    assert pack("--skip_bad_images") == (1, 0)
    assert list(packed(tmp_path / "out")["in-000000"]) == ["0.png", "1.png"]


def test_shards_of_others_stay(pack, tmp_path, failure):
    write_images(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/in-000000.tar").write_bytes(b"precious")
    code, said = failure(lambda line: pack(), "")
    assert code == 2 and "not packed by this command, such as in-000000.tar" in said
    assert (tmp_path / "out/in-000000.tar").read_bytes() == b"precious"


def test_faults_are_found(pack, tmp_path, capsys):
    write_images(tmp_path / "in", 4)
    pack("--shard_mb 0.0001")

    def verify() -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            make_shards.main(["--verify", str(tmp_path / "out")])
        return left.value.code, capsys.readouterr().out
    assert verify() == (0, f"{tmp_path}/out: 4 shards, no faults\n")
    shards = sorted((tmp_path / "out").glob("*.tar"))
    content = shards[0].read_bytes()
    shards[0].write_bytes(content[:900] + bytes([content[900] ^ 1]) + content[901:])
    shards[1].write_bytes(shards[1].read_bytes()[:700])
    shards[2].unlink()
    code, said = verify()
    assert code == 1 and "in-000000.tar has other content than was written" in said and "3 faults" in said
    assert "in-000001.tar cannot be read" in said and "in-000002.tar is gone" in said


def test_keys_are_given_once():
    names = MemberNames()
    files = [Path("a/1.png"), Path("a/1.jpg"), Path("b/1.png"), Path("a/1.v.png"), Path("a/1_v.png"), Path("a/1_v.jpg"),
             Path("a/1_v.JPG"), Path("a/scan.nii.gz")]
    assert [name for file in files for name in names.sample(file)] == [
        "a/1.png", "a/1_jpg.jpg", "b/1.png", "a/1_v.png", "a/1_v_png.png", "a/1_v_jpg.jpg", "a/1_v_JPG.JPG",
        "a/scan.nii.gz"]
    assert names.sample(Path("c/1.png"), Path("1.v.tif")) == ["c/1.a.png", "c/1.b.tif"]
