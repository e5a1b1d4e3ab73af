"""What the files of results are made like."""
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from models.template_model import TemplateModel
from runs.shown import Likeness


def test_what_a_file_says_is_read_anew_for_each_test(tmp_path: Path):
    opt = SimpleNamespace(input_range="", output_range="", value_range="auto")
    for dpi in (100, 200):
        Image.new("L", (4, 4)).save(tmp_path / "1.png", dpi=(dpi, dpi))
        known = Likeness(TemplateModel, lambda path: None, opt).header_of(tmp_path / "1.png")
        assert known.origin.resolution == pytest.approx((dpi, dpi), abs=0.1)
