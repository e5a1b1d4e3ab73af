"""Small folders of images, and options without a command line, for all tests."""
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.commands import TINY, load_command
from helpers.images import write_image, write_pairs

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny networks only wait for a second thread


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser are slow; files with slow tests come first, so that one worker is not left with a long one."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session", autouse=True)
def _own_cache() -> Iterator[None]:
    """What is kept in the user's cache folder is kept in another one, for this run of the tests."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _memory_goes_back() -> Iterator[None]:
    """What one test has freed is not there for the next one, which may measure how much it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.host_memory.keep_freed_memory", lambda: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobody_waits_for_the_disk() -> Iterator[None]:
    """What is written is there for all processes at once, also when the one that wrote it is killed; that it outlives
    a power cut is nothing that a test could see.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture
def dataroot(tmp_path: Path, runs: Path) -> Path:
    """A dataset in every layout: train and test (pairs), trainA, trainB, testA, testB; 4 images of 32 pixels each."""
    return shutil.copytree(runs / "dataset", tmp_path / "dataset", copy_function=shutil.copyfile)


def write_dataset(root: Path) -> Path:
    for phase in ("train", "test", "val"):
        write_pairs(root / phase, 4)
        for side in "AB":
            for number in range(1, 5):
                write_image(root / f"{phase}{side}" / f"{number}.png", seed=ord(side) + number)
    return root


@pytest.fixture
def train(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs train.py on `dataroot` with tiny networks in tmp_path; returns the run's folder."""
    import train as command

    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Path:
        command.main(f"--dataroot {dataroot} --name run --overwrite {TINY} {line}".split())
        return tmp_path / "checkpoints" / "run"
    return run


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for trainings of `trained`, with a dataset of their own."""
    folder = tmp_path_factory.mktemp("runs")
    write_dataset(folder / "dataset")
    return folder


@pytest.fixture
def trained(tmp_path: Path, dataroot: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The same run as `train` gives, for tests of what comes afterwards: trained once, and copied to tmp_path.

    It was trained on a dataset like `dataroot`, elsewhere.
    """
    import train as command

    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Path:
        name = line.strip("-").replace(" ", "_")
        if not (runs / name).exists():
            where = f"--dataroot {runs / 'dataset'} --checkpoints_dir {runs} --name {name}"
            command.main(f"{where} {TINY} {line}".split())
        return shutil.copytree(runs / name, tmp_path / "checkpoints" / "run", dirs_exist_ok=True)
    return run


@pytest.fixture
def translate(tmp_path: Path, dataroot: Path) -> Callable[..., Path]:
    """Runs test.py on `dataroot` (after `train`); returns the results folder."""
    command = load_command("test")

    def run(line: str) -> Path:
        command.main(f"--dataroot {dataroot} --name run --num_threads 0 --autotune off --gpu_ids -1 {line}".split())
        return tmp_path / "results" / "run" / "test_latest"
    return run


@pytest.fixture
def forks() -> Iterator[None]:
    """Python processes that the test starts are forked from this one, which has imported torch."""
    from helpers.forked import forked_subprocesses

    with forked_subprocesses():
        yield


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders look every 0.2 s, instead of every 5 s, whether their workers are alive; or have ended, when they should.
    """
    from torch.utils.data import _utils
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.2,))
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.2)


@pytest.fixture
def failure(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """Calls a command that must end the process; returns its exit code and what it wrote to stderr."""
    def run(command: Callable, line: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            command(line)
        return exit.value.code, capsys.readouterr().err
    return run
