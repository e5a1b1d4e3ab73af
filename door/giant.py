"""A picture larger than memory, translated from file to file: tile by tile, and going on after a kill."""
from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.pixels import mirrored
from data.room import amount, free_memory, free_on
from engine.precision import autocast
from raster.names import split_page
from raster.picture import Header, Picture
from raster.reading import with_channels
from raster.region_reading import open_region_reader
from raster.region_writing import RegionWriter, open_region_writer, partial_of
from raster.results import kept_no_data, kept_origin, native
from raster.value_range import ValueRange
from raster.writing import require_format
from runs.lock import locked
from tiles.plan import make_plan
from tiles.standing import fingerprint
from tiles.standing import forget as forget_tiles
from tiles.translating import Box, translate_tiled
from util.errors import MachineError
from util.files import write_atomically

MEMORY = 3 * 2**29  # bytes: larger tiles win next to nothing
SHARE = 0.5  # of what is free


@dataclass(frozen=True)
class Way:
    """How pictures larger than memory are translated.

    tile: side of a tile in pixels; None: the largest that the memory allows. norm: 'exact', 'thumbnail' or 'local', see
    tiles/plan.py. multiple, least: the sides in pixels that the generator accepts. channels: that it takes and gives.
    seed: of its noise. max_pixels: of files that cannot be read in parts. precision: see engine/precision.py.
    """

    tile: int | None
    norm: str
    multiple: int
    least: int
    channels: tuple[int, int]
    seed: int
    max_pixels: float
    precision: str = "fp32"


def memory_for_tiles(device: torch.device) -> int:
    """Bytes that a translation may take beside the program itself: half of what is free, at most MEMORY."""
    return int(min(SHARE * free_memory(), SHARE * free_on(device), MEMORY))


class Giant:
    """The translation of one picture. Opened, it knows its `plan`; nothing is written before `translate`.

    net: the generator, in the mode in which it shall translate. values_in, values_out: what -1 and 1 are in the source
    and in the target, with types. Raises UserError where the file cannot be read in parts, or the generator cannot be
    taken apart.
    """

    def __init__(self, net: nn.Module, source: Path, target: Path, values_in: ValueRange, values_out: ValueRange,
                 way: Way):
        self.net, self.source, self.target, self.way = net, source, target, way
        self.device = next(net.parameters()).device
        self.values_in, self.values_out, self.dtype = values_in, values_out, np.dtype(values_out.dtype)
        self.reader = reader = open_region_reader(source, way.max_pixels)
        require_format(target, self.dtype, way.channels[1])
        self.header = Header(reader.size, reader.channels, reader.dtype, 1, reader.origin,
                             kept_no_data(self.dtype, reader.no_data))
        smallest = ceil(way.least / way.multiple) * way.multiple
        height, width = (max(ceil(side / way.multiple) * way.multiple, smallest) for side in reversed(reader.size))
        self.padded = height, width
        begun = None if way.tile else self._begun().get("tile")  # what was begun keeps its tiles
        self.plan = make_plan(self.net, self.padded, way.tile or begun, way.norm, memory_for_tiles(self.device))

    @property
    def scratch(self) -> Path:
        """The folder beside the target that holds what is needed until it is complete."""
        return self.target.with_name(f".{self.target.name}.scratch")

    @property
    def bytes(self) -> int:
        """Of the target's values."""
        return prod(self.reader.size) * self.way.channels[1] * self.dtype.itemsize

    def describe(self) -> str:
        """The plan in words."""
        width, height = self.reader.size
        lines = [f"{self.source}: {width}x{height} pixels, {self.reader.channels} channels of {self.reader.dtype.name}",
                 f"to {self.target}: {self.way.channels[1]} channels of {self.dtype.name}, {amount(self.bytes)}",
                 self.plan.describe()]
        return "\n".join(lines).replace("\n", "\n  ")

    @torch.no_grad()
    def seconds(self) -> float:
        """How long the translation will take, measured on one tile."""
        side = min(self.plan.tile, *self.padded)
        tile = torch.zeros(1, self.way.channels[0], side, side, device=self.device)
        with self._arithmetic():
            self.net(tile[..., :self.way.multiple * 16, :self.way.multiple * 16])  # which prepares libraries
            begin = time.perf_counter()
            self.net(tile).sum().item()
        one_pass = (time.perf_counter() - begin) * prod(self.padded) / side**2
        return one_pass * self.plan.flops / self.plan.flops_of_one_pass

    def is_done(self) -> bool:
        """Whether an earlier process finished this very translation, and noted it (`translate`)."""
        return self.target.exists() and _read(self._note) == self._identity()

    def translate(self, show: Callable[[int, int], None], note: bool = False) -> None:
        """Write the target; going on where a killed process left it.

        show: is told what of the arithmetic is done, and how much it is in all. note: leave a note for `is_done`, which
        `forget` removes. Raises MachineError when the disk has too little room, UserError for a damaged file or when
        another process writes the target; KeyboardInterrupt says how to go on.
        """
        with locked(self.target.with_name(f".{self.target.name}.lock"), f"{self.target} is being written"):
            try:
                self._translate(show, note)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"{self.target} is not complete; the same again goes on with it") from None
            except OSError as error:
                raise MachineError(f"{self.target} is not complete: {error}\nWhat was done is kept: mend that, and the "
                                   "same again goes on with it") from None

    def _translate(self, show: Callable[[int, int], None], note: bool) -> None:
        self._begin()
        writer = open_region_writer(self.target, self.reader.size, self.way.channels[1], self.dtype,
                                    kept_origin(self.header, self.reader.size, self.way.channels[1]),
                                    self.header.no_data)
        if not writer.found:
            forget_tiles(self.scratch)  # the tiles that are noted there are gone

        def finish() -> None:
            writer.close()
            if note:
                write_atomically(self._note, json.dumps(self._identity()))

        try:
            with self._arithmetic():
                translate_tiled(self.net, self.padded, self._read, lambda box, made: self._write(writer, box, made),
                                self.plan, self.scratch, show, seed=self.way.seed, source=self._described(),
                                finish=finish)
        except BaseException:
            writer.leave()
            raise
        shutil.rmtree(self.scratch)

    def forget(self) -> None:
        """Remove the note, and close the source: it will not be asked for any more."""
        if self._note.exists():
            shutil.rmtree(self.scratch, ignore_errors=True)  # of a process that was killed in between
            self._note.unlink()
        self.reader.close()

    def _arithmetic(self) -> AbstractContextManager[Any]:
        return autocast(self.way.precision, self.device, cache=True)

    @property
    def _note(self) -> Path:
        return self.target.with_name(f".{self.target.name}.done")

    def _described(self) -> str:
        """All that the target depends on beside the generator and the plan."""
        status = split_page(self.source)[0].stat()
        return json.dumps([str(self.source.resolve()), status.st_size, status.st_mtime_ns, self.reader.size,
                           str(self.values_in), str(self.values_out), self.way.norm, self.way.precision])

    def _identity(self) -> dict[str, Any]:
        return {"is": fingerprint(self.net, self.way.tile, self.way.seed, self._described())}

    def _begun(self) -> dict[str, Any]:
        """What an earlier process noted of a translation like this; {} where there is none, or one of other values."""
        noted = _read(self.scratch / "job.json")
        return noted if noted.get("described") == self._described() else {}

    def _begin(self) -> None:
        """Make the scratch folder, unless an earlier process has left that of this translation."""
        if self._begun().get("tile") != self.plan.tile or not partial_of(self.target).exists():
            shutil.rmtree(self.scratch, ignore_errors=True)
            partial_of(self.target).unlink(missing_ok=True)
            self._require_room()
            write_atomically(self.scratch / "job.json",
                             json.dumps({"described": self._described(), "tile": self.plan.tile}))

    def _require_room(self) -> None:
        folder = next(folder for folder in self.target.absolute().parents if folder.exists())
        needed, free = self.bytes + self.plan.scratch, shutil.disk_usage(folder).free
        if needed > free:
            raise MachineError(f"{self.target} needs {amount(needed)} in {folder}, where {amount(free)} are free: "
                               f"{amount(self.bytes)} for itself, {amount(self.plan.scratch)} until it is complete; "
                               "make room, or write to another disk")

    def _values(self, box: Box) -> Picture:
        """The part of the picture in a box that may reach beyond it, where it is continued by its reflection."""
        width, height = self.reader.size
        rows, columns = mirrored(height, box.top, box.height), mirrored(width, box.left, box.width)
        top, left = int(rows.min()), int(columns.min())
        part = self.reader.read(top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)
        if box.top + box.height > height or box.left + box.width > width:
            part = part[rows - top][:, columns - left]
        return with_channels(Picture(part, self.reader.origin, self.reader.no_data), self.way.channels[0], self.source)

    def _read(self, box: Box) -> Tensor:
        """The values in a box as the generator takes them: (1, C, h, w) in [-1, 1]; -1 where there are none."""
        picture = self._values(box)
        unit, void = self.values_in.to_unit(picture.values), picture.void()
        if void is not None:
            unit[void] = -1
        return torch.from_numpy(np.ascontiguousarray(unit.transpose(2, 0, 1)))[None].to(self.device)

    def _write(self, writer: RegionWriter, box: Box, made: Tensor) -> None:
        """Write what was made in a box, as far as it lies in the picture."""
        width, height = self.reader.size
        box = box._replace(height=min(box.height, height - box.top), width=min(box.width, width - box.left))
        if box.height <= 0 or box.width <= 0:
            return
        may_be_void = self.reader.no_data is not None or self.reader.dtype.kind == "f"
        unit = made[0, :, :box.height, :box.width].float().cpu().numpy()
        result = native(unit, self.values_out, self.header, self._values(box).void() if may_be_void else None)
        writer.write(box.top, box.left, result.values)


def _read(path: Path) -> dict[str, Any]:
    """What a JSON file holds; {} where it is missing or damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
