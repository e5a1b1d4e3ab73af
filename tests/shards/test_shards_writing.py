"""Shards are written whole, and what is read back is compared."""
import tarfile

import pytest

from shards import writing
from shards.index import index_path, load
from shards.writing import File, write_shard
from util.errors import MachineError


def test_the_same_files_are_the_same_bytes(tmp_path):
    files = [File("a/1.txt", b"one", date=7), File("Ünïcode" + "x" * 150 + ".txt", b""), File("2.txt", b"2" * 1000)]
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    assert write_shard(first, files) == write_shard(second, iter(files))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert [(one.name, tar.extractfile(one).read(), one.mtime) for one in tar] == [
            (file.name, file.content, file.date) for file in files]
    index = load(first)
    assert [index.member(place).name for place in range(3)] == [file.name for file in files]


def test_what_is_read_back_otherwise_is_not_kept(tmp_path, monkeypatch):
    shard = tmp_path / "1.tar"
    write_shard(shard, [File("1.txt", b"old")])
    before = shard.read_bytes()

    def scan_a_faulty_disk(path):
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.write(content.replace(b"new", b"nex"))
        return scan(path)
    scan = writing.scan
    monkeypatch.setattr(writing, "scan", scan_a_faulty_disk)
    with pytest.raises(MachineError, match=r"1\.tar: 1\.txt was read back otherwise"):
        write_shard(shard, [File("1.txt", b"new")])
    assert shard.read_bytes() == before and index_path(shard).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.tar", "1.tar.index"]
