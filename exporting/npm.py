"""onnxruntime-web, which runs ONNX in browsers: brought from npm once, checked, and kept in the user's cache."""
from __future__ import annotations

import base64
import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from util.download import Unreachable, fetch
from util.errors import MachineError, UserError
from util.user_cache import user_cache

VERSION = "1.30.0"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, as the registry tells it."""
REGISTRY = "https://registry.npmjs.org"
PACKAGE = f"onnxruntime-web-{VERSION}.tgz"


def package(given: str) -> Path:
    """The file of the package, whole. given: --onnxruntime_web; '': that of the cache, brought, with a bar, if need be.

    UserError when the file that was given is another one, MachineError when the network does not give it.
    """
    if given:
        path = Path(given)
        if not path.is_file():
            raise UserError(f"--onnxruntime_web {path} is no file; {_where_to_get()}")
        if not _is_whole(path):
            raise UserError(f"--onnxruntime_web {path} is not {PACKAGE}, or is damaged: its SHA-512 is another one; "
                            f"{_where_to_get()}")
        return path
    path = user_cache() / PACKAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not (path.is_file() and _is_whole(path)):
            _bring(path)
    return path


def unpack(path: Path, wanted: Mapping[str, Path]) -> None:
    """Write files of the package. wanted: name in its folder dist -> where it goes. UserError when one is missing."""
    with tarfile.open(path) as held:
        for name, target in wanted.items():
            try:
                content = held.extractfile(f"package/dist/{name}")
            except KeyError:
                content = None
            if content is None:
                raise UserError(f"{path} holds no dist/{name}; expected {PACKAGE}")
            target.write_bytes(content.read())


def _bring(path: Path) -> None:
    try:
        with tqdm(unit="B", unit_scale=True, desc=path.name) as bar:
            def told(done: int, size: int | None) -> None:
                bar.total = size
                bar.update(done - bar.n)
            fetch(f"{REGISTRY}/onnxruntime-web/-/{PACKAGE}", path, told)
    except Unreachable as error:
        raise MachineError(f"{error}. The page needs it; {_where_to_get()}") from None
    if not _is_whole(path):
        path.unlink()
        raise MachineError(f"{REGISTRY} gave another {PACKAGE} than expected (its SHA-512 is another one), and it was "
                           f"thrown away; try again, or: {_where_to_get()}")


def _is_whole(path: Path) -> bool:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha512").digest()
    return found == base64.b64decode(INTEGRITY)


def _where_to_get() -> str:
    return (f"on a machine with network, get {REGISTRY}/onnxruntime-web/-/{PACKAGE} (33 MB, or npm pack "
            f"onnxruntime-web@{VERSION}), and give it with --onnxruntime_web {PACKAGE}")
