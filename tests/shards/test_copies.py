"""Copies of remote shards: whole, fetched once, within their bound; and what is said where none can be had."""
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.object_store import Counting, web_server
from helpers.trainings import exit_code, in_child
from shards import copies, remote
from shards.ahead import Ahead
from shards.names import all_shards, expand, find_shards, path_of, url_of
from util.errors import MachineError, UserError

SIZE = 100_000


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of SIZE bytes: 0.tar to 4.tar."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.tar").write_bytes(bytes([number]) * SIZE)
    return folder


@pytest.fixture
def web(files: Path, cache: Path) -> Iterator[tuple[list[Path], type[Counting]]]:
    """The shards on a web server, and what it counts."""
    with web_server(files) as (address, counting):
        yield [path_of(f"{address}/{number}.tar") for number in range(6)], counting


def content(shard: Path) -> bytes:
    with copies.opened(shard) as file:
        return file.read()


def taken(cache: Path) -> int:
    """Bytes of all files there."""
    return sum(path.stat().st_size for path in cache.iterdir())


def kept(cache: Path) -> set[str]:
    """The shards of which there are copies."""
    return {path.name[17:] for path in cache.iterdir() if path.name[16:17] == "-"}


def test_an_object_of_s3_is_fetched_once(files: Path, cache: Path, upload: Callable, monkeypatch: pytest.MonkeyPatch):
    shard = path_of(f"{upload(files)}/3.tar")
    assert content(shard) == (files / "3.tar").read_bytes()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert content(shard) == (files / "3.tar").read_bytes()
    assert kept(cache) == {"3.tar"} and taken(cache) == SIZE


def test_what_a_store_has(files: Path, cache: Path, upload: Callable):
    bucket = upload(files)
    (files / "0.tar").write_bytes(b"other")
    before = remote.stat(f"{bucket}/0.tar")
    upload(files)
    after = remote.stat(f"{bucket}/0.tar")
    assert (before.size, after.size) == (SIZE, 5) and before.version != after.version
    assert remote.inside(bucket) == [f"{bucket}/{number}.tar" for number in range(5)]
    assert remote.matching(f"{bucket}/[13].tar") == [f"{bucket}/1.tar", f"{bucket}/3.tar"]
    assert list(map(url_of, expand(f"{bucket}/[13].tar"))) == [f"{bucket}/1.tar", f"{bucket}/3.tar"]
    assert list(map(url_of, all_shards(bucket))) == [f"{bucket}/{number}.tar" for number in range(5)]
    assert find_shards(bucket, "train") == []
    assert remote.inside(f"{bucket}/none") == [] == remote.matching(f"{bucket}/none*.tar")
    assert remote.content(f"{bucket}/0.tar") == b"other"
    assert remote.exists(f"{bucket}/0.tar") and not remote.exists(f"{bucket}/9.tar")


def test_a_shard_that_changes_on_the_server_is_another_one(web: tuple, files: Path, cache: Path):
    shards, _ = web
    assert content(shards[0]) == bytes(SIZE)
    size, state = copies.state_of(shards[0])
    (files / "0.tar").write_bytes(b"new" * SIZE)
    copies.keep(str(cache), 1)  # as in the next process
    assert content(shards[0]) == b"new" * SIZE
    assert size == SIZE and copies.state_of(shards[0])[0] == 3 * SIZE and copies.state_of(shards[0])[1] != state


def test_the_one_that_was_not_used_for_longest_goes(web: tuple, cache: Path, monkeypatch: pytest.MonkeyPatch):
    shards, counting = web
    copies.keep(str(cache), 3.5 * SIZE / copies.GIGABYTE)
    cache.mkdir()
    for foreign in ("notes-1.txt", "x.1.part"):
        (cache / foreign).touch()
    monkeypatch.setattr(copies, "NOTED_EVERY", 0)
    largest, fetch = [], copies.fetch

    def watched(url: str, path: Path, size: int) -> None:
        largest.append(taken(cache) + size)
        fetch(url, path, size)
    monkeypatch.setattr(copies, "fetch", watched)
    for number in (0, 1, 2, 0, 3, 4, 0):
        assert content(shards[number]) == bytes([number]) * SIZE
        assert taken(cache) <= 3.5 * SIZE
    assert max(largest) <= 3.5 * SIZE
    assert (cache / "notes-1.txt").exists() and (cache / "x.1.part").exists()
    assert kept(cache) == {"0.tar", "3.tar", "4.tar"} and counting.fetched == [f"{n}.tar" for n in (0, 1, 2, 3, 4)]


def test_one_that_is_being_read_is_read_to_its_end(web: tuple, cache: Path):
    shards, _ = web
    copies.keep(str(cache), SIZE / copies.GIGABYTE)
    with copies.opened(shards[0]) as file:
        assert content(shards[1]) == bytes([1]) * SIZE
        assert kept(cache) == {"1.tar"} and file.read() == bytes(SIZE)
    assert content(shards[0]) == bytes(SIZE) and kept(cache) == {"0.tar"}  # though it was known where its copy is


def test_several_processes_fetch_it_once_and_share_the_bound(web: tuple, cache: Path):
    shards, counting = web
    copies.keep(str(cache), 2 * SIZE / copies.GIGABYTE)

    def read() -> None:
        assert [content(shard)[:1] for shard in shards[:2]] == [b"\0", b"\1"]
    assert [exit_code(child) for child in [in_child(read) for _ in range(4)]] == [0] * 4
    assert sorted(counting.fetched) == ["0.tar", "1.tar"] and taken(cache) == 2 * SIZE


def test_what_a_killed_process_left_does_not_count(web: tuple, cache: Path, monkeypatch: pytest.MonkeyPatch):
    shards, _ = web
    copies.keep(str(cache), 2 * SIZE / copies.GIGABYTE)

    def die(url: str, path: Path, size: int) -> None:
        path.write_bytes(bytes(SIZE // 2))
        os._exit(9)
    for shard in shards[:2]:
        with monkeypatch.context() as patch:
            patch.setattr(copies, "fetch", die)
            assert exit_code(in_child(lambda shard=shard: content(shard))) == 9
    assert len([*cache.glob("*.part")]) == 1  # the second one removed what was left of the first
    assert content(shards[1]) == bytes([1]) * SIZE and content(shards[2]) == bytes([2]) * SIZE
    assert taken(cache) == 2 * SIZE and not [*cache.glob("*.part")]


def test_what_is_wanted_soon_is_fetched_meanwhile(web: tuple, cache: Path):
    shards, counting = web
    ahead = Ahead()
    ahead.want([Path("local.tar"), shards[5], shards[0], shards[1]])  # the first one is not there
    while not cache.exists() or kept(cache) != {"0.tar", "1.tar"}:
        time.sleep(0.01)
    assert content(shards[1]) == bytes([1]) * SIZE and counting.fetched.count("1.tar") == 1


def test_what_breaks_off_is_fetched_again(web: tuple, cache: Path):
    shards, counting = web
    counting.cuts["0.tar"] = 2
    assert content(shards[0]) == bytes(SIZE) and counting.fetched == ["0.tar"] * 3
    assert taken(cache) == SIZE


def test_what_breaks_off_each_time_is_named(web: tuple, cache: Path):
    shards, counting = web
    counting.cuts["0.tar"] = 9
    with pytest.raises(MachineError, match=r"^http://localhost:\d+/0.tar could not be fetched, in 3 tries: ") as raised:
        content(shards[0])
    assert raised.value.exit_code == 1 and taken(cache) == 0


def test_no_server(cache: Path):
    with pytest.raises(MachineError, match=r"^http://127.0.0.1:1/x.tar could not .* 3 tries: .*Does the server answer"):
        content(path_of("http://127.0.0.1:1/x.tar"))


def test_a_shard_that_is_not_there_is_named(web: tuple, files: Path, cache: Path, upload: Callable):
    for url in (f"{upload(files)}/9.tar", "s3://no-such-bucket/9.tar"):
        with pytest.raises(UserError, match=f"^{url} is not there; look at its name") as raised:
            content(path_of(url))
        assert raised.value.exit_code == 2
    with pytest.raises(UserError, match=r"^http://localhost:\d+/5.tar is not there; look at its name"):
        content(web[0][5])


def test_missing_credentials_say_where_they_come_from(files: Path, cache: Path, upload: Callable,
                                                      tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bucket = upload(files)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    def read() -> None:
        with pytest.raises(UserError, match=f"^{bucket}/1.tar is closed to us .*Credentials of S3 come from AWS_"):
            content(path_of(f"{bucket}/1.tar"))
    assert exit_code(in_child(read)) == 0  # a process that has not asked before


def test_a_shard_that_is_larger_than_the_bound(web: tuple, cache: Path):
    copies.keep(str(cache), 0.00009)
    with pytest.raises(UserError, match=r"0.tar has 0.0001 GB, more than all .*--shard_cache_gb 9e-05. Give more"):
        content(web[0][0])


def test_room_for_what_is_read_at_once(web: tuple, cache: Path):
    shards, _ = web
    copies.keep(str(cache), 0.0004)
    copies.require_room([shards[:5], []], 4)
    copies.require_room([shards[:2], [*shards[2:4], Path("local.tar")]], 4)
    with pytest.raises(UserError, match=r"up to 4 shards of a set .* need 0.0005 GB, and --shard_cache_gb is 0.0004"):
        copies.require_room([shards[:4], shards[4:5]], 4)


def test_the_extra_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"^s3://b/x.tar needs s3fs, .*pip install .\[shards\]"):
        content(path_of("s3://b/x.tar"))
    with pytest.raises(UserError, match=r"^gopher://b/x.tar: Protocol not known"):
        remote.stat("gopher://b/x.tar")
