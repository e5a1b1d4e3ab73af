"""The scores behind the papers' tables: of photos by a segmentation network, of label pictures by their colours."""
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from paper_systems import TO_PHOTO, Scores
from table_runs import Place, Run

import metrics
from evaluation.choice import to_tensor
from evaluation.fcn_command import METRICS
from evaluation.fcn_score import fcn_score, train_scoring_net
from evaluation.label_pairs import LabelPairs
from evaluation.results import open_results
from evaluation.scoring_net import MadeOf, ScoringNet, load_scoring_net, save_scoring_net
from evaluation.segmentation import BATCH
from metrics.base_metric import Tools
from metrics.measuring import Measuring, Report
from metrics.palette import Palette
from pages.pictures import save_picture, to_pictures
from runs.progress import Progress
from util.errors import UserError
from util.files import write_atomically


@dataclass(frozen=True)
class Score:
    """Of one run in one direction. ceiling: of the real photos, None for label pictures; images: how many."""

    values: Scores
    ceiling: Scores | None
    images: int


def network(place: Place, pairs: LabelPairs, palette: Palette, device: torch.device) -> ScoringNet:
    """The network that scores photos: that of the folder, or trained now and kept there. UserError when the file there
    is none, or of other pairs."""
    path, budget = place.out / "fcn_score.pth", place.budget
    made_of = MadeOf(pairs.fingerprint, "train", place.labels, budget.fcn_size, budget.fcn_steps, seed=0)
    if path.exists():
        scoring = load_scoring_net(path)
        if unlike := scoring.differences(vars(made_of), palette):
            raise UserError(f"{path} was trained {'; '.join(unlike)}; remove it, and the folder scores beside it")
    else:
        progress = Progress(len(pairs) + made_of.steps * BATCH)
        scoring = train_scoring_net(pairs, palette, made_of, device, progress.advance)
        progress.close()
        save_scoring_net(path, scoring)
    scoring.net.to(device)
    return scoring


def score(place: Place, run: Run, scoring: ScoringNet) -> dict[str, Score]:
    """The scores of a run's translations by task, also written down. UserError when these cannot be read."""
    folder, scores = place.results(run), dict[str, Score]()
    for task in run.tasks:
        if task == TO_PHOTO:
            found = fcn_score(folder, scoring, place.dataroot)
            scores[task] = _score(found.fakes, found.reals)
        else:
            scores[task] = _score(_of_labels(folder, "fake_A" if run.system.both_ways else "fake_B", scoring.palette))
    write_atomically(place.score_file(run), json.dumps({task: vars(one) for task, one in scores.items()}) + "\n")
    return scores


def _of_labels(folder: Path, fake: str, palette: Palette) -> Report:
    """The scores of label pictures. The palette is that of the dataset's training labels at their own size: scaled
    labels have mixed colours at edges, which would make classes that are not there."""
    stored = open_results(folder)
    direction = next(one for one in stored.directions if one.name == fake)
    measuring = Measuring({name: metrics.find(name)(Tools(palette=palette)) for name in METRICS})
    for name, pictures in stored:
        roles = direction.roles(pictures)
        measuring.add([name], {role: to_tensor(roles[role])[None] for role in ("fake", "real")})
    return measuring.report()


def _score(fakes: Report, reals: Report | None = None) -> Score:
    return Score(_numbers(fakes), _numbers(reals) if reals else None, fakes.values[METRICS[0]].n)


def read_score(path: Path) -> dict[str, Score]:
    """What `score` wrote, by task. UserError when it is damaged."""
    try:
        return {task: Score(_three(one["values"]), _three(one["ceiling"]) if one["ceiling"] else None, one["images"])
                for task, one in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); remove it, and it is measured again"
                        ) from None


def _three(values: Sequence[float]) -> Scores:
    first, second, third = map(float, values)
    return first, second, third


def _numbers(report: Report) -> Scores:
    return _three([report.values[name].value for name in METRICS])


def write_unpaired(folder: Path, pairs: LabelPairs) -> None:
    """The pictures of all pairs as two piles, trainA and trainB, of which training takes two at random.

    Those that are there stay. UserError for one that cannot be read.
    """
    for side in "AB":
        files = [folder / f"train{side}" / f"{number:06d}.png" for number in range(1, len(pairs) + 1)]
        if all(file.is_file() for file in files):
            continue
        for file, picture in zip(files, pairs.side(side), strict=True):
            save_picture(file, to_pictures(picture[None] * 2 - 1)[0])


def known_scores(place: Place, runs: Iterable[Run]) -> dict[Run, dict[str, Score]]:
    """Of the runs that are done. UserError for a damaged file."""
    return {run: read_score(path) for run in runs if (path := place.score_file(run)).is_file()}
