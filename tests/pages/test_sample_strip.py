"""The same samples over the epochs: which epochs are shown, which files stay."""
import re
from pathlib import Path

from helpers.pages import training_page
from pages.sample_strip import MOST_EPOCHS
from pages.training_page import TrainingPage


def add(page: TrainingPage, epoch: int) -> None:
    """Both directions of a pair, with files on disk; epoch: of the translations."""
    samples = {}
    for source, fake, truth in (("real_A", "fake_B", "real_B"), ("real_B", "fake_A", "real_A")):
        pictures = [(source, f"val_1_{source}.png"), (fake, f"val_1_epoch{epoch:03d}_{fake}.png")]
        samples[f"1: {fake}"] = [*pictures, (truth, f"val_1_{truth}.png")] if fake == "fake_B" else pictures
        for _, file in samples[f"1: {fake}"]:
            (page.web_dir / "images").mkdir(exist_ok=True)
            (page.web_dir / "images" / file).write_text(f"{epoch}")
    page.add_samples(epoch, samples)


def films(page: TrainingPage) -> list[list[str]]:
    """What each line of the written page says below its pictures."""
    lines = page.save().read_text().split('class="film"')[1:]
    return [re.findall(r"<figcaption><b>([^<]*)</b>", line.split('class="row"')[0]) for line in lines]


def files(page: TrainingPage) -> set[str]:
    return {path.name for path in (page.web_dir / "images").iterdir()}


def test_a_line_is_the_input_the_epochs_and_the_truth_where_there_is_one(tmp_path: Path):
    page = training_page(tmp_path)
    for epoch in (2, 4, 6):
        add(page, epoch)
    made = ["epoch 2", "epoch 4", "epoch 6"]
    assert films(page) == [["input", *made, "truth"], ["input", *made]]
    html = page.save().read_text()
    assert re.findall(r'href="images/(val_1[^"]*)"', html)[:5] == [
        "val_1_real_A.png", *(f"val_1_epoch00{epoch}_fake_B.png" for epoch in (2, 4, 6)), "val_1_real_B.png"]


def test_of_a_long_training_the_first_the_last_and_some_evenly_between(tmp_path: Path):
    page, shown = training_page(tmp_path), {}
    for epoch in range(5, 1001, 5):
        add(page, epoch)
        shown[epoch] = [int(name.removeprefix("epoch ")) for name in films(page)[1][1:]]
        assert len(files(page)) == 2 + 2 * len(shown[epoch]), "pictures that are not shown are removed"
    assert shown[60] == list(range(5, 61, 5))
    assert shown[65] == [*range(5, 66, 10)]
    assert shown[70] == [*range(5, 66, 10), 70]
    assert shown[1000] == [5, 165, 325, 485, 645, 805, 965, 1000]
    assert all(epochs[0] == 5 and epochs[-1] == newest and len(epochs) <= MOST_EPOCHS
               for newest, epochs in shown.items())


def test_a_run_that_goes_back_forgets_what_came_later(tmp_path: Path):
    page = training_page(tmp_path)
    for epoch in range(1, 9):
        add(page, epoch)
        page.save()
    again = training_page(tmp_path, resume=True)
    assert films(again) == films(page)
    add(again, 6)
    assert films(again)[1] == ["input", *(f"epoch {epoch}" for epoch in range(1, 7))]
    assert (tmp_path / "images/val_1_epoch006_fake_A.png").exists()
    assert not (tmp_path / "images/val_1_epoch007_fake_A.png").exists()


def test_a_sample_that_is_not_given_any_more_goes(tmp_path: Path):
    page = training_page(tmp_path)
    page.add_samples(1, {"a": [("real_A", "a.png"), ("fake_B", "a1.png")], "b": [("real_A", "b.png"), ("f", "b1.png")]})
    page.add_samples(2, {"b": [("real_A", "b.png"), ("f", "b2.png")]})
    assert films(page) == [["input", "epoch 1", "epoch 2"]]


def test_only_files_of_the_pictures_folder_are_removed(tmp_path: Path):
    page, outside = training_page(tmp_path / "web"), tmp_path / "precious.png"
    outside.touch()
    page.add_samples(1, {"a": [("real_A", "a.png"), ("fake_B", "../../precious.png")]})
    page.add_samples(1, {"a": [("real_A", "a.png"), ("fake_B", "a1.png")]})
    page.save()
    assert outside.exists()
