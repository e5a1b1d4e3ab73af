"""The answers of a study as "% labelled real": the share of trials in which the fake was taken for the real picture
(CycleGAN, Table 1; pix2pix, section 4.1).
"""
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pages.study_page import FORMAT
from util.errors import UserError

RESAMPLES = 10_000
CONDITIONS = ("show_ms", "size", "same_input")


@dataclass(frozen=True)
class Session:
    """One person's answers. fooled: of each trial that counts, whether the fake was labelled real; interrupted: how
    many trials do not count because the page was out of sight; conditions: how the study was held."""

    path: Path
    id: str
    method: str
    fooled: tuple[bool, ...]
    interrupted: int
    conditions: tuple[object, ...]


@dataclass(frozen=True)
class Score:
    """Of one method. labelled_real, low, high: in percent, the latter two the 95% bootstrap interval."""

    method: str
    labelled_real: float
    low: float
    high: float
    people: int
    trials: int


def score(paths: Sequence[Path]) -> tuple[list[Score], list[str]]:
    """The scores of all methods by name, and what the user should know of the files.

    Sessions with the same id count once, practice and interrupted trials not at all. UserError, naming the file, for
    one that is not what the page of a study saves, and when nothing is left to count.
    """
    sessions, notices = _distinct([read_session(path) for path in paths])
    by_method: dict[str, list[Session]] = defaultdict(list)
    for session in sessions:
        if session.interrupted:
            notices.append(f"note: {session.interrupted} trials in {session.path} do not count: the page was out of "
                           "sight while they were shown")
        if session.fooled:
            by_method[session.method].append(session)
    if not by_method:
        raise UserError("the files hold no trials that count; expected answers beyond the practice")
    for method, held in sorted(by_method.items()):
        notices += _differing(method, held)
        if len(held) == 1:
            notices.append(f"note: {method} was judged by one person; the interval is over that person's trials and "
                           "says nothing about other people")
    return [_score(method, held) for method, held in sorted(by_method.items())], notices


def _distinct(sessions: Sequence[Session]) -> tuple[list[Session], list[str]]:
    seen: dict[str, Session] = {}
    notices = []
    for session in sessions:
        if session.id in seen:
            notices.append(f"note: {session.path} is the session of {seen[session.id].path} again; counted once")
        else:
            seen[session.id] = session
    return list(seen.values()), notices


def _differing(method: str, sessions: Sequence[Session]) -> list[str]:
    told = []
    for name, values in zip(CONDITIONS, zip(*(session.conditions for session in sessions), strict=True), strict=True):
        different = sorted({str(value) for value in values})
        if len(different) > 1:
            told.append(f"{name} {' and '.join(different)}")
    return [f"note: the sessions of {method} differ in {', '.join(told)}; score them apart"] if told else []


def _score(method: str, sessions: Sequence[Session]) -> Score:
    """With several people, people are resampled, each with all trials; with one, the trials."""
    groups = [session.fooled for session in sessions]
    if len(groups) == 1:
        groups = [(fooled,) for fooled in groups[0]]
    fooled, trials = np.array([sum(group) for group in groups]), np.array([len(group) for group in groups])
    chosen = np.random.default_rng(0).integers(0, len(groups), (RESAMPLES, len(groups)))
    means = 100 * fooled[chosen].sum(1) / trials[chosen].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Score(method, float(100 * fooled.sum() / trials.sum()), float(low), float(high), len(sessions),
                 int(trials.sum()))


def read_session(path: Path) -> Session:
    """The session in a file of answers. UserError, naming the file, when it is something else."""
    try:
        answers = json.loads(path.read_bytes())
        if not isinstance(answers, dict) or answers.get("format") != FORMAT:
            raise UserError(f"{path} holds no answers of a study; expected the file that the study's page saves at its "
                            f"end, with the format '{FORMAT}'")
        return _session(path, answers)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); expected a file that the study's page "
                        "saved") from None
    except KeyError as error:
        raise UserError(f"{path} has no field {error}, which the study's page writes; ask for the file again, or leave "
                        "it out") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); ask for the file again, or leave it out"
                        ) from None


def _session(path: Path, answers: dict) -> Session:
    rows = answers["answers"]
    expected = answers["practice"] + answers["trials"]
    if len(rows) != expected:
        raise ValueError(f"it holds {len(rows)} of {expected} answers")
    counted = [row for row in rows if not row["practice"]]
    fooled = tuple(_is_fooled(row) for row in counted if not row["interrupted"])
    if not all(isinstance(answers[name], str) for name in ("session", "method")):
        raise TypeError("session and method are expected to be text")
    return Session(path, answers["session"], answers["method"], fooled, len(counted) - len(fooled),
                   tuple(answers[name] for name in CONDITIONS))


def _is_fooled(row: dict) -> bool:
    """Whether the picture that was labelled real is the fake one."""
    first, answer = row["first"], row["answer"]
    if first not in ("real", "fake") or answer not in ("first", "second"):
        raise ValueError(f"first is {first!r}, answer is {answer!r}; expected real or fake, and first or second")
    return (first == "fake") == (answer == "first")


def table(scores: Sequence[Score]) -> str:
    """The scores as text, a line a method."""
    width = max(len("method"), *(len(row.method) for row in scores))
    lines = [f"{'method':<{width}}  % labelled real  95% interval    people  trials"]
    lines += [f"{row.method:<{width}}  {row.labelled_real:>15.1f}  {f'{row.low:.1f} to {row.high:.1f}':<14}  "
              f"{row.people:>6}  {row.trials:>6}" for row in scores]
    return "\n".join(lines)
