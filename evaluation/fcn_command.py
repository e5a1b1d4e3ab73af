"""evaluate.py fcn: score generated photos by a segmentation network that was trained on real ones."""
from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from util.errors import UserError, exit_on
from util.files import write_atomically
from util.notices import say

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from evaluation.fcn_score import FcnScore
    from evaluation.label_pairs import LabelPairs
    from evaluation.scoring_net import ScoringNet
    from metrics.measuring import Report
    from metrics.palette import Palette

DESCRIPTION = """\
The FCN score (Isola et al. 2017; Zhu et al. 2017): a segmentation network, trained on the real photos and labels of the
training pairs, looks at photos that were made from labels. Does it see these labels in them? The score of the real
photos is the ceiling. The network is trained once, and kept beside the dataset."""
EPILOG = """\
example: evaluate.py fcn --dataroot datasets/facades results/facades/test_latest
Exit code: 0 scored, 2 bad usage, 1 machine."""
SIZE, STEPS, SEED = 128, 600, 0
METRICS = ("pixel_acc", "class_acc", "class_iou")
MEMORY_ADVICE = "a smaller --size makes it need less"


def main(argv: Sequence[str]) -> None:
    """The command. Exit code 0 after scoring, 2 for wrong data, files or flags, 1 for too little memory or disk."""
    args = parser().parse_args(argv)
    with exit_on(UserError):
        from engine.shortage import explain_shortage  # torch comes only from here on: --help answers at once

        with explain_shortage(MEMORY_ADVICE):
            _score(args)


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    parser = argparse.ArgumentParser("evaluate.py fcn", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result folders of test.py, made with --dataset_mode "
                        "aligned: photos made from labels")
    parser.add_argument("--dataroot", type=Path, required=True, help="dataset whose training pairs it learns from")
    parser.add_argument("--phase", default="train", help="split of these pairs (default: train)")
    parser.add_argument("--labels", choices=("A", "B"), help="which side is the labels (default: the one with few "
                        "colours)")
    parser.add_argument("--palette", type=Path, metavar="FILE", help="classes and their colours, a line `name R G B` "
                        "each (default: the colours that are found)")
    parser.add_argument("--net", type=Path, metavar="FILE", help="where the network is kept (default: fcn_score.pth in "
                        "the dataset)")
    parser.add_argument("--overwrite", action="store_true", help="train anew, and replace the network that is there")
    parser.add_argument("--size", type=_whole(32), help=f"side in pixels at which it sees photos (default: {SIZE})")
    parser.add_argument("--steps", type=_whole(1), help=f"training steps of 8 images (default: {STEPS})")
    parser.add_argument("--seed", type=_whole(0), help=f"same seed, same network (default: {SEED})")
    parser.add_argument("--gpu_ids", help="one GPU number, or -1 for the CPU (default: the best device there is)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    return parser


def _whole(least: int) -> Callable[[str], int]:
    """The type of a whole number that is at least so large."""
    def whole_number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is too small, expected at least {least}")
        return int(text)
    return whole_number


def _score(args: argparse.Namespace) -> None:
    from engine.device import choose_device
    from evaluation.fcn_score import fcn_score, open_photos
    from evaluation.label_pairs import find_labels, open_pairs
    from metrics.palette import read_palette
    from runs.progress import Progress

    device = choose_device(args.gpu_ids or "0", args.gpu_ids is not None)
    palette = read_palette(args.palette) if args.palette else None
    pairs = open_pairs(str(args.dataroot), args.phase)
    say(pairs.notices)
    scoring = _kept(args, pairs, palette)
    labels, palette = (scoring.made_of.labels, scoring.palette) if scoring else find_labels(pairs, args.labels, palette)
    print(f"labels: side {labels} of the pairs, {len(palette.names)} classes")
    rows = [len(open_photos(folder, labels, args.dataroot)[0].names) for folder in args.results]
    scoring = scoring or _train(args, pairs, labels, palette, device)
    scoring.net.to(device)
    progress = Progress(sum(rows))
    scores = [fcn_score(folder, scoring, args.dataroot, progress.advance) for folder in args.results]
    progress.close()
    print(table(scores))
    if args.json:
        write_atomically(args.json, json.dumps(_numbers(scores, scoring), indent=1) + "\n")


def _file(args: argparse.Namespace) -> Path:
    from evaluation.scoring_net import FILE

    return args.net or args.dataroot / FILE


def _kept(args: argparse.Namespace, pairs: LabelPairs, palette: Palette | None) -> ScoringNet | None:
    """The network that is there; None when one is to be trained. UserError when that is another one than is wanted."""
    from evaluation.scoring_net import load_scoring_net, read_scoring_file

    path = _file(args)
    if not (path.exists() or path.is_symlink()):
        return None
    if args.overwrite:
        read_scoring_file(path)  # nothing else is replaced
        return None
    scoring = load_scoring_net(path)
    wanted = {name: getattr(args, name) for name in ("labels", "size", "steps", "seed")}
    unlike = scoring.differences(wanted | {"fingerprint": pairs.fingerprint}, palette)
    if unlike:
        raise UserError(f"{path} was trained {'; '.join(unlike)}. Its scores would be others: --overwrite trains it "
                        "anew; --net FILE trains one more and keeps both")
    print(f"network: {path}")
    return scoring


def _train(args: argparse.Namespace, pairs: LabelPairs, labels: str, palette: Palette, device: torch.device
           ) -> ScoringNet:
    from evaluation.fcn_score import train_scoring_net
    from evaluation.scoring_net import MadeOf, save_scoring_net
    from evaluation.segmentation import BATCH
    from runs.progress import Progress

    path = _file(args)
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"the network cannot be kept in {path.parent}, which is not there or cannot be written to; "
                        "give another place with --net FILE")
    asked = {"size": SIZE, "steps": STEPS, "seed": SEED}
    asked |= {name: value for name in asked if (value := getattr(args, name)) is not None}
    made_of = MadeOf(pairs.fingerprint, args.phase, labels, **asked)
    progress = Progress(len(pairs) + made_of.steps * BATCH)
    scoring = train_scoring_net(pairs, palette, made_of, device, progress.advance)
    progress.close()
    save_scoring_net(path, scoring)
    print(f"network: {path}, trained on {len(pairs)} pairs")
    return scoring


def table(scores: Sequence[FcnScore]) -> str:
    """The scores as text, each above its ceiling."""
    rows = [["photos", "images", *METRICS]]
    for score in scores:
        rows += [[f"{score.result} {score.direction}", *_cells(score.fakes)],
                 ["  real photos: the ceiling", *_cells(score.reals)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["FCN score: what a segmentation network sees in photos, compared with the labels that they were made from",
             "(1 is all right; with the 95% interval over images). Compare only scores of the same network"]
    return "\n".join(lines + ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                              for row in rows])


def _cells(report: Report) -> list[str]:
    from evaluation.tables import with_interval

    values = [report.values[name] for name in METRICS]
    return [str(values[0].n), *map(with_interval, values)]


def _numbers(scores: Sequence[FcnScore], scoring: ScoringNet) -> dict[str, Any]:
    """What --json holds."""
    return {"network": asdict(scoring.made_of), "classes": list(scoring.palette.names), "scores": [
        {"result": score.result, "direction": score.direction,
         "metrics": {name: asdict(value) for name, value in score.fakes.values.items()},
         "ceiling": {name: asdict(value) for name, value in score.reals.values.items()}} for score in scores]}
