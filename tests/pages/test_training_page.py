"""The training page on disk: bounded in size, chained, going on after a stop, and whole whatever fails."""
import json
import math
import os
import random
import re
import time

import numpy as np
import pytest

from helpers.pages import train, training_page
from pages.dates import duration
from pages.loss_curves import POINTS, Curve
from pages.training_page import MOST_ROWS
from util.files import write_atomically

pytestmark = pytest.mark.slow


def test_a_curve_keeps_its_mean_in_few_points():
    curve, values = Curve(), random.Random(0)
    given = [(i / 100, values.gauss(0, 1)) for i in range(20_000)]
    for epoch, value in given:
        curve.add(epoch, value)
        assert len(curve.points) < POINTS
    assert curve.stride == 64 and len(curve.drawn()) == 313
    np.testing.assert_allclose(curve.points[5], np.mean(given[5 * 64:6 * 64], axis=0))
    np.testing.assert_allclose(curve.drawn()[-1], np.mean(given[312 * 64:], axis=0))
    curve.add(100, math.inf)
    assert curve.last == "inf" and curve.not_finite == 1
    assert curve.points[-1][0] < 100, "a run that went back forgets what came after"


def test_a_save_costs_the_same_however_long_the_run(tmp_path):
    page = training_page(tmp_path)
    files = [tmp_path / "index.html", tmp_path / "page.json"]

    def sizes(epochs):
        train(page, epochs, save_every=20)
        return [file.stat().st_size for file in files]

    early, late = sizes(range(1, 101)), sizes(range(101, 1001))
    assert all(after < 1.1 * before for before, after in zip(early, late, strict=True)), (early, late)


def test_older_epochs_are_chained_and_written_once(tmp_path):
    page = training_page(tmp_path)
    train(page, range(1, 62))
    written = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.glob("epochs_*")}
    assert sorted(file.name for file in written) == ["epochs_0001-0020.html", "epochs_0021-0040.html"]
    newest = train(page, range(62, 80)).read_text()
    assert all((file.read_bytes(), file.stat().st_mtime_ns) == before for file, before in written.items())
    assert newest.count('class="row"') == 39 <= MOST_ROWS
    assert "Epochs 41–79" in newest and 'href="epochs_0021-0040.html"' in newest
    middle, oldest = ((tmp_path / f"epochs_{span}.html").read_text() for span in ("0021-0040", "0001-0020"))
    assert 'href="epochs_0001-0020.html"' in middle and middle.count('class="row"') == 20
    assert 'href="epochs_' not in oldest and 'href="index.html"' in oldest
    assert not list(tmp_path.glob(".*")), "no temporary file stays"


@pytest.mark.slow
def test_a_row_is_replaced_and_a_run_that_goes_back_keeps_the_chain(tmp_path):
    page = training_page(tmp_path)
    train(page, range(1, 62))
    page.add_pictures(61, [("again", "again.png")])
    assert page.save().read_text().count("images/again.png") == 2
    train(page, range(15, 60))
    assert not any(epoch > 59 for epoch in page.rows)
    assert page.older == "epochs_0015-0034.html"
    assert 'href="epochs_0001-0020.html"' in (tmp_path / page.older).read_text()
    assert 'href="epochs_' not in (tmp_path / "epochs_0001-0020.html").read_text()


@pytest.fixture
def clock(monkeypatch):
    """What the page takes for now, in seconds; to be set."""
    now = {"time": 1_000_000_000.0}
    monkeypatch.setattr("pages.training_page.time", lambda: now["time"])
    return now


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 45, 110])
def test_resume_goes_on_as_if_never_stopped(tmp_path, clock, stop):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(training_page(whole), range(1, 131), save_every=10)
    train(training_page(parts, resume=True), range(1, stop + 1), save_every=10)  # from nothing: silent
    train(training_page(parts, resume=True), range(stop + 1, 131), save_every=10)
    contents = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in (whole, parts)]
    assert contents[0] == contents[1]
    assert training_page(parts, resume=False).rows == {}


def times(page, **how):
    """The rows of the header that tell of time, as the written page shows them."""
    found = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page.save(**how).read_text()))
    return {term: fact for term, fact in found.items() if term in ("started", "last saved", "ended", "trained for")}


def test_start_end_and_duration_are_told_apart_also_after_a_stop(tmp_path, clock):
    def at(hours):
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(1_000_000_000 + 3600 * hours))

    page = training_page(tmp_path)
    assert times(page) == {"started": at(0), "last saved": at(0), "trained for": "0 s"}
    clock["time"] += 3600
    assert times(page) == {"started": at(0), "last saved": at(1), "trained for": "1 h 0 min"}
    clock["time"] += 24 * 3600  # it was killed, and goes on a day later
    page = training_page(tmp_path, resume=True)
    clock["time"] += 1800
    assert times(page) == {"started": at(0), "last saved": at(25.5), "trained for": "1 h 30 min"}
    clock["time"] += 60
    assert times(page, running=False) == {"started": at(0), "ended": at(25.5 + 1 / 60), "trained for": "1 h 31 min"}


def test_rows_lie_beside_each_other_only_where_one_direction_fits(tmp_path):
    page = training_page(tmp_path)
    page.add_pictures(1, [(f"picture {number}", f"{number}.png") for number in range(8)])
    assert "; --across: 4" in page.save().read_text()


@pytest.mark.parametrize("seconds, said", [
    (0, "0 s"), (59.4, "59 s"), (59.7, "1 min"), (90 * 60, "1 h 30 min"), (3599, "1 h 0 min"), (26 * 3600, "1 d 2 h")])
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_a_page_of_an_earlier_version_goes_on(tmp_path):
    curve = {"points": [[0.5, 2.0]], "stride": 1, "mean": [0.5, 2.0], "count": 0, "last": "2", "not_finite": 0}
    (tmp_path / "page.json").write_text(json.dumps({"curves": {"G": curve}, "rows": [], "older": None}))
    page = training_page(tmp_path, resume=True)
    page.add_losses(1.5, {"G": 4.0})
    assert page.curves["G"].points == [(0.5, 2.0), (1.5, 4.0)]
    assert times(page).keys() == {"last saved", "trained for"}, "when it started is not known"


def test_curves_of_validation_have_a_section_and_a_mark_at_the_best(tmp_path):
    page = training_page(tmp_path)
    for epoch, value in enumerate((0.5, 0.25, 0.75), 1):
        page.add_metrics(epoch, {"mae": value, "fid": 100 * value}, best={"mae": min(epoch, 2)})
    page.save()
    resumed = training_page(tmp_path, resume=True)
    for each in (page, resumed):
        html = each.save().read_text().split("<h2>Validation</h2>")[1]
        assert re.findall(r"<b>(\w+)</b><output>([^<]*)</output>", html) == [("mae", "0.75"), ("fid", "75")]
        assert html.count('class="best"') == 2 and "best: 0.25, epoch 2" in html  # in words, and a ring
        assert "A ring marks the best value of the metric that is followed." in html
    resumed.add_metrics(2, {"mae": 0.125, "fid": 9.0}, best={"mae": 2})  # from an earlier state
    assert resumed.validation["mae"].points == [(1.0, 0.5), (2.0, 0.125)]
    assert "best: 0.125, epoch 2" in resumed.save().read_text()


def test_no_ring_is_spoken_of_where_there_is_none(tmp_path):
    page = training_page(tmp_path)
    page.add_metrics(1, {"mae": 0.5})
    note = page.save().read_text().split("<h2>Validation</h2>")[1].split("<svg")[0]
    assert "Measured on held-out images." in note and "ring" not in note


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", "\xff", pytest.param("[" * 100_000, id="deep"), '{"curves": {}, "rows": []}',
    '{"curves": {"a": 2}, "rows": [], "older": null}',
    '{"curves": {}, "rows": [[1, [["label"]]]], "older": null}',
    '{"curves": {}, "rows": [], "older": "../x"}',
    '{"curves": {"a": {"points": [[0, NaN]], "stride": 1, "mean": [0, 0], "count": 0, "last": "", "not_finite": 0}},'
    ' "rows": [], "older": null}',
    '{"curves": {}, "rows": [], "older": null, "strip": {"stride": 1, "lines": [["a", [], []]]}}',
    '{"curves": {}, "rows": [], "older": null, "started": 1e300}',
    '{"curves": {}, "rows": [], "older": null, "trained": NaN}',
    '{"curves": {}, "rows": [], "older": null, "best": {"mae": [1, "low"]}}',
])
def test_a_damaged_state_starts_anew(tmp_path, text):
    (tmp_path / "page.json").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match="starts anew"):
        page = training_page(tmp_path, resume=True)
    assert (page.curves, page.rows, page.older) == ({}, {}, None)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "größe\n")
    assert path.read_bytes() == "größe\n".encode()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"other")
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]
    assert path.read_bytes() == "größe\n".encode()
