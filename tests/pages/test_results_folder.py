"""names.json and the page that is written from it: with numbers, without them again, and of older versions."""
import json
import math
import re
from pathlib import Path

import pytest

from pages.results_folder import Column, Results, add_numbers, read_results, write_folder
from util.errors import UserError

RESULTS = Results(["real_A", "fake_B"], ["a", "sub/b <&>"], ["a", "sub/b <&> · B: c.png"], "maps: test",
                  {"model": "pix2pix"}, 96)
COLUMNS = {"psnr": Column("higher", "24.3 [23, 25]"), "fid": Column("lower", "51.2 of 2 samples <each>")}
ROWS = {"a": {"psnr": math.inf}, "sub/b <&>": {"psnr": 21.123456}}


def numbers(page: Path) -> list[tuple[str, str]]:
    """The numbers of the rows: in full, and as they are read."""
    return re.findall('<data value="(.*?)">(.*?)</data>', page.read_text())


def test_what_is_written_is_read_again(tmp_path):
    assert write_folder(tmp_path, RESULTS) == tmp_path / "index.html"
    assert read_results(tmp_path) == RESULTS


def test_numbers_are_in_the_rows_and_summaries_on_top(tmp_path):
    plain = write_folder(tmp_path, RESULTS).read_text()
    page = add_numbers(tmp_path, COLUMNS, ROWS)
    assert numbers(page) == [("Infinity", "∞"), ("21.123456", "21.12")]
    text = page.read_text()
    assert "51.2 of 2 samples &lt;each&gt;" in text and "24.3 [23, 25]" in text
    assert text.index("24.3 [23, 25]") < text.index('class="row"')
    assert 'id="row-a"' in text and 'href="#row-sub/b%20%3C%26%3E"' in text, "a link is made of the name, not the title"
    for part in ("sub/b &lt;&amp;&gt; · B: c.png", "images/sub/b%20%3C%26%3E_fake_B.png", "<dd>pix2pix</dd>"):
        assert part in plain and part in text
    assert add_numbers(tmp_path, COLUMNS, ROWS).read_text() == text, "measured again, it is the same page"


def test_a_number_that_is_missing_is_told(tmp_path):
    write_folder(tmp_path, RESULTS)
    columns = COLUMNS | {"mae": Column("lower", "3")}
    page = add_numbers(tmp_path, columns, {"a": {"psnr": math.nan, "mae": 3.0}})
    assert numbers(page) == [("", "–"), ("3.0", "3"), ("", "–"), ("", "–")]


def test_translating_again_drops_the_numbers(tmp_path):
    plain = write_folder(tmp_path, RESULTS).read_bytes()
    add_numbers(tmp_path, COLUMNS, ROWS)
    assert write_folder(tmp_path, RESULTS).read_bytes() == plain


def test_names_of_an_older_version_are_titles(tmp_path):
    folder = tmp_path / "test_latest"
    folder.mkdir()
    (folder / "names.json").write_text(json.dumps({"labels": ["fake_B"], "names": ["a", "b"]}))
    text = add_numbers(folder, COLUMNS, {"b": {"psnr": 1.5}}).read_text()
    assert re.findall("<h2>(.*?)</h2>", text) == ["a", "b"]
    assert "<h1>test_latest</h1>" in text and 'width="256"' in text


@pytest.mark.parametrize("damaged", [
    "", "[]", "null", "{}", '{"labels": 3, "names": []}', '{"labels": [], "names": ["a"], "titles": []}',
    '{"labels": [], "names": [], "facts": 3}', "[" * 100_000,
])
def test_damaged_names(tmp_path, damaged):
    (tmp_path / "names.json").write_text(damaged)
    with pytest.raises(UserError, match=r"names.json is damaged \(.*\); run test.py again"):
        add_numbers(tmp_path, COLUMNS, {})


def test_no_results(tmp_path):
    with pytest.raises(UserError, match="holds no results .*; expected a folder that test.py wrote"):
        add_numbers(tmp_path, COLUMNS, {})


def test_numbers_of_other_results(tmp_path):
    before = write_folder(tmp_path, RESULTS).read_bytes()
    with pytest.raises(UserError, match=r"names no 'c' \(1 of 2 measured rows are not there\)"):
        add_numbers(tmp_path, COLUMNS, {"a": {"psnr": 1.0}, "c": {"psnr": 2.0}})
    assert (tmp_path / "index.html").read_bytes() == before
