"""Files that another process appends to: what is new in them, and how they end."""
from __future__ import annotations

from contextlib import suppress
from pathlib import Path

COMPARED = 64  # bytes before the place read up to, by which a file is known again that was cut and has grown since


class NewLines:
    """The lines of a text file as they come. began_anew: the file was cut or replaced, and is read from its beginning.
    """

    def __init__(self, path: Path):
        self.path, self.began_anew = path, False
        self._place, self._before = 0, b""

    def read(self) -> list[str]:
        """The lines that are complete and were not there at the last call; [] when there is no such file."""
        self.began_anew = False
        try:
            if self.path.stat().st_size == self._place:
                return []
            with self.path.open("rb") as file:
                file.seek(self._place - len(self._before))
                found = file.read()
                if not found.startswith(self._before):
                    file.seek(0)
                    found, self._place, self._before, self.began_anew = file.read(), 0, b"", True
        except OSError:
            self.began_anew = self._place > 0
            self._place, self._before = 0, b""
            return []
        new = found[len(self._before):]
        whole = new[:new.rfind(b"\n") + 1]
        self._place += len(whole)
        self._before = (self._before + whole)[-COMPARED:]
        return whole.decode("utf-8", "replace").splitlines()


def ending(path: Path, size: int = 16_000) -> str:
    """The last `size` bytes of a file as text, of each line what a terminal would show; '' when there is none."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        lines = file.read().decode("utf-8", "replace").split("\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return ""
