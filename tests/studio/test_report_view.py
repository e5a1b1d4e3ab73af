import shutil
from pathlib import Path

import pytest

from helpers.images import read_pixels, write_image, write_pairs
from studio.examining import Reports, examine
from studio.report_view import next_step, report_html
from studio.views import sample_views, suspicious_views
from util.errors import UserError

HOSTILE = "<img src=x onerror=alert(1)>'\"&amp;"


def quiet(done: int, of: int) -> None:
    """Nobody listens."""


def test_it_shows_what_the_doctor_finds(tmp_path: Path):
    root = tmp_path / HOSTILE
    write_pairs(root / "train", 4, side=256)
    write_pairs(root / "test", 2, side=256)
    shutil.copy(root / "train" / "1.png", root / "test" / f"{HOSTILE}.png")
    (root / "train" / "bad<b>.png").write_bytes(b"no")
    seen = []
    report = examine(root, lambda done, of: seen.append((done, of)))
    assert seen[-1] == (8, 8)
    page = report_html(report)
    assert "<img" not in page and "<b>" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    for words in ("Must be mended", "1 of 8 images cannot be read", "Should be mended", "the same in several splits",
                  "256x256", "0 to 255 (uint8)", "What to do: "):
        assert words in page, words
    assert next_step(report).startswith("Next: mend what must be mended")
    views = sample_views(report)
    assert {caption for _, caption in views} >= {"train: train/1.png", "test: test/1.png"}
    assert all(image.size == (320, 160) for image, _ in views)
    suspicious = {caption for _, caption in suspicious_views(report)}
    assert suspicious >= {"leakage: train/1.png", f"leakage: test/{HOSTILE}.png"}


def test_the_next_step_suits_the_layout(tmp_path: Path):
    for name, places, said in (("pairs", ["train"], "pix2pix, which learns from pairs"),
                               ("piles", ["trainA", "trainB"], "CycleGAN, which needs no pairs"),
                               ("pile", [""], "one pile, which a trained run translates")):
        for place in places:
            for number in range(2):
                write_image(tmp_path / name / place / f"{place}{number}.png", 512 if name == "pairs" else 256, 256,
                            seed=number + len(place + places[0]) * (place == "trainB"))
        assert said in next_step(examine(tmp_path / name, quiet)), name


def test_sides_stand_side_by_side(tmp_path: Path):
    a, b = (write_image(tmp_path / "train" / side / "1.png", seed=ord(side)) for side in "AB")
    ((image, caption),) = sample_views(examine(tmp_path, quiet))
    image.save(tmp_path / "seen.png")
    pixels = read_pixels(tmp_path / "seen.png")
    assert (pixels[:, :32] == read_pixels(a)).all() and (pixels[:, 32:] == read_pixels(b)).all()
    assert caption == "train: train/A/1.png"


def test_a_folder_is_looked_at_again_when_it_changed(tmp_path: Path):
    write_pairs(tmp_path / "train", 2)
    reports, looks = Reports(), []
    for change in (lambda: None, lambda: None, lambda: write_image(tmp_path / "train" / "3.png", 64, 32),
                   lambda: (tmp_path / "train" / "1.png").write_bytes(b"no")):
        change()
        reports.of(tmp_path, lambda done, of: looks.append(of) if done == of else None)
    assert looks == [2, 3, 3]


def test_an_empty_folder_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no images"):
        examine(tmp_path, quiet)
