"""A training whose shards are in an object store: the bits of one on local shards, also after a kill."""
import os
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import train as command
from helpers.commands import TINY
from helpers.images import write_image
from helpers.object_store import web_server
from helpers.trainings import _in_step, exit_code, fingerprint, in_child, same
from shards.copies import GIGABYTE
from shards.index import index_path, scan

EACH = 2  # samples a shard
SHARDS = 5
LONG = "--n_epochs 1 --print_freq 1 --save_latest_freq 3 --no_html --num_threads 2"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """train-*.tar with pairs, and trainA-*.tar and trainB-*.tar, of which half have an index beside them."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for kind, sides in (("train", ("a", "b")), ("trainA", ("",)), ("trainB", ("",))):
        for shard in range(SHARDS):
            path = folder / f"{kind}-{shard:03}.tar"
            with tarfile.open(path, "w") as tar:
                for number in range(EACH * shard, EACH * (shard + 1)):
                    for side in sides:
                        name = ".".join(filter(None, (str(number), side, "png")))
                        tar.add(write_image(tmp_path / "one.png", seed=hash((kind, side, number)) % 1000), name)
            if shard % 2:
                scan(path).write(index_path(path))
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], dict]:
    """Trains in tmp_path on a --dataroot; what must be the same."""
    monkeypatch.chdir(tmp_path)

    def train(name: str, dataroot: str, more: str) -> dict:
        command.main(f"--dataroot {dataroot} {TINY} {LONG} --name {name} {more}".split())
        return fingerprint(tmp_path / "checkpoints" / name)
    return train


def room_for(shards: Path, piles: int) -> int:
    """The fewest bytes in which the copies that are needed at once find room: of two shards of each pile."""
    return piles * 2 * max(path.stat().st_size for path in shards.glob("*.tar"))


@pytest.mark.parametrize("model, piles", [("pix2pix", 1), ("cycle_gan", 2)])
def test_killed_in_the_middle_of_an_epoch_and_gone_on_with_is_bit_identical(
        model: str, piles: int, run: Callable, shards: Path, cache: Path, upload: Callable,
        monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.shard_order.WINDOW", 1)
    options = f"--model {model} --netG resnet_6blocks"
    whole = run("whole", str(shards), options)
    bucket, room = upload(shards), room_for(shards, piles)
    remote = f"{options} --shard_cache {cache} --shard_cache_gb {room / GIGABYTE:.9f}"

    def killed() -> None:
        with _in_step(6, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            run("parts", bucket, remote)
    assert exit_code(in_child(killed)) == -signal.SIGKILL
    assert same(whole, run("parts", bucket, f"{remote} --continue_train"))
    assert 0 < sum(path.stat().st_size for path in cache.iterdir()) <= room


def test_shards_on_a_web_server(run: Callable, shards: Path, cache: Path):
    whole = run("whole", str(shards), "--model template")
    with web_server(shards) as (address, counting):
        pattern = f"{address}/train-{{000..{SHARDS - 1:03}}}.tar"
        assert same(whole, run("web", pattern, f"--model template --shard_cache {cache}"))
        assert sorted(name for name in counting.fetched if name.endswith(".tar")) == [
            f"train-{n:03}.tar" for n in range(SHARDS)]  # each once


@pytest.mark.parametrize("harm, said", [
    (Path.unlink, "is not there; look at its name"),
    (lambda shard: os.truncate(shard, 3000), "cut off"),
])
def test_a_shard_that_is_gone_or_cut_off_is_named(harm: Callable, said: str, run: Callable, shards: Path,
                                                  cache: Path, failure: Callable):
    harm(shards / "train-003.tar")
    with web_server(shards) as (address, _):
        line = f"{address}/train-{{000..004}}.tar", f"--model template --shard_cache {cache}"
        code, text = failure(lambda words: run("run", *words), line)
    assert code == 2 and f"{address}/train-003.tar" in text and said in text and "Traceback" not in text


def test_too_little_room_is_said_before_the_first_step(run: Callable, shards: Path, cache: Path, failure: Callable):
    with web_server(shards) as (address, _):
        line = f"{address}/train-{{000..004}}.tar", f"--model template --shard_cache {cache} --shard_cache_gb 0.00005"
        code, text = failure(lambda words: run("run", *words), line)
    assert code == 2 and "--shard_cache_gb is 5e-05. Give more, or make smaller shards" in text
