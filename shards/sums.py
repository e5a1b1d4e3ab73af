"""The checksums of a folder's shards, in a file that `sha256sum --check SHA256SUMS` reads too."""
from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from util.files import write_atomically

FILE = "SHA256SUMS"


class Sums:
    """Of each shard by its name its SHA-256, in hexadecimal digits; none where there is no such file."""

    def __init__(self, folder: Path):
        self.path, self.known = folder / FILE, dict[str, str]()
        lines = self.path.read_text(errors="replace").splitlines() if self.path.is_file() else []
        for digest, _, name in (line.partition("  ") for line in lines):  # the last line of a name counts
            self.known[name] = digest

    def add(self, name: str, digest: str) -> None:
        """That of one more shard, or of another one of that name. Raises OSError."""
        self.known[name] = digest
        with self.path.open("a") as file:
            file.write(f"{digest}  {name}\n")

    def keep(self, names: Collection[str]) -> None:
        """Write the file anew, with these shards alone. Raises OSError."""
        self.known = {name: self.known[name] for name in names}
        write_atomically(self.path, "".join(f"{digest}  {name}\n" for name, digest in self.known.items()))
