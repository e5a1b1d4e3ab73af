"""test.py --output of a folder: what is done is not done again, however it ended, in any number of processes."""
import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bothways
from helpers.commands import ROOT, load_command
from helpers.forked import forked_ranks
from helpers.images import read_pixels, write_image
from helpers.lively import CYCLE, NOISY


@pytest.fixture
def run(trained, tmp_path, capsys):
    """Translates tmp_path/in into tmp_path/out with the noisy run; returns its last lines."""
    trained(NOISY)

    def translate(more: str = "") -> list[str]:
        capsys.readouterr()
        load_command("test").main(["--dataroot", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--name",
                                   "run", "--gpu_ids", "-1", *more.split()])
        return capsys.readouterr().out.splitlines()
    return translate


def counted(lines: list[str]) -> tuple[int, int, int]:
    """Made, done before, unreadable."""
    (line,) = [line for line in lines if line.startswith("made: ")]
    words = line.replace(",", "").split()
    return int(words[1]), int(words[words.index("before:") + 1]), int(words[-1])


def dates(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def write_images(folder: Path, count: int, side: int = 32) -> None:
    for number in range(count):
        write_image(folder / f"{number}.png", side, side, seed=number)


def noted(folder: Path) -> list[list]:
    """The whole lines of the journal."""
    return [json.loads(line) for path in (folder / ".translated").glob("*.jsonl")
            for line in path.read_text().split("\n") if line.endswith("]")]


def test_what_is_done_is_not_done_again(run, tmp_path):
    write_images(tmp_path / "in", 4)
    assert counted(run()) == (4, 0, 0)
    before = dates(tmp_path / "out")
    write_image(tmp_path / "in" / "new.png", seed=9)
    write_image(tmp_path / "in" / "1.png", seed=8)  # other content
    (tmp_path / "out" / "2.png").write_bytes(b"")  # as a disk that lost its power may leave it
    assert counted(run()) == (4 - 1, 2, 0)
    after = dates(tmp_path / "out")
    assert {name for name in after if before.get(name) != after[name]} == {"1.png", "2.png", "new.png"}
    G = bothways.load("checkpoints/run", device="cpu")
    for path in (tmp_path / "in").iterdir():
        np.testing.assert_array_equal(read_pixels(tmp_path / "out" / path.name), np.asarray(G(path)))
    assert counted(run("--num_test 2")) == (0, 2, 0)


def test_the_same_content_of_another_folder_is_made(run, tmp_path):
    write_images(tmp_path / "in", 2)
    assert counted(run()) == (2, 0, 0)
    (tmp_path / "in").rename(tmp_path / "other")
    write_images(tmp_path / "in", 1)
    assert counted(run()) == (1, 0, 0)


def test_other_weights_or_options_need_overwrite(run, trained, tmp_path, failure):
    write_images(tmp_path / "in", 2)
    run()
    before = dates(tmp_path / "out")
    code, said = failure(lambda line: run(line), "--seed 3")
    assert code == 2 and "out was begun with --seed 0 (now 3). --overwrite translates all anew" in said
    assert dates(tmp_path / "out") == before
    assert counted(run("--seed 3 --overwrite")) == (2, 0, 0)
    assert counted(run("--seed 3 --overwrite")) == (0, 2, 0)  # the same line goes on
    trained(f"{NOISY} --seed 5")
    code, said = failure(lambda line: run(line), "--seed 3")
    assert code == 2 and "out was begun with weights " in said
    (tmp_path / "out" / ".translated" / "settings.json").write_text("{")
    code, said = failure(lambda line: run(line), "--seed 3")
    assert code == 2 and "settings.json is damaged" in said


def test_a_line_that_was_cut_off_harms_nothing(run, tmp_path):
    write_images(tmp_path / "in", 3)
    run()
    (journal,) = (tmp_path / "out" / ".translated").glob("*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-20])
    (tmp_path / "out" / f".{'0' * 16}.tmp").write_bytes(b"half")  # of a process that was killed as it wrote
    assert counted(run()) == (1, 2, 0)
    assert counted(run()) == (0, 3, 0)
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_other_values_in_new_files_change_the_old_ones(run, tmp_path):
    values = np.random.default_rng(0).integers(0, 200, (32, 32, 3), np.uint16)
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "a.npy", values)
    more = "--value_range auto --preprocess none"
    assert counted(run(more)) == (1, 0, 0)
    np.save(tmp_path / "in" / "b.npy", values * 300)  # black to white is another range now, for both
    assert counted(run(more)) == (2, 0, 0)
    assert counted(run(more)) == (0, 2, 0)


def test_a_sample_is_shown(run, tmp_path, failure):
    write_images(tmp_path / "in", 5)
    assert any("index.html" in line for line in run("--page_samples 2"))
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 4 and "2 of 5, from all over them" in page
    assert 'href="0.png"' in page and 'href="2.png"' in page
    (tmp_path / "out" / "index.html").unlink()
    assert counted(run("--page_samples 2")) == (0, 5, 0)
    assert (tmp_path / "out" / "index.html").exists()
    code, said = failure(lambda line: load_command("test").main(
        f"--dataroot {tmp_path}/in/0.png --output one.png --name run --gpu_ids -1 {line}".split()), "--page_samples 2")
    assert code == 2 and "--page_samples shows pictures of a folder" in said


def test_bad_images_are_counted(run, tmp_path):
    write_images(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.png").write_bytes(b"no image")
    assert counted(run("--skip_bad_images")) == (2, 0, 1)
    assert counted(run("--skip_bad_images")) == (0, 2, 1)


@pytest.mark.slow
def test_processes_share_the_work(trained, tmp_path):
    trained(CYCLE)
    write_images(tmp_path / "in", 100)
    words = ["--dataroot", "in", "--output", "out", "--name", "run", "--gpu_ids", "-1"]
    done = forked_ranks(2, ROOT / "test.py", words, tmp_path)
    assert [code for code, _ in done] == [0, 0], done
    assert counted(done[0][1].splitlines()) == (100, 0, 0) and "made" not in done[1][1]
    assert set(Counter(name for name, *_ in noted(tmp_path / "out")).values()) == {1} and len(
        noted(tmp_path / "out")) == 100
    assert counted(forked_ranks(1, ROOT / "test.py", words, tmp_path)[0][1].splitlines()) == (0, 100, 0)


@pytest.mark.slow
def test_killed_twice_each_image_comes_out_once(trained, tmp_path):
    run = trained(CYCLE)
    write_images(tmp_path / "in", 200)
    words = ["--dataroot", "in", "--output", "out", "--name", "run", "--gpu_ids", "-1"]
    for kill in (1, 2):
        killed = forked_ranks(2, ROOT / "test.py", words, tmp_path,
                              lambda least=60 * kill: len(noted(tmp_path / "out")) >= least)
        assert [code for code, _ in killed] == [-signal.SIGKILL] * 2, killed
    (code, said), _ = forked_ranks(2, ROOT / "test.py", words, tmp_path)
    made, before, unreadable = counted(said.splitlines())
    assert code == 0 and made + before == 200 and unreadable == 0 and before >= 120
    rows = noted(tmp_path / "out")
    assert Counter(name for name, *_ in rows).most_common(1)[0][1] == 1 and len(rows) == 200
    found = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert sorted(path.name for path in found) == sorted(f"{number}.png" for number in range(200))  # nothing left over
    G = bothways.load(run, device="cpu")
    for path in found:
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(G(tmp_path / "in" / path.name)))
