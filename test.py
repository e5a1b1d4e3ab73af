"""Translate images with a trained model: python test.py --dataroot ./datasets/toy_maps --name maps"""
from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO

from engine.processes import joined_processes
from opening import MEMORY_ADVICE, TESTING, adopt_run, left_out, make_engine, open_images, unreadable
from options.command_line import parse
from options.groups import OutputOptions, TestCommandOptions, TileOptions
from options.parser import HelpAsked
from options.schema import OptionError, Options
from util.errors import UserError, exit_on
from util.files import write_atomically
from util.notices import say
from util.torchrun import rank

COMMAND = TESTING


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after translating, 2 for a wrong command line, data or weights, 1 for too little memory.
    """
    with exit_on(UserError, OptionError, HelpAsked), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, lambda opt: adopt_run(opt, COMMAND))
        output, tiling = opt.view(OutputOptions).output, opt.view(TileOptions)
        from engine.shortage import explain_shortage  # torch comes only from here on: --help answers at once
        with explain_shortage(MEMORY_ADVICE), words_aside(output) as pictures:
            say(opt.notices)
            if opt.given("page_samples") and (tiling.tile or not output):
                raise UserError("--page_samples is about a folder of --output, without --tile; leave it out")
            if tiling.tile:
                from door.giants import translate_giants
                translate_giants(opt)
            elif tiling.dry_run or opt.given("tile_norm"):
                flag = "dry_run" if tiling.dry_run else "tile_norm"
                raise UserError(f"--{flag} is about a translation in tiles; add --tile auto, or leave it out")
            elif output:
                translate(opt, pictures)
            else:
                test(opt)


@contextmanager
def words_aside(output: str) -> Iterator[IO[bytes]]:
    """Where standard output takes the picture (--output -), all words go to standard error. Gives standard output, else
    what nobody reads: a notebook's has no place for bytes.
    """
    pictures = sys.stdout.buffer if output == "-" else io.BytesIO()
    with redirect_stdout(sys.stderr if output == "-" else sys.stdout):
        yield pictures


def translate(options: Options, pictures: IO[bytes]) -> None:
    """Translate --dataroot into --output, without a page. pictures: what --output - means."""
    from door.output import translate_to_output
    from door.translator import open_translator

    translator = open_translator(options)
    print(translator.engine.describe(options.view(TestCommandOptions).verbose))
    translate_to_output(options, translator, say, pictures)
    say(translator.engine.notices())


def test(options: Options) -> None:
    """Translate the images of the dataset, at most num_test, and write their page."""
    from engine.device import choose_device
    from engine.distributed import gather
    from runs.earlier_results import require_same_inputs
    from runs.trained_run import open_run
    from runs.translating import epoch_shown, results_folder, translate_all, write_results

    opt = options.view(TestCommandOptions)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    loader = open_images(options, run, device)
    say(loader.notices)
    folder, count = results_folder(opt), min(opt.num_test, loader.images)
    engine = make_engine(options, device, run)
    require_same_inputs(folder, options)
    print(engine.describe(opt.verbose))
    if opt.epoch == "best":
        print(f"epoch: {epoch_shown(options)}")
    say(left_out(loader, options))

    made = translate_all(loader, count, loader.dataset.sources(), engine, folder, options)
    say(engine.notices() + list(made.notices))
    say(unreadable([said for own in gather(loader.skipped) for said in own]))
    if rank() == 0:
        print(f"page: {write_results(options, folder, made)}")
        with suppress(OSError):  # the classic file; results do not depend on a folder that may be read-only
            write_atomically(run.folder / "test_opt.txt", options.as_classic_text())


if __name__ == "__main__":
    main()
