"""examples/ray_translate.py: a folder in, a folder out, also when the process that translates is killed."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bothways
from helpers.commands import ROOT
from helpers.images import read_pixels, write_image

sys.path.insert(0, str(ROOT / "examples"))

import ray_translate

COUNT = 300


def actors() -> list[int]:
    """The processes of Ray Data that translate."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"MapWorker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def standings(folder: Path) -> dict[Path, tuple[int, int]]:
    """What tells a file from one that was written in its place later."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.png")}


@pytest.mark.slow
def test_an_actor_that_is_killed_is_replaced_and_each_image_comes_out_once(trained, tmp_path: Path):
    pytest.importorskip("ray", reason="Ray is NOT TESTED: pip install .[ray]")
    run, photos, out = trained("--model pix2pix"), tmp_path / "photos", tmp_path / "out"
    write_image(photos / "0.png", seed=0)
    for number in range(1, COUNT):
        shutil.copy(photos / "0.png", photos / f"{number % 3}_{number}.png")
    (photos / "bad.png").write_bytes(b"no image")
    before = set(actors())
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", "HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, ROOT / "examples/ray_translate.py", "--run", run, "--dataroot", photos,
                                "--output", out, "--actors", "1"], cwd=tmp_path, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not any(out.glob("*.png")) and process.poll() is None:
        time.sleep(0.002)
    for pid in set(actors()) - before:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.05)
    made = standings(out)
    said, _ = process.communicate(timeout=240)
    assert 0 < len(made) < COUNT, said
    assert process.returncode == 2 and "error: 1 files could not be translated" in said and "bad.png" in said, said
    after = standings(out)
    assert {path.name for path in after} == {path.name for path in photos.iterdir()} - {"bad.png"}
    assert made.items() <= after.items()  # what was there was not made again
    assert [path for path in out.rglob("*") if path not in after and not path.is_dir()] == []
    expected = bothways.load(run, device="cpu")(photos / "0.png")
    assert all((read_pixels(path) == expected).all() for path in list(after)[::50])


def test_ray_that_is_missing_is_named(tmp_path: Path, monkeypatch, failure):
    write_image(tmp_path / "photos/0.png", seed=0)
    monkeypatch.setitem(sys.modules, "ray", None)
    code, said = failure(ray_translate.main, ["--run", "x", "--dataroot", str(tmp_path / "photos"), "--output", "out"])
    assert code == 2 and re.search("ray_translate.py needs ray, .*pip install ..ray.", said)
