"""Metrics of label pictures against confusion matrices that were counted by hand."""
import pytest
import torch
from torch import Tensor

from metrics.base_metric import Metric, Tools
from metrics.class_acc_metric import ClassAccMetric
from metrics.class_iou_metric import ClassIouMetric
from metrics.confusion import count
from metrics.measuring import Measuring
from metrics.palette import Palette
from metrics.pixel_acc_metric import PixelAccMetric
from util.errors import UserError

COLOURS = torch.tensor([[0, 0, 200], [0, 0, 255], [255, 0, 0], [0, 99, 0]]) / 255
PALETTE = Palette(["wall", "door", "roof", "tree"], COLOURS)
TOOLS = Tools(palette=PALETTE)
# pixels by the class of the truth (row) and of the answer (column)
FIRST = [[3, 1, 0, 0],
         [0, 2, 0, 0],
         [0, 1, 1, 0],
         [0, 0, 0, 0]]
SECOND = [[0, 0, 0, 1],
          [0, 0, 0, 0],
          [0, 0, 7, 0],
          [0, 0, 0, 0]]


def paint(confusion: list[list[int]], noise: int = 0) -> dict[str, Tensor]:
    """A truth and an answer, (1, 3, 2, 4) each, of 8 pixels that make this confusion; noise in gray levels."""
    pairs = [(truth, answer) for truth, row in enumerate(confusion) for answer, times in enumerate(row)
             for _ in range(times)]
    levels = 255 * PALETTE.colours[torch.tensor(pairs)]  # (8, 2, 3)
    levels = levels + noise * torch.tensor([1, -1]).repeat(4)[:, None, None]
    real, fake = (levels.clamp(0, 255)[:, i].T.reshape(1, 3, 2, 4) / 255 for i in (0, 1))
    return {"fake": fake, "real": real}


@pytest.mark.parametrize("noise", [0, 20])
def test_pixels_are_counted_by_the_nearest_colour(noise: int):
    for confusion in (FIRST, SECOND):
        assert PixelAccMetric(TOOLS).statistics(paint(confusion, noise))[0].tolist() == confusion


@pytest.mark.parametrize(("kind", "first", "second", "both"), [
    (PixelAccMetric, 6 / 8, 7 / 8, 13 / 16),
    # rows: 3 of 4, 2 of 2, 1 of 2; 0 of 1, 7 of 7; together 3 of 5, 2 of 2, 8 of 9. No tree is in either truth.
    (ClassAccMetric, (3 / 4 + 1 + 1 / 2) / 3, 1 / 2, (3 / 5 + 1 + 8 / 9) / 3),
    # of the pixels in truth or answer: 3 of 4, 2 of 4, 1 of 2; 0 of 1, 7 of 7, 0 of 1 tree
    (ClassIouMetric, (3 / 4 + 2 / 4 + 1 / 2) / 3, (0 + 1 + 0) / 3, (3 / 5 + 2 / 4 + 8 / 9 + 0) / 4),
])
def test_values_of_confusions_counted_by_hand(kind: type[Metric], first: float, second: float, both: float):
    measuring = Measuring({"labels": kind(TOOLS)})
    measuring.add(["first"], paint(FIRST))
    measuring.add(["second"], paint(SECOND))
    report = measuring.report()
    assert report.values["labels"].value == pytest.approx(both)
    assert {name: row["labels"] for name, row in report.rows.items()} == pytest.approx(
        {"first": first, "second": second})
    # of two samples, resampling draws one twice or both
    interval = report.values["labels"].low, report.values["labels"].high
    assert interval == pytest.approx((min(first, second, both), max(first, second, both)))


def test_count_takes_classes_as_they_are():
    truth, answer = torch.tensor([[0, 0, 1], [2, 2, 2]]), torch.tensor([[0, 1, 1], [2, 0, 2]])
    assert count(answer, truth, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_without_a_palette_the_message_says_how_to_give_one():
    with pytest.raises(UserError, match=r"`name R G B` .* --palette FILE"):
        ClassIouMetric(Tools())
