"""A trained generator as a function from pictures to pictures."""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from door.given import Given, Taken, take, take_file
from door.looking import Looked, look_at
from door.preparing import Preparing
from engine.device import choose_device
from engine.engine import Engine
from engine.shortage import explain_shortage
from models.network_options import NetworkOptions
from opening import MEMORY_ADVICE, make_engine
from options.groups import TestCommandOptions
from options.schema import Options
from raster.bad_image import BadImage
from raster.picture import Picture
from raster.value_range import ValueRange
from runs.trained_run import open_run
from util.errors import MachineError, UserError

if TYPE_CHECKING:
    from door.files import Progress


AHEAD = 4  # files that are read while others are translated


class _Options(TestCommandOptions, NetworkOptions):
    """What a translator reads of its options."""


class Translator:
    """Translates pictures with the generator of a run: the same pixels as test.py by the same options.

    Threads may share it; where the generator has noise (dropout, without eval=True) they wait for each other.
    run: the folder it was loaded from; device: where it computes.
    """

    def __init__(self, options: Options, engine: Engine):
        self.options, self.engine = options, engine
        self.opt = opt = options.view(_Options)
        self.run, self.device = Path(opt.checkpoints_dir, opt.name), engine.device
        self.preparing = Preparing(options)

    def __call__(self, picture: Given | Sequence[Given], batch_size: int = 1) -> Any:
        """The translation of a picture, or a list of those of several, each of the kind that was given:

        a path or the bytes of a file: a Pillow image if it is gray or RGB of 8 bits, else an array (H, W, C);
        a Pillow image: the same; a numpy array (H, W) or (H, W, C): an array of its type;
        a tensor (C, H, W) or (B, C, H, W) in [-1, 1]: such a tensor, on its device. It counts as prepared: it is
        neither scaled nor cropped, and any size comes back as it is.
        batch_size: how many pictures of one size are translated at once, at most.
        Raises UserError for what cannot be read or does not fit the generator, MachineError for too little memory.
        """
        if isinstance(picture, (list, tuple)):
            return list(self.each(picture, batch_size))
        return next(self.each([cast(Given, picture)], batch_size))

    def each(self, pictures: Iterable[Given], batch_size: int = 1) -> Iterator[Any]:
        """The translations one by one, for more pictures than memory holds."""
        if batch_size < 1:
            raise UserError(f"batch_size {batch_size} is too small, expected at least 1")
        return self._each((take(picture, self.preparing) for picture in pictures), batch_size)

    def pictures(self, looked: Mapping[Path, ValueRange], batch_size: int = 1, bad: list[BadImage] | None = None
                 ) -> Iterator[tuple[Path, Picture]]:
        """The files that `look_at` gave, with their translations as arrays, which know what their files do.

        bad: takes the errors of files that cannot be read, which are then left out; without it they are raised.
        """
        return self._each(self._readable(looked, bad), batch_size)

    def look_at(self, files: Sequence[Path], moves: Callable[[Path], bool] = lambda path: False) -> Looked:
        """Look whether files can be read, and which values they use together: the range of each that can, in order, and
        notices. moves: of a file with several frames, whether it is left to `translate_file`.

        UserError when one cannot, but with skip_bad_images only when none can.
        """
        return look_at(files, self.options, self.preparing.preprocess, moves)

    def _readable(self, looked: Mapping[Path, ValueRange], bad: list[BadImage] | None) -> Iterator[Taken]:
        """The files, ready for the generator; read ahead in threads."""
        preparing = replace(self.preparing, ranges=looked)
        with ThreadPoolExecutor(AHEAD) as pool:
            waiting: deque[Future[Taken]] = deque()
            for path in chain(looked, [None]):
                if path is not None:
                    waiting.append(pool.submit(take_file, path, preparing))
                while waiting and (path is None or len(waiting) > AHEAD):
                    try:
                        yield waiting.popleft().result()
                    except BadImage as error:
                        if bad is None:
                            raise
                        bad.append(error)

    def _each(self, given: Iterable[Taken], batch_size: int) -> Iterator[Any]:
        for group in _of_one_size(given, batch_size):
            made = self.translate(torch.cat([taken.units for taken in group]), batch_size)
            for taken, own in zip(group, made.split([len(taken.units) for taken in group]), strict=True):
                yield taken.give_back(own)

    def translate(self, units: Tensor, batch_size: int = 1) -> Tensor:
        """(B, C, H, W) in [-1, 1] to (B, C', H, W), in sizes that the generator takes."""
        with explain_shortage(MEMORY_ADVICE):
            return torch.cat([self._answer(part).float() for part in units.split(batch_size)])

    def _answer(self, units: Tensor) -> Tensor:
        if self.opt.model != "colorization":
            return self.engine.translate({"A": units})["fake"]
        from data.colorization_dataset import lightness_and_colours

        lightness, colours = lightness_and_colours(units)
        return self.engine.model.visuals(self.engine.translate({"A": lightness, "B": colours}))["fake_B_rgb"]

    def translate_file(self, source: str | os.PathLike[str], target: str | os.PathLike[str],
                       tile: str | int | None = None, tile_norm: str = "exact", batch_size: int = 1,
                       progress: Progress | None = None) -> list[str]:
        """Translate a file into another one, whose ending says its format: a picture, an animated one (GIF, WebP,
        APNG), or a video frame by frame, with its sound. Missing folders are made, an existing file is replaced.

        tile: 'auto' or a side in pixels: from disk to disk in bounded memory, at the picture's own size, as test.py
        --tile, with its --tile_norm; a call that was killed goes on. progress: is told (frames done, frames in all or
        0) after each batch, with tile (arithmetic done, in all).
        Returns notices about what could not be kept. UserError when it cannot be read or written so, MachineError for
        too little memory or disk.
        """
        from door.files import translate_file
        from door.giants import translate_giant
        from door.jobs import identities, require_another

        require_another(Path(target), identities([Path(source)]))
        show = progress or (lambda done, total: None)
        try:
            with explain_shortage(MEMORY_ADVICE):
                if tile is not None:
                    return translate_giant(self, Path(source), Path(target), tile, tile_norm, show)
                return translate_file(self, Path(source), Path(target), batch_size, show)
        except OSError as error:
            raise MachineError(f"{source} was not translated into {target}: {error}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, for another process, it is its options and its device, and opened there from the run's folder."""
        return open_translator, (self.options, self.device)

    def __repr__(self) -> str:
        opt, (name,) = self.opt, self.engine.model.nets
        return (f"<translator {name} of {self.run}, {opt.epoch if not opt.load_iter else f'iter {opt.load_iter}'}: "
                f"{opt.direction}, {opt.netG}, {opt.input_nc} to {opt.output_nc} channels, preprocess "
                f"{opt.preprocess}, on {self.device}>")


def open_translator(options: Options, device: str | torch.device | None = None) -> Translator:
    """The translator of the run that the options name. device: where to compute; None: as --gpu_ids says.

    UserError when weights are missing or do not fit, or there is no such device.
    """
    opt = options.view(TestCommandOptions)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    place = choose_device(opt.gpu_ids, options.given("gpu_ids")) if device is None else _device(device)
    return Translator(options, make_engine(options, place, run))


def _device(asked: str | torch.device) -> torch.device:
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(f"device {asked!r} is not there: {(str(error).splitlines() or [''])[0]}; leave it out for the "
                        "best there is, or give 'cpu'") from None
    return device


def _of_one_size(taken: Iterable[Taken], most: int) -> Iterator[list[Taken]]:
    """The taken in order, in groups of at most `most` that may be stacked."""
    group: list[Taken] = []
    for one in chain(taken, [None]):
        if group and (one is None or len(group) == most or not _stacks(group[0], one)):
            yield group
            group = []
        if one is not None:
            group.append(one)


def _stacks(one: Taken, other: Taken) -> bool:
    return one.units.shape[1:] == other.units.shape[1:] and one.units.device == other.units.device
