"""The dataset doctor: what is wrong with a folder of images, before days are spent on training with it.

    python datasets/check.py --dataroot datasets/facades
    python datasets/check.py --dataroot datasets/photos --model cycle_gan --crop_size 512 --page

Other flags are train.py's: give those that you will train with. Left out, --model is found from the folders.
Exit code 0 when a training would start (with --strict: when there are no warnings either), 1 when there are findings
that stand against it, 2 for a wrong command line or no images.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.parser import HelpAsked
from options.schema import OptionError
from util.errors import UserError, exit_on
from util.files import write_atomically

if TYPE_CHECKING:  # --help answers without torch
    from data.findings import Finding
    from data.report import Report

MODELS = {"aligned": "pix2pix", "unaligned": "cycle_gan", "single": "cycle_gan"}  # whose networks' sizes are meant
SHOWN = 3  # files of a finding that are named


def main(argv: list[str] | None = None) -> None:
    """The command; its exit codes are in the help."""
    args, words = parser().parse_known_args(argv)
    with exit_on(UserError, OptionError, HelpAsked):
        report = examined(args, words)
        print(in_words(report))
        if args.json:
            write_atomically(args.json, json.dumps(report.as_dict(), indent=2) + "\n")
        if args.page is not None:
            from check_page import write_page
            print(f"page: {write_page(report, place(args))}")
    wrong = ("error", "warning") if args.strict else ("error",)
    sys.exit(1 if report.worst in wrong else 0)


def parser() -> argparse.ArgumentParser:
    """What the command understands beside the flags of train.py."""
    result = argparse.ArgumentParser("check.py", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="check.py --dataroot FOLDER [options] [flags of train.py]")
    result.add_argument("--dataroot", type=Path, required=True, metavar="FOLDER", help="folder of the images")
    result.add_argument("--page", type=Path, nargs="?", const=Path(), metavar="FOLDER",
                        help="write a page with the suspicious images and samples of each split (DATAROOT_check)")
    result.add_argument("--json", type=Path, metavar="FILE", help="write the report for programs")
    result.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    result.add_argument("--no_near", action="store_true", help="look for exact copies only")
    return result


def place(args: argparse.Namespace) -> Path:
    """The folder of the page."""
    root = args.dataroot.absolute()
    return root.with_name(f"{root.name}_check") if args.page == Path() else args.page


def examined(args: argparse.Namespace, words: Sequence[str]) -> Report:
    """The report on the folder. UserError when there are no images, OptionError for wrong flags."""
    from check_page import require_place

    import data
    import models
    from data.doctor import diagnose, layout
    from models.network_options import image_sizes
    from options.command_line import Command, parse
    from options.groups import DataOptions, TrainCommandOptions

    if args.page is not None:
        require_place(place(args))
    command = Command("check.py", "train", "Check a dataset.", (TrainCommandOptions,), models.find, data.find,
                      models.names, data.names)
    line = ["--dataroot", str(args.dataroot), *words]
    options = parse(command, line)
    if not (options.given("model") or options.given("dataset_mode")):
        mode = layout(args.dataroot)
        options = parse(command, [*line, "--model", MODELS[mode], "--dataset_mode", mode])
    threads = options.view(DataOptions).num_threads if options.given("num_threads") else None
    return diagnose(options, *image_sizes(options, training=True), near=not args.no_near,
                    processes=None if threads is None else max(1, threads))


def in_words(report: Report) -> str:
    """The report as it is printed."""
    from data.findings import in_words as counted

    lines = [f"{report.dataroot}: {report.layout} (--dataset_mode {report.dataset_mode})"]
    for name, split in report.splits.items():
        lines.append(f"  {name}: {split.samples} {'samples' if split.samples != 1 else 'sample'}")
        for side, facts in split.sides.items():
            lines.append(f"    {side}: {facts.images} images, {counted(facts.sizes)}; {counted(facts.modes)}; "
                         f"{counted(facts.formats)}")
    for finding in report.findings:
        lines += ["", f"{finding.severity}: {finding.text}", *named(finding)]
        lines += [f"  -> {finding.advice}"] * bool(finding.advice)
    counts = Counter(finding.severity for finding in report.findings)
    found = ", ".join(f"{count} {severity}{'s' * (count > 1)}" for severity, count in counts.items())
    return "\n".join([*lines, "", found or "nothing was found"])


def named(finding: Finding) -> list[str]:
    """A line for each of the first groups of files."""
    shown = finding.files[:SHOWN]
    more = len(finding.files) - len(shown)
    return [f"  {'  '.join(map(str, group[:4]))}{f'  and {len(group) - 4} more' * (len(group) > 4)}" for group in shown
            ] + [f"  ... and {more} more"] * (more > 0)


if __name__ == "__main__":
    main()
