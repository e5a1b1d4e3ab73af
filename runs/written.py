"""The pictures of a test in its folder: views of 8 bits for the page, and beside them files with their own values."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.contract import Batch
from options.groups import TestCommandOptions
from options.schema import did_you_mean
from pages.bands import read_bands, shown_bands
from pages.picture_writer import PictureWriter
from pages.pictures import to_pictures
from pages.results_folder import OwnValues
from raster.picture import Header
from raster.results import native
from raster.value_range import ValueRange
from raster.writing import ENDINGS, ending_for, write_picture
from runs.shown import Like, Likeness, Sample
from util.errors import UserError

WHITE = 255  # of pixels without data, in views
MAPS = "_std"  # ends the label of a map, which is a picture of 8 bits and nothing else


class WrittenResults:
    """Writes the pictures of samples. lost: what files lack of those they were made from, with their names."""

    def __init__(self, folder: Path, likeness: Likeness, opt: TestCommandOptions, writer: PictureWriter):
        """UserError when --show_bands names bands that no picture has."""
        self.folder, self.likeness, self.opt, self.writer = folder, likeness, opt, writer
        self.bands = read_bands(opt.show_bands, (opt.input_nc, opt.output_nc))
        self.lost: dict[str, list[str]] = {}

    def chosen(self, labels: Sequence[str]) -> list[str]:
        """Those of the labels that --save names. UserError, with the known ones, when it names others."""
        wanted = [word.strip() for word in self.opt.save.split(",") if word.strip()]
        for label in wanted:
            if label not in labels:
                raise UserError(f"--save {self.opt.save}: there is no picture {label}{did_you_mean(label, labels)}. "
                                f"Known: {', '.join(labels)}")
        return [label for label in labels if label in wanted] if wanted else list(labels)

    def write(self, name: str, sample: Sample, batch: Batch, index: int) -> dict[str, OwnValues]:
        """Write the pictures of a sample, soon; returns which have files with their own values, by label."""
        own: dict[str, OwnValues] = {}
        for label in self.chosen(list(sample)):
            image, like = sample[label], self.likeness.of(label, batch, index)
            if not label.endswith(MAPS) and (ending := self._ending(image.shape[0], like, like.is_plain(image))):
                own[label] = self._write_values(f"{name}_{label}.{ending}", image.numpy(), like)
            else:
                like = like._replace(void=None)
            view = to_pictures(image[None], self.bands)[0]
            if like.void is not None:
                view[like.void[0].numpy()] = WHITE
            shown = view if len(shown_bands(len(image), self.bands)) == 3 else view[:, :, 0]
            self.writer.save(self.folder / "images" / f"{name}_{label}.png", shown, self.opt.aspect_ratio)
        return own

    def _ending(self, channels: int, like: Like, plain: bool) -> str:
        """Of the file with an image's own values; '' where the view holds them."""
        if plain and self.opt.format == "auto":
            return ""
        origin = self.likeness.header_of(like.file).origin
        ending = ending_for(self.opt.format, origin, np.dtype(like.values.dtype), channels)
        return "" if plain and ending == "png" else ending

    def _write_values(self, file: str, unit: np.ndarray, like: Like) -> OwnValues:
        header, void = self.likeness.header_of(like.file), None if like.void is None else like.void.numpy()
        self._note_losses(file, unit.shape, header, void is not None)
        path = self.folder / "values" / file
        self.writer.soon(lambda: write_picture(path, native(unit, like.values, header, void)))
        shown = caption(like.values, len(unit), self.bands)
        return OwnValues(file, str(like.values), len(unit), void is not None, shown)

    def _note_losses(self, file: str, shape: tuple[int, ...], header: Header, void: bool) -> None:
        """Remember what the file cannot keep."""
        what = {"resolution": "the resolution" * bool(header.origin.resolution),
                "tags": "the place (geo tags, affine)" * bool(header.origin.tags)}
        known = [said for said in what.values() if said]
        keeps = ENDINGS[file.rpartition(".")[2].replace("gz", "nii.gz")].keeps
        if known and (shape[2], shape[1]) != header.size:
            self._lose(f"{' and '.join(known)} of the input, since sizes differ", file)
            known = []
        missing = [said for kept, said in what.items() if said in known and kept not in keeps]
        missing += ["which value means no data"] * (void and "no_data" not in keeps)
        if missing:
            self._lose(f"{' and '.join(missing)}, which such files do not keep (--format tiff does)", file)

    def _lose(self, what: str, file: str) -> None:
        self.lost.setdefault(what, []).append(file)


def told(lost: Sequence[Mapping[str, Sequence[str]]]) -> list[str]:
    """Notices of what files could not keep. lost: of each process."""
    files: dict[str, list[str]] = {}
    for own in lost:
        for what, names in own.items():
            files.setdefault(what, []).extend(names)
    return [f"note: {len(names)} files in values/, such as {names[0]}, lack {what}" for what, names in files.items()]


def describe_values(own: Sequence[OwnValues]) -> dict[str, str]:
    """What a page says of files with their own values; nothing where there are none."""
    if not own:
        return {}
    white = "; pixels without data are white" if any(one.void for one in own) else ""
    return {"values": f"the pictures are views of 8 bits, black and white at the values named below them{white}; the "
                      "links lead to the files in values/, which hold all values"}


def caption(values: ValueRange, channels: int, bands: tuple[int, ...]) -> str:
    """What a view shows of a picture: '0 to 4095, bands 4, 3, 2 of 13'."""
    window = f"{values.low:g} to {values.high:g}"
    if channels in (1, 3):
        return window
    shown = shown_bands(channels, bands)
    return f"{window}, band{'s' * (len(shown) > 1)} {', '.join(map(str, shown))} of {channels}"
