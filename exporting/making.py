"""An export from the run to its place: written beside it, compared with PyTorch, and only then put there."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from door.asking import ask_for_run
from door.translator import open_translator
from engine.shortage import explain_shortage
from exporting import kinds
from exporting.card import LIBRARY_LINE, card
from exporting.command_line import ExportOptions
from exporting.contract import Export, Kind
from exporting.facts import gather
from exporting.metadata import modes
from exporting.parity import Parity, compare
from exporting.pictures import find_pictures
from exporting.usage import advice
from options.schema import Options
from runs.lock import locked
from util.errors import UserError
from util.files import remove, require_places, temporary_beside, write_atomically

MEMORY_ADVICE = "these make it need less: fewer and smaller pictures (--num_test, --dataroot)"


@dataclass(frozen=True)
class Made:
    """place: of the export; card: the page beside it; modes: how dropout and batch norm behave, by name; advice: lines
    for the user."""

    place: Path
    card: Path
    modes: dict[str, str]
    parity: Parity
    advice: list[str]


def make(options: Options) -> Made:
    """The export that was asked for. UserError when it cannot be, or does not answer as PyTorch does; what lay in its
    place is then untouched.
    """
    opt = options.view(ExportOptions)
    kind = kinds.find(opt.to)
    _refuse_general(opt, kind)
    kind.refuse(opt)
    export = open_export(options)
    place = place_of(export, kind)
    _require_free(place, kind, opt)
    with explain_shortage(MEMORY_ADVICE), _aside(place) as target:
        kind.write(export, target)
        parity = compare(export, kind, target)
        write_atomically(_card_of(target, kind), card(export, kind, parity, place))
    return Made(place, _card_of(place, kind), modes(export.net), parity, advice(export, kind, place))


def open_export(options: Options) -> Export:
    """The run that the options name, opened on the CPU, and pictures. UserError as test.py."""
    opt = options.view(ExportOptions)
    words = ("epoch", "load_iter", "weights", "eval", "seed")
    given = {name: getattr(opt, name) for name in words} | {
        name: getattr(opt, name) for name in ("direction", "no_dropout", "value_range", "input_range", "output_range")
        if options.given(name)} | {"autotune": "off"}  # graphs are captured of torch's own layers
    taken = ask_for_run(Path(opt.checkpoints_dir, opt.name), given)
    translator = open_translator(taken, "cpu")
    (net,) = translator.engine.model.nets.values()
    return Export(opt, translator, net, gather(translator), find_pictures(opt, taken))


def place_of(export: Export, kind: Kind) -> Path:
    """Where the export goes: --output, a file or a folder for it; or exports/NAME_DIRECTION_EPOCH with the kind's
    ending.
    """
    test, output = export.translator.opt, export.opt.output
    saved = f"iter_{test.load_iter}" if test.load_iter else test.epoch
    name = f"{Path(test.name).name}_{test.direction}_{saved}{kind.ENDING or f'_{kind.NAME}'}"
    if not output:
        return Path("exports", name)
    inside = kind.ENDING and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    return Path(output, name) if inside else Path(output)


def _card_of(place: Path, kind: Kind) -> Path:
    return place.with_name(f"{place.name}.card.md") if kind.ENDING else place / "README.md"


def _refuse_general(opt: ExportOptions, kind: Kind) -> None:
    """UserError for options of one kind that are given to another."""
    graph = kind.NAME in ("onnx", "torch_export", "torchscript")
    for wrong, said in ((opt.push and kind.NAME != "hub", "--push uploads the folder of --to hub"),
                        (opt.onnxruntime_web and kind.NAME != "web", "--onnxruntime_web belongs to --to web"),
                        (opt.precision != "fp32" and kind.NAME != "onnx", f"--precision {opt.precision} is for --to "
                         "onnx"),
                        (opt.io != "unit" and not graph, f"--io {opt.io} is for --to onnx, torch_export and "
                         "torchscript")):
        if wrong:
            raise UserError(f"{said}, and this is --to {kind.NAME}; leave out one of the two")
    if opt.private and not opt.push:
        raise UserError("--private is for --push USER/REPO, which makes the place; give both, or leave out --private")


def _require_free(place: Path, kind: Kind, opt: ExportOptions) -> None:
    """UserError when something lies there that may not be replaced, or nothing can be written there."""
    if place.name in ("", ".."):
        raise UserError(f"--output {opt.output} is a folder that is there; give the name of a new one")
    card = _card_of(place, kind)
    if not kind.ENDING and place.exists():
        _require_ours(place, kind)
    require_places({"--output": place, "the card of --output": card} if kind.ENDING else {"--output": card})
    if kind.ENDING and place.exists() and place.suffix != kind.ENDING:
        raise UserError(f"--output {place} is no {kind.ENDING} file, and is not replaced; give another --output")
    for name, path in ((place, place), (card, card)) if kind.ENDING else ((place, card),):
        if path.exists() and not opt.overwrite:
            raise UserError(f"{name} is there already; give another --output, or --overwrite to replace it")


def _require_ours(folder: Path, kind: Kind) -> None:
    """UserError unless a folder is empty, or an export of this kind that nothing was added to: it is replaced whole."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if found and not is_export(folder):
        raise UserError(f"--output {folder} is no folder of an export, and is not replaced; give another --output")
    if others := sorted(found - kind.PARTS):
        raise UserError(f"--output {folder} holds {', '.join(others[:4])}{', ...' * (len(others) > 4)}, which --to "
                        f"{kind.NAME} does not write, and is not replaced; give another --output")


def is_export(folder: Path) -> bool:
    """Whether a folder was written by export.py: the front matter of its card says so."""
    card = folder / "README.md"
    if not card.is_file():
        return False
    _, _, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    return LIBRARY_LINE in rest.partition("\n---\n")[0].splitlines()


@contextmanager
def _aside(place: Path) -> Iterator[Path]:
    """Where to write what goes to `place`. When the context is left without an exception it is moved there, with all
    that lies beside it; else it is gone.
    """
    with locked(place.with_name(f".{place.name}.lock"), f"{place} is being written"):
        folder = temporary_beside(place)
        folder.mkdir()
        try:
            yield folder / place.name
            for made in sorted(folder.iterdir()):
                _move(made, place.parent / made.name)
        finally:
            remove(folder)


def _move(made: Path, place: Path) -> None:
    if not place.is_dir():
        os.replace(made, place)
        return
    before = temporary_beside(place)
    os.replace(place, before)
    try:
        os.replace(made, place)
    except BaseException:
        os.replace(before, place)
        raise
    remove(before)
