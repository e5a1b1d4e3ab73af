"""Where files lie in a shard, and what is said of one that is gone, cut off, or not what its index says."""
import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from helpers.tars import write_tar
from shards import index
from shards.index import BrokenShard, Index, index_path, known, load, remember, scan
from shards.member import is_file, read_member, sample_key, split_member, status
from shards.names import all_shards, expand, find_shards, is_pattern, path_of, set_of, url_of
from util.errors import UserError

LONG = "a" * 90 + "/" + "b" * 90 + ".png"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Of nine files: with long names, names that are not ASCII, hidden ones, and one as tar calls it below a folder."""
    files = {"./1.png": b"one", "a/2.png": b"two" * 400, LONG: b"long", "ü/3.txt": b"", ".hidden.png": b"h",
             "a/._2.png": b"h"}
    return write_tar(tmp_path / "train-000000.tar", files)


def test_files_are_found_with_their_bytes(shard: Path):
    found = scan(shard)
    assert [os.fsdecode(name) for name in found.names()] == ["1.png", "a/2.png", LONG, "ü/3.txt"]
    assert read_member(shard / "1.png") == b"one" and read_member(shard / "a/2.png") == b"two" * 400
    assert read_member(shard / LONG) == b"long" and read_member(shard / "ü/3.txt") == b""
    assert read_member(shard / "a/2.png", 4) == b"twot"
    assert status(shard / "1.png") == (3, shard.stat().st_mtime_ns)
    assert is_file(shard / "1.png") and not is_file(shard / "2.png")
    with pytest.raises(FileNotFoundError):
        read_member(shard / "2.png")


def test_links_are_what_they_lead_to(tmp_path: Path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("1.png")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"one"))
        link = tarfile.TarInfo("2.png")
        link.type, link.linkname = tarfile.LNKTYPE, "1.png"
        tar.addfile(link)
    assert read_member(tmp_path / "x.tar/2.png") == b"one"


def test_a_folder_called_like_a_shard_is_none(tmp_path: Path):
    (tmp_path / "x.tar").mkdir()
    assert split_member(tmp_path / "x.tar/1.png") is None
    assert split_member(tmp_path / "y.tar/a/1.png") == (tmp_path / "y.tar", "a/1.png")
    assert split_member(tmp_path / "x.tar/y.tar/1.png") == (tmp_path / "x.tar/y.tar", "1.png")


@pytest.mark.parametrize(("keep", "said"), [
    (0, "it is empty"), (100, "is cut off"), (700, "is cut off"), (1024, "is cut off"), (2000, "is cut off"),
    (3600, "is cut off")])
def test_a_shard_that_is_cut_off_is_named(tmp_path: Path, keep: int, said: str):
    shard = write_tar(tmp_path / "x.tar", {"1.png": b"1", "2.png": b"2" * 600, "3.png": b"3"})
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(BrokenShard, match=said) as caught:
        scan(shard)
    assert str(shard) in str(caught.value) and "copy it here again" in str(caught.value)


def test_what_is_no_shard_is_refused_in_words(tmp_path: Path, shard: Path):
    (tmp_path / "text.tar").write_text("not a tar" * 200)
    with pytest.raises(BrokenShard, match="it is no tar file"):
        scan(tmp_path / "text.tar")
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress(shard.read_bytes()))
    with pytest.raises(BrokenShard, match="compressed with gzip.*unpack it"):
        scan(packed)
    with pytest.raises(BrokenShard, match="it is gone"):
        load(tmp_path / "none.tar")
    twice = tmp_path / "twice.tar"
    raw = write_tar(twice, {"1.png": b"1"}).read_bytes()[:1024]
    twice.write_bytes(raw + raw + bytes(1024))
    with pytest.raises(BrokenShard, match=r"holds 1\.png twice"):
        scan(twice)
    with pytest.raises(BrokenShard, match="leads out of it"):
        scan(write_tar(tmp_path / "out.tar", {"../1.png": b"1"}))


def resized(raw: bytes, begin: int, size: int) -> bytes:
    """The tar with another size in the header at `begin`, as base-256, which may be negative."""
    header = bytearray(raw[begin:begin + 512])
    header[124:136] = (b"\xff" if size < 0 else b"\x80") + size.to_bytes(11, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return raw[:begin] + header + raw[begin + 512:]


@pytest.mark.parametrize("size", [-1, -512, -1024, 1 << 80])
def test_no_size_in_a_header_leads_astray(tmp_path: Path, size: int):
    """Back to itself, for ever, or farther than a number reaches."""
    shard = write_tar(tmp_path / "x.tar", {"1.png": b"1", "2.png": b"2", "3.png": b"3"})
    shard.write_bytes(resized(shard.read_bytes(), 1024, size))
    with pytest.raises(BrokenShard, match="2.png in it has -|cut off|no tar|damaged"):
        scan(shard)


def test_a_name_with_a_zero_is_none(tmp_path: Path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("1.png")
        entry.pax_headers = {"path": "a\0b.png"}
        tar.addfile(entry)
    with pytest.raises(BrokenShard, match="no name of a file"):
        scan(tmp_path / "x.tar")


def test_an_index_is_remembered_until_the_shard_changes(shard: Path, monkeypatch: pytest.MonkeyPatch):
    values = [(32, 32, 1, 3, "|u1", False, True, None, 0.5, False)]
    remember(shard, load(shard).with_values(values, np.array([0, 0, -1, 0])))
    index.forget([shard])
    monkeypatch.setattr(index, "scan", lambda shard: pytest.fail("it was read again"))
    found = load(shard)
    assert found.names()[0] == b"1.png" and found.values == values and found.which.tolist() == [0, 0, -1, 0]
    assert not index_path(shard).exists()  # the folder may be read-only
    os.utime(shard, (1, 1))
    assert known(shard) is None


def test_the_index_beside_a_shard_is_believed_unless_the_shard_is_of_another_length(shard: Path,
                                                                                    monkeypatch: pytest.MonkeyPatch):
    scan(shard).write(index_path(shard))
    monkeypatch.setattr(index, "scan", lambda shard: pytest.fail("it was read"))
    os.utime(shard, (1, 1))  # copied
    assert load(shard).find(b"a/2.png") == 1
    index.forget([shard])
    os.truncate(shard, shard.stat().st_size - 512)
    with pytest.raises(BrokenShard, match="delete the index if the shard is right"):
        load(shard)


def test_a_damaged_index_is_as_none(shard: Path):
    scan(shard).write(index_path(shard))
    content = index_path(shard).read_bytes()
    for damaged in (content[:-100], b"", content[:300] + bytes(40) + content[340:]):
        index_path(shard).write_bytes(damaged)
        index.forget([shard])
        assert known(shard) is None
    with pytest.raises(ValueError, match="damaged"):
        Index.read(index_path(shard))


@pytest.mark.parametrize("change", [
    {"name": "../../1.png"}, {"name": "/1.png"}, {"name": "a/../../1.png"}, {"name": "a\0b.png"}, {"name": ".."},
    {"begin": -1}, {"size": -1}, {"size": 1 << 60}])
def test_an_index_that_leads_elsewhere_is_as_none(shard: Path, change: dict[str, int | str]):
    """As results are called by the names in it, and it may come from a server."""
    found = scan(shard)
    members = [found.member(place) for place in range(len(found))]
    Index([*members[:-1], members[-1]._replace(**change)], found.shard_size).write(index_path(shard))
    assert known(shard) is None
    assert load(shard).names() == found.names()


def test_no_damage_of_an_index_ends_in_a_traceback(shard: Path):
    scan(shard).write(index_path(shard))
    content = index_path(shard).read_bytes()
    for place in [at for at in range(len(content)) if content[at:at + 4] in (b"PK\3\4", b"PK\1\2")]:
        for behind in range(4, 12):  # what the zip needs, whether it is encrypted, how it is packed
            index_path(shard).write_bytes(content[:place + behind] + b"\xff" + content[place + behind + 1:])
            index.forget([shard])
            assert known(shard) is None or known(shard).names() == scan(shard).names()


def test_a_shard_that_changes_while_it_is_read_is_noticed(shard: Path, tmp_path: Path):
    assert read_member(shard / "1.png") == b"one"
    other = write_tar(tmp_path / "other", {"0.png": b"zero" * 2000}).read_bytes()
    with shard.open("r+b") as file:
        file.write(other[:1024])
    with pytest.raises(BrokenShard, match="not where its index says"):
        read_member(shard / "1.png")


def test_patterns_name_shards_in_order(tmp_path: Path):
    for name in ("a-9.tar", "a-10.tar", "b-000.tar", "b-001.tar"):
        write_tar(tmp_path / name, {})
    def named(pattern: str) -> list[str]:
        return [path.name for path in expand(f"{tmp_path}/{pattern}")]
    assert named("a-*.tar") == ["a-9.tar", "a-10.tar"]
    assert named("b-{000..001}.tar") == ["b-000.tar", "b-001.tar"]
    assert named("b-{001..000}.tar") == ["b-001.tar", "b-000.tar"]
    assert named("{b-001,a-9}.tar") == ["b-001.tar", "a-9.tar"]
    with pytest.raises(UserError, match=r"1 of 3 shards are not there; in .* there are: a-9\.tar"):
        named("b-{000..002}.tar")
    with pytest.raises(UserError, match="names no file"):
        named("c-*.tar")
    with pytest.raises(UserError, match="unpack it"):
        named("a.tar.gz")


def test_urls_are_paths_and_back():
    path = path_of("s3://bucket/data/train-000000.tar")
    assert is_pattern("s3://bucket/data/train-{000..009}.tar") and url_of(path) == "s3://bucket/data/train-000000.tar"
    assert url_of(path_of("https://host:8000/x.tar")) == "https://host:8000/x.tar"
    assert [url_of(path) for path in expand("s3://b/{1..2}.tar")] == ["s3://b/1.tar", "s3://b/2.tar"]


def test_sets_are_known_by_their_names(tmp_path: Path):
    for name in ("train-0.tar", "trainA-0.tar", "trainB-0.tar", "test-0.tar", "val/A/0.tar", "valB/0.tar", "x/0.tar"):
        write_tar(tmp_path / name, {})
    def found(phase: str, side: str = "") -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in find_shards(str(tmp_path), phase, side)]
    assert found("train") == ["train-0.tar"] and found("train", "A") == ["trainA-0.tar"]
    assert found("val", "A") == ["val/A/0.tar"] and found("val", "B") == ["valB/0.tar"] and found("val") == []
    assert found("x") == ["x/0.tar"] and len(all_shards(str(tmp_path))) == 7
    pattern = f"{tmp_path}/train{{A,B}}-0.tar"
    assert [shard.name for shard in find_shards(pattern, "test")] == ["trainA-0.tar", "trainB-0.tar"]
    assert [shard.name for shard in find_shards(pattern, "test", "B")] == ["trainB-0.tar"]
    assert [set_of(Path(name)) for name in ("train-00003-of-00010.tar", "a/A/003.tar", "x.tar")] == ["train", "A", "x"]


def test_samples_are_called_without_ending_and_side():
    names = ("a/town.a.png", "a/town.B.nii.gz", "a/town.png", "v1.2.png", ".a.png")
    assert [sample_key(name) for name in names] == ["a/town", "a/town", "a/town", "v1.2", ".a"]
