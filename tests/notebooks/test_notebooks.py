"""The notebooks are clean, run from top to bottom with tiny settings, and end with what they promise."""
import importlib.util
import json
import os
import re
from pathlib import Path

import pytest

from helpers.commands import ROOT

nbformat = pytest.importorskip("nbformat", reason="the notebooks are not tested: pip install .[notebooks]")

BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TINY = '''
NAME = "tiny"
SIZE, N_TRAIN, N_TEST, EPOCHS, FADING = 32, 5, 2, 1, 1
NETWORK = {"netG": "resnet_6blocks", "ngf": 4, "ndf": 4}
'''
WITHOUT_ONNX = "import sys\nsys.modules['onnx'] = None\n"


def read(name: str):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def parameters(book):
    (cell,) = (cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ()))
    return cell


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels keep their history here, not in the home of whoever tests."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def run(book, folder: Path) -> str:
    """Executes the notebook in a kernel of its own, as in the folder; what it printed."""
    nbclient = pytest.importorskip("nbclient", reason="the notebooks are not run: pip install .[notebooks]")
    pytest.importorskip("ipykernel", reason="the notebooks are not run: pip install .[notebooks]")
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}}).execute(
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""})
    return "".join(output.text for cell in book.cells for output in cell.get("outputs", ())
                   if output.output_type == "stream" and output.name == "stdout")


def test_there_are_two():
    assert [path.stem for path in BOOKS] == ["cyclegan", "pix2pix"]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_holds_nothing_of_a_machine(path: Path):
    text = path.read_text(encoding="utf-8")
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert all(cell.execution_count is None and cell.outputs == [] for cell in book.cells if cell.cell_type == "code")
    assert set(book.metadata) == {"kernelspec", "language_info"} and book.metadata.language_info == {"name": "python"}
    assert all(set(cell.metadata) <= {"tags"} for cell in book.cells)
    assert re.findall(r"/(?:home|root|Users|tmp|work|content)\b|[A-Z]:\\", text) == []
    prose = [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    assert len(prose) >= 10 and all(len(words.split()) <= 160 for words in prose)  # short, and enough of it
    json.loads(text)


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_the_parameters_are_all_used(name: str):
    book = read(name)
    rest = "".join(cell.source for cell in book.cells if cell.cell_type == "code")
    names = re.findall(r"\b([A-Z_]{2,})\b(?=.*=)", parameters(book).source)
    assert len(names) >= 6 and all(len(re.findall(rf"\b{name}\b", rest)) > 1 for name in names), names


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder from which the project is found as a hosted notebook finds it: in bothways/, beside the notebook."""
    (tmp_path / "bothways").symlink_to(ROOT)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name, more, made", [("pix2pix", "", 1), ("cyclegan", "CROP = 32\n" + WITHOUT_ONNX, 2)],
                         ids=["pix2pix", "cyclegan"])
def test_a_notebook_runs_from_top_to_bottom(name: str, more: str, made: int, tmp_path: Path):
    book, work = read(name), tmp_path / "made"
    parameters(book).source += f"\nWORK = {str(work)!r}{TINY}{more}"
    said = run(book, ROOT / "notebooks")

    assert "5 + 2 towns of 32x32 written" in said
    folder = work / "runs" / "tiny"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["epoch"] == 2 and f"saved in {folder}" in said
    assert (folder / "web" / "index.html").exists() and len(list(folder.glob("latest_net_G*.pth"))) == made
    numbers = [float(number) for line in re.findall("MAE of .*", said) for number in re.findall(r"\d+\.\d", line)]
    assert len(numbers) == (3 if made == 1 else 7) and all(0 < number < 255 for number in numbers), said
    shapes = [output.data["image/png"] for cell in book.cells for output in cell.get("outputs", ())
              if "image/png" in output.get("data", {})]
    assert len(shapes) == 3  # the data, the training, the translations
    (curves,) = (output.data["text/html"] for cell in book.cells for output in cell.get("outputs", ())
                 if "text/html" in output.get("data", {}))
    assert set(re.findall(r"<b>(\w+)</b>", curves)) == set(rows[-1]["losses"]) and "<polyline" in curves
    if WITHOUT_ONNX in more:
        assert "Skipped: onnx of the extra export is not installed: pip install -e .[export]" in said
    elif all(importlib.util.find_spec(library) for library in ("onnx", "onnxscript", "onnxruntime")):
        assert (work / "tiny.onnx").stat().st_size > 10_000, said
    else:
        assert "Skipped: " in said


@pytest.mark.slow
def test_the_set_up_says_what_is_missing_and_finds_the_folder_beside_it(elsewhere: Path, tmp_path: Path):
    nbclient = pytest.importorskip("nbclient", reason="the notebooks are not run: pip install .[notebooks]")
    book = read("pix2pix")
    book.cells = book.cells[:book.cells.index(parameters(book)) + 3]
    assert f"Bothways is in {elsewhere / 'bothways'}" in run(book, elsewhere)
    (elsewhere / "bothways").unlink()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="The folder of Bothways is not here"):
        run(book, elsewhere)
    parameters(book).source += "\nimport sys\nsys.modules['torch'] = None"
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="no torch. Run  %pip install .* restart"):
        run(book, ROOT)
