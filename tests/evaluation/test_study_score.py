"""% labelled real: the shares, their intervals, and what does not count."""
import json
import re
from functools import partial
from pathlib import Path

import pytest

from evaluation.study_command import main
from evaluation.study_score import Score, read_session, score
from helpers.answers import row, write_answers
from helpers.commands import ROOT


def write(folder: Path, name: str, fooled: int, trials: int = 40, **more) -> Path:
    """Answers of one person who was fooled `fooled` times, and in each trial of the practice."""
    rows = [row(True, practice=True)] * 10 + [row(number < fooled) for number in range(trials)]
    return write_answers(folder / f"{name}.json", rows, **more)


def test_people_are_resampled_where_there_are_several(tmp_path: Path):
    scores, notices = score([write(tmp_path, "a", 10), write(tmp_path, "b", 20)])
    assert scores == [Score("ours", 37.5, 25.0, 50.0, people=2, trials=80)]  # both the one, or both the other
    assert notices == []


def test_a_person_with_fewer_trials_weighs_less(tmp_path: Path):
    [ours], _ = score([write(tmp_path, "a", 10), write(tmp_path, "b", 10, trials=10)])
    assert (ours.labelled_real, ours.low, ours.high, ours.trials) == (40.0, 25.0, 100.0, 50)


def test_trials_are_resampled_where_there_is_one_person(tmp_path: Path):
    [ours], notices = score([write(tmp_path, "a", 10)])
    assert ours.labelled_real == 25.0 and ours.people == 1
    assert ours.low == pytest.approx(12.5, abs=2.6) and ours.high == pytest.approx(40, abs=2.6)  # of the binomial
    assert "ours was judged by one person" in notices[0]


def test_methods_have_a_row_each(tmp_path: Path, capsys):
    files = [write(tmp_path, "a", 10, method="theirs"), write(tmp_path, "b", 4), write(tmp_path, "c", 4)]
    main(["--score", *map(str, files), "--json", str(tmp_path / "score.json")])
    assert capsys.readouterr().out.splitlines()[:3] == [
        "method  % labelled real  95% interval    people  trials",
        "ours               10.0  10.0 to 10.0         2      80",
        "theirs             25.0  12.5 to 40.0         1      40"]
    ours, theirs = json.loads((tmp_path / "score.json").read_text())["scores"]
    assert ours == {"method": "ours", "labelled_real": 10.0, "low": 10.0, "high": 10.0, "people": 2, "trials": 80}
    assert (theirs["labelled_real"], theirs["people"]) == (25.0, 1)


def test_a_session_counts_once(tmp_path: Path):
    first, other = write(tmp_path, "a", 10), write(tmp_path, "b", 20)
    again = tmp_path / "copy.json"
    again.write_bytes(first.read_bytes())
    scores, notices = score([first, other, again])
    assert (scores[0].people, scores[0].labelled_real) == (2, 37.5)
    assert notices == [f"note: {again} is the session of {first} again; counted once"]


def test_interrupted_trials_do_not_count(tmp_path: Path):
    rows = [row(True), row(False), row(True, interrupted=True)]
    [ours], notices = score([write_answers(tmp_path / "a.json", rows), write_answers(tmp_path / "b.json", [row(True)])])
    assert (ours.trials, ours.labelled_real) == (3, pytest.approx(200 / 3))
    assert notices[0].startswith(f"note: 1 trials in {tmp_path}/a.json do not count: the page was out of sight")


def test_sessions_held_differently_are_told(tmp_path: Path):
    _, notices = score([write(tmp_path, "a", 1), write(tmp_path, "b", 1, show_ms=50, size=128)])
    assert notices == ["note: the sessions of ours differ in show_ms 1000 and 50, size 128 and 256; score them apart"]


@pytest.mark.parametrize("content, said", [
    ("{", "is damaged (JSONDecodeError"),
    ("[" * 100_000, "is damaged (RecursionError"),
    (b"\xff\xfe\xfa", "is damaged (UnicodeDecodeError"),
    ("[1]", "holds no answers of a study"),
    ('{"name": "package"}', "holds no answers of a study"),
    ('{"format": "real-or-fake answers 1"}', "has no field 'answers', which the study's page writes; ask"),
])
def test_other_files_are_refused_by_name(tmp_path: Path, failure, content, said):
    path = tmp_path / "other.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, found = failure(main, ["--score", str(write(tmp_path, "a", 1)), str(path)])
    assert code == 2 and f"error: {path} {said}" in found


@pytest.mark.parametrize("change, said", [
    ({"trials": 41}, "it holds 50 of 51 answers"),
    ({"answers": 7}, "TypeError"),
    ({"answers": [{**row(True), "answer": "both"}] * 50}, "answer is 'both'"),
    ({"answers": [1] * 50}, "TypeError"),
    ({"session": None}, "session and method are expected to be text"),
    ({"practice": "ten"}, "TypeError"),
])
def test_damaged_answers_are_refused_by_name(tmp_path: Path, failure, change, said):
    path = write_answers(tmp_path / "a.json", [row(True, practice=number < 10) for number in range(50)], **change)
    code, found = failure(main, ["--score", str(path)])
    assert code == 2 and f"error: {path} is damaged" in found and said in found


def test_an_answer_without_a_field_is_refused_by_name(tmp_path: Path, failure):
    path = write_answers(tmp_path / "a.json", [{"practice": False}])
    code, said = failure(main, ["--score", str(path)])
    assert code == 2 and f"error: {path} has no field 'interrupted'" in said


def test_the_file_in_the_documents_is_one(tmp_path: Path):
    text = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "real-or-fake" in block]
    path = tmp_path / "answers.json"
    path.write_text(example)
    session = read_session(path)
    assert (session.method, session.fooled, session.interrupted) == ("ours", (True,), 0)
    written = write_answers(tmp_path / "a.json", [row(True)])
    shown, page = json.loads(example), json.loads(written.read_text())
    assert shown.keys() == page.keys() | {"began", "ended"}
    assert {tuple(answer) for answer in shown["answers"]} == {tuple(page["answers"][0])}


def test_no_file_and_nothing_to_count(tmp_path: Path, failure):
    fail = partial(failure, main)
    code, said = fail(["--score", str(tmp_path / "none.json")])
    assert code == 2 and f"{tmp_path}/none.json cannot be read (No such file or directory)" in said
    code, said = fail(["--score", str(write_answers(tmp_path / "a.json", [row(True, practice=True)]))])
    assert code == 2 and "hold no trials that count" in said
    code, said = fail(["--score", "x", "--fake", "y"])
    assert code == 2 and "--score takes answers, --real and --fake make a page" in said
