"""Datasets and generators from a server on this machine: resumed, verified, unpacked safely."""
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.commands import ROOT
from helpers.file_server import Ranges, serving

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import download

from util.download import Unreachable, fetch


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it serves."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setattr(Ranges, "cuts", [])
    monkeypatch.setattr(Ranges, "asked", [])
    with serving(folder, Ranges) as address:
        yield address, folder


def publish(folder: Path, place: str, files: dict[str, bytes]) -> Path:
    """An archive on the server."""
    path = folder / place
    path.parent.mkdir(parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                row = tarfile.TarInfo(name)
                row.size = len(content)
                archive.addfile(row, io.BytesIO(content))
    return path


def command(tmp_path: Path, address: str, name: str) -> None:
    download.main([name, "--out", str(tmp_path / "sets"), "--checkpoints_dir", str(tmp_path / "runs"),
                   "--server", address])


def refusal(capsys: pytest.CaptureFixture, *args) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        command(*args)
    return left.value.code, capsys.readouterr().err


@pytest.mark.parametrize("name, place", [
    ("horse2zebra", "cyclegan/datasets/horse2zebra.zip"), ("night2day", "pix2pix/datasets/night2day.tar.gz"),
    ("pix2pix/maps", "pix2pix/datasets/maps.tar.gz"), ("cyclegan/maps", "cyclegan/datasets/maps.zip")])
def test_a_dataset_comes_into_its_folder(server, tmp_path, capsys, name, place):
    address, folder = server
    short = name.rpartition("/")[2]
    publish(folder, place, {f"{short}/trainA/1.jpg": b"one", f"{short}/trainB/2.jpg": b"two"})
    command(tmp_path, address, name)
    assert f"{tmp_path}/sets/{short}: 2 files" in capsys.readouterr().out
    assert (tmp_path / "sets" / short / "trainA/1.jpg").read_bytes() == b"one"
    assert [path.name for path in (tmp_path / "sets").iterdir()] == [short]  # no archive, no leftovers
    code, said = refusal(capsys, tmp_path, address, name)
    assert code == 2 and "is there already" in said


def test_a_released_generator_becomes_a_run(server, tmp_path, capsys):
    address, folder = server
    path = folder / "cyclegan/pretrained_models/style_monet.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    command(tmp_path, address, "style_monet")
    assert (tmp_path / "runs/style_monet_pretrained/latest_net_G.pth").read_bytes() == b"weights"
    assert "--model test --name style_monet_pretrained" in capsys.readouterr().out


@pytest.mark.parametrize("script, name, place, arrives", [
    ("datasets/download_cyclegan_dataset.sh", "maps", "cyclegan/datasets/maps.zip", "sets/maps/trainA/1.jpg"),
    ("datasets/download_pix2pix_dataset.sh", "maps", "pix2pix/datasets/maps.tar.gz", "sets/maps/trainA/1.jpg"),
    ("scripts/download_cyclegan_model.sh", "map2sat", "cyclegan/pretrained_models/map2sat.pth",
     "runs/map2sat_pretrained/latest_net_G.pth"),
    ("scripts/download_pix2pix_model.sh", "map2sat", "pix2pix/models-pytorch/map2sat.pth",
     "runs/map2sat_pretrained/latest_net_G.pth")])
def test_the_classic_scripts(server, tmp_path, script, name, place, arrives):
    address, folder = server
    content = publish(folder, place, {f"{name}/trainA/1.jpg": b"weights"})
    if place.endswith(".pth"):
        content.write_bytes(b"weights")
    python = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", ROOT / script, *words], env=python, cwd=tmp_path, capture_output=True, text=True)
    done = run(name, "--out", "sets", "--checkpoints_dir", "runs", "--server", address)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / arrives).read_bytes() == b"weights"
    without = run()
    assert without.returncode == 2 and "is not known. Known:" in without.stderr


def test_what_was_cut_off_goes_on_where_it_stopped(server, tmp_path):
    address, folder = server
    content = bytes(range(256)) * 40
    (folder / "file").write_bytes(content)
    Ranges.cuts[:] = [1000, 3000]
    told = []
    fetch(f"{address}/file", tmp_path / "got", lambda done, size: told.append((done, size)))
    assert (tmp_path / "got").read_bytes() == content and not (tmp_path / "got.part").exists()
    assert Ranges.asked == ["", "bytes=1000-", "bytes=4000-"]
    assert told[-1] == (len(content), len(content))


def test_a_command_that_was_stopped_goes_on(server, tmp_path):
    address, folder = server
    (folder / "file").write_bytes(b"0123456789")
    (tmp_path / "got.part").write_bytes(b"0123")
    fetch(f"{address}/file", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"0123456789" and Ranges.asked == ["bytes=4-"]
    (tmp_path / "got.part").write_bytes(b"what another file had, which was longer")
    fetch(f"{address}/file", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"0123456789"


def test_a_server_that_does_not_give_it_says_what_to_do(server, tmp_path, capsys):
    address, folder = server
    code, said = refusal(capsys, tmp_path, address, "horse2zebra")
    assert code == 1 and "horse2zebra.zip answers 404" in said and f"put it to {tmp_path}/sets/horse2zebra.zip" in said
    with pytest.raises(Unreachable, match="cannot be reached"):
        fetch("http://localhost:9/file", tmp_path / "got")
    (folder / "file").write_bytes(bytes(9000))
    Ranges.cuts[:] = [1000, 0, 0]
    with pytest.raises(Unreachable, match="cut off after 1000 bytes"):
        fetch(f"{address}/file", tmp_path / "got")
    assert (tmp_path / "got.part").stat().st_size == 1000


def test_an_archive_from_elsewhere_is_unpacked(server, tmp_path):
    (tmp_path / "sets").mkdir()
    with zipfile.ZipFile(tmp_path / "sets/horse2zebra.zip", "w") as archive:
        archive.writestr("trainA/1.jpg", b"one")  # without the folder around it
    command(tmp_path, server[0], "horse2zebra")
    assert (tmp_path / "sets/horse2zebra/trainA/1.jpg").read_bytes() == b"one" and Ranges.asked == []


@pytest.mark.parametrize("name, place", [("horse2zebra", "cyclegan/datasets/horse2zebra.zip"),
                                         ("night2day", "pix2pix/datasets/night2day.tar.gz")])
@pytest.mark.parametrize("inner", ["../outside.txt", "a/../../outside.txt"])
def test_an_archive_cannot_write_beside_its_folder(server, tmp_path, capsys, name, place, inner):
    publish(server[1], place, {inner: b"escaped"})
    code, said = refusal(capsys, tmp_path, server[0], name)
    assert code == 2 and "would write outside of its folder" in said
    assert not list(tmp_path.rglob("outside.txt"))


def test_absolute_names_lead_nowhere_else(server, tmp_path, capsys):
    inner = f"{tmp_path}/outside.txt"
    publish(server[1], "cyclegan/datasets/horse2zebra.zip", {inner: b"escaped"})
    assert refusal(capsys, tmp_path, server[0], "horse2zebra")[0] == 2
    publish(server[1], "pix2pix/datasets/night2day.tar.gz", {inner: b"kept inside"})
    command(tmp_path, server[0], "night2day")  # a tar's leading slash is taken off
    assert not (tmp_path / "outside.txt").exists()
    assert (tmp_path / "sets/night2day" / inner.lstrip("/")).read_bytes() == b"kept inside"


@pytest.mark.parametrize("name, place", [("horse2zebra", "cyclegan/datasets/horse2zebra.zip"),
                                         ("night2day", "pix2pix/datasets/night2day.tar.gz")])
def test_a_damaged_archive_is_told_and_leaves_nothing(server, tmp_path, capsys, name, place):
    path = publish(server[1], place, {f"{name}/1.jpg": bytes(range(256)) * 100})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 4] = b"\xff\x00\xff\x00"
    path.write_bytes(content)
    code, said = refusal(capsys, tmp_path, server[0], name)
    assert code == 2 and "is damaged" in said and "delete it" in said
    assert [path.suffix for path in (tmp_path / "sets").iterdir()] in ([".zip"], [".gz"])


@pytest.mark.parametrize("name, said", [
    ("maps", "is the name of several: cyclegan/maps, pix2pix/maps"),
    ("map2sat", "is the name of several: cyclegan-models/map2sat, pix2pix-models/map2sat"),
    ("horses", "'horses' is not known. Known:\ncyclegan:"),
    ("cyclegan/cityscapes", "Cityscapes may not be passed on"),
])
def test_names_that_are_none(name, said):
    with pytest.raises(download.UserError, match=said.replace("(", r"\(")):
        download.choose(name)


def test_without_a_name_everything_is_listed(capsys):
    download.main([])
    out = capsys.readouterr().out
    assert all(name in out for collection in download.COLLECTIONS.values() for name in collection.names)
