"""onnxruntime-web from a registry on this machine: checked, resumed, kept."""
import base64
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import export
from exporting import npm
from helpers.file_server import Ranges, serving
from helpers.saved_runs import save_run
from util.errors import MachineError, UserError


def package_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


PACKED = package_of({"ort.mjs": b"run" * 1000, "noise": bytes(range(256)) * 40})


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the registry keeps the package, which is not there yet; the cache is empty."""
    monkeypatch.setattr(npm, "INTEGRITY", base64.b64encode(hashlib.sha512(PACKED).digest()).decode())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Ranges, "cuts", [])
    monkeypatch.setattr(Ranges, "asked", [])
    published = tmp_path / "registry" / "onnxruntime-web" / "-" / npm.PACKAGE
    published.parent.mkdir(parents=True)
    with serving(tmp_path / "registry", Ranges) as address:
        monkeypatch.setattr(npm, "REGISTRY", address)
        yield published


def test_the_package_is_brought_once_and_goes_on_where_it_was_cut_off(registry, tmp_path):
    registry.write_bytes(PACKED)
    Ranges.cuts[:] = [100, 200]
    path = npm.package("")
    assert path == tmp_path / "cache" / "bothways" / npm.PACKAGE and path.read_bytes() == PACKED
    assert Ranges.asked == ["", "bytes=100-", "bytes=300-"]
    assert npm.package("") == path and len(Ranges.asked) == 3
    npm.unpack(path, {"ort.mjs": tmp_path / "here.mjs"})
    assert (tmp_path / "here.mjs").read_bytes() == b"run" * 1000
    with pytest.raises(UserError, match=f"{path} holds no dist/ort.wasm; expected {npm.PACKAGE}"):
        npm.unpack(path, {"ort.wasm": tmp_path / "here.wasm"})


def test_a_damaged_package_is_thrown_away(registry, tmp_path):
    registry.write_bytes(PACKED[:-1] + b"x")
    with pytest.raises(MachineError, match="its SHA-512 is another one.*try again.*--onnxruntime_web"):
        npm.package("")
    registry.write_bytes(PACKED)
    assert npm.package("").read_bytes() == PACKED
    (tmp_path / "cache" / "bothways" / npm.PACKAGE).write_bytes(b"rotten")
    assert npm.package("").read_bytes() == PACKED  # one that rots in the cache is brought anew


def test_without_the_registry_the_flag_is_named(registry, tmp_path, monkeypatch, failure):
    pytest.importorskip("onnx")
    with pytest.raises(MachineError, match=f"answers 404.*give it with --onnxruntime_web {npm.PACKAGE}"):
        npm.package("")
    registry.write_bytes(PACKED)
    assert npm.package(str(registry)) == registry and Ranges.asked == []
    registry.write_bytes(PACKED[:50])
    monkeypatch.chdir(tmp_path)
    save_run(tmp_path / "checkpoints" / "maps")
    code, told = failure(export.main, ["--name", "maps", "--to", "web", "--onnxruntime_web", str(registry)])
    assert code == 2 and f"{registry} is not {npm.PACKAGE}, or is damaged" in told
    code, told = failure(export.main, ["--name", "maps", "--to", "web", "--onnxruntime_web", "ort.tgz"])
    assert code == 2 and "--onnxruntime_web ort.tgz is no file" in told
    registry.unlink()
    code, told = failure(export.main, ["--name", "maps", "--to", "web"])
    assert code == 1 and "--onnxruntime_web" in told and not Path("exports").exists()
