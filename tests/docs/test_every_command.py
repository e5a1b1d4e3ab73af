"""Every command in the README and the docs runs, or says above it why no test runs it.

All run in one folder, the README's first, with the datasets and runs of `workspace`; a line that stands on several
pages runs once.
"""
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from helpers.answers import row, write_answers
from helpers.clips import write_clip
from helpers.commands import ROOT
from helpers.doc_lines import Block, blocks
from helpers.doc_shell import Failed, run
from helpers.images import write_image
from helpers.short_nets import shorten_nets

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]
LIVELY = "--init_type xavier --init_gain 1"  # networks whose answers are not gray


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """A folder to type in, with the images and the trained runs that the docs speak of; gives the lines done so far."""
    folder = tmp_path_factory.mktemp("workspace")
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shorten_nets(patch)
        _write_images(folder)
        _train(folder)
        patch.setattr(models, "__path__", [*models.__path__, str(folder / "models")])
        own = _write_models(folder / "models")
        yield set()
    for module in own:
        sys.modules.pop(f"models.{module}", None)
    os.environ.clear()
    os.environ.update(before)


def _write_images(folder: Path) -> None:
    """Pairs and piles of towns; smooth pictures where it does not matter what they show."""
    run("python datasets/toy_maps.py")
    toy = folder / "datasets" / "toy_maps"
    for name, parts in (("datasets/facades", "train test"), ("datasets/maps", "train test testA testB"),
                        ("datasets/monet2photo", "trainA trainB testA testB"), ("my_pairs", "train test")):
        for part in parts.split():
            shutil.copytree(toy / part, folder / name / part)
    shutil.copytree(toy / "testA", folder / "my_photos")
    for seed, name in enumerate(("real", "fake", "my_maps", "their_maps", "out/ours", "out/theirs", "photos/train",
                                 "labels/train")):
        for number in range(1, 5):
            write_image(folder / name / f"{number}.png", seed=10 * seed + number)
    for file in ("photo.jpg", "scan.tif", "scans/1.tif"):
        write_image(folder / file, 60, 40)
    write_clip(folder / "clip.mp4", [0, 1, 2])
    write_answers(folder / "answers-1.json", [row(True, practice=True), row(True), row(False)])
    (folder / "recipes").symlink_to(ROOT / "recipes")


def _write_models(folder: Path) -> list[str]:
    """The models that pages show as files, the last one of each name; returns the modules."""
    found = {}
    for page in PAGES:
        for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            for name in re.findall(r"^class (\w+)Model\(", code, re.MULTILINE):
                found[f"{name.lower()}_model"] = code
    folder.mkdir()
    for module, code in found.items():
        (folder / f"{module}.py").write_text(code)
    return list(found)


def _train(folder: Path) -> None:
    """The runs and their results, some of them under the names by which models are compared, or of the demo too."""
    for name, dataset, model in (("facades", "facades", "pix2pix"), ("maps", "maps", "pix2pix"),
                                 ("monet", "monet2photo", "cycle_gan")):
        run(f"python train.py --dataroot datasets/{dataset} --name {name} --model {model} --ema 0.9 {LIVELY}")
        run(f"python test.py --dataroot datasets/{dataset} --name {name}")
    shutil.copytree(folder / "results/maps/test_latest", folder / "results/maps/test_best")
    (folder / "checkpoints/old").mkdir()  # as the classic code leaves it: weights alone
    shutil.copy(folder / "checkpoints/facades/latest_net_G.pth", folder / "checkpoints/old")
    for name, trained, dataset in (("maps_pix2pix", "maps", "maps"), ("maps_cyclegan", "monet", "maps"),
                                   ("toy_pix2pix_AtoB", "maps", "toy_maps"), ("toy_pix2pix_BtoA", "maps", "toy_maps"),
                                   ("toy_cyclegan", "monet", "toy_maps")):
        shutil.copytree(folder / "checkpoints" / trained, folder / "checkpoints" / name)
        run(f"python test.py --dataroot datasets/{dataset} --name {name} --dataset_mode aligned")
    run("python test.py --dataroot datasets/toy_maps --name toy_cyclegan --dataset_mode aligned --weights ema")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run(page: Path, workspace: set[str]):
    failed = []
    for block in blocks(page.read_text()):
        for line in block.lines if not block.reason else ():
            if line in workspace:
                continue
            workspace.add(line)
            try:
                run(line)
            except Failed as error:
                failed.append(f"{page.name}:{block.number}: {error}")
    assert not failed, "\n\n".join(failed)


def test_what_is_read_of_a_page():
    page = """
Text.

    python train.py --name a \\
        --lr 1    # why

And:

    a tree/
      of folders

- a list

  <!-- not run: needs a GPU -->
  ```bash
  # first
  torchrun train.py
  ```

```python
python = 1
```

<!-- not run: hours -->

    A=1 python test.py
    B
"""
    assert blocks(page) == [
        Block(4, ("python train.py --name a --lr 1",), ""),
        Block(15, ("torchrun train.py",), "needs a GPU"),
        Block(26, ("A=1 python test.py", "B"), "hours")]


@pytest.mark.parametrize("mark", ["<!-- not run: hours -->\ntext\n", "<!-- not run -->\n```bash\nmake\n```\n"])
def test_a_mark_that_marks_nothing_is_refused(mark: str):
    with pytest.raises(ValueError, match="right above a block"):
        blocks(mark)


@pytest.mark.parametrize("line, said", [
    ("python train.py --dataroot nowhere --name x", "--dataroot nowhere does not exist"),
    ("python evaluat.py", "there is no evaluat.py"), ("frobnicate", "put <!-- not run: REASON -->"),
    ("pip install .[metric]", "no such extra"), ("make dmeo", "no such target"),
    ("torchrun --nproc_per_mode 2 train.py", "is not understood by")])
def test_a_line_that_fails_is_told(line: str, said: str):
    with pytest.raises(Failed, match=said):
        run(line)


def test_pipes_and_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("one")
    assert run("A=1 cat words.txt") == b"one" and "A" not in os.environ
    assert run("cat words.txt words.txt > twice.txt && cat twice.txt") == b"oneone"
