"""The trainings behind the papers' tables: which there are, what is left of them, and doing one."""
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from paper_systems import SYSTEMS, TO_LABELS, TO_PHOTO, System, Table

from util.errors import UserError
from util.files import write_atomically

ROOT = Path(__file__).parents[1]
STOPPED = (75, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes of a training that was told to stop
JITTER = 9 / 8  # images are scaled to so many times the crop, as 286 is to 256


class RunFailed(Exception):
    """A command failed; the message says which, and where its output is."""


@dataclass(frozen=True)
class Budget:
    """How large everything is.

    images: that each run is trained with, each as often as it is shown; crop_size: of the tables of CycleGAN;
    pix2pix_size: of those of pix2pix; test_images: most that are scored; fcn_size, fcn_steps: of the network that
    scores photos, its side in pixels and its training steps.
    """

    images: int
    crop_size: int
    pix2pix_size: int
    netG: str
    ngf: int
    ndf: int
    batch_size: int
    test_images: int
    fcn_size: int
    fcn_steps: int


BUDGETS = {
    "quick": Budget(40, 32, 128, "resnet_6blocks", 4, 4, 1, 4, 32, 20),
    "hour": Budget(3000, 64, 128, "resnet_6blocks", 16, 16, 1, 100, 128, 600),
    "full": Budget(200 * 2975, 256, 256, "resnet_9blocks", 64, 64, 1, 500, 256, 6000),
}


@dataclass(frozen=True)
class Run:
    """One training. tasks: the directions that it translates in."""

    system: System
    tasks: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        way = "" if len(self.tasks) > 1 else f"_{self.tasks[0].partition('->')[2]}"
        return f"{self.system.name}{way}_seed{self.seed}"


def planned(tables: Iterable[Table], seeds: Sequence[int]) -> list[Run]:
    """Every training that the tables need, once, the tables of the first seed first."""
    wanted = [(SYSTEMS[row.system], table.task) for table in tables for row in table.rows]
    runs = (Run(system, (TO_PHOTO, TO_LABELS) if system.both_ways else (task,), seed)
            for seed in seeds for system, task in wanted)
    return list(dict.fromkeys(runs))


@dataclass(frozen=True)
class Place:
    """What the trainings share. dataroot: of the pairs; labels: their side with the labels, 'A' or 'B'; pairs: of the
    training split; feature_weights: of feature_gan; more: flags of all trainings."""

    out: Path
    dataroot: Path
    labels: str
    pairs: int
    budget: Budget
    feature_weights: str = "self"
    more: tuple[str, ...] = ()

    @property
    def unpaired(self) -> Path:
        """The same pictures as two piles."""
        return self.out / "unpaired"

    def score_file(self, run: Run) -> Path:
        """Its scores; a run that has it is done."""
        return self.out / "scores" / f"{run.name}.json"

    def results(self, run: Run) -> Path:
        """The folder of its translations."""
        return self.out / "results" / run.name / "test_latest"

    def state(self, run: Run) -> str:
        """How far it is: done, begun or missing."""
        if self.score_file(run).is_file():
            return "done"
        return "begun" if (self.out / "checkpoints" / run.name).is_dir() else "missing"

    def direction(self, run: Run) -> str:
        """The --direction in which it is trained: from labels where it is both."""
        return "AtoB" if (run.tasks[0] == TO_PHOTO) == (self.labels == "A") else "BtoA"

    def work(self, run: Run) -> list[str]:
        """The flags of train.py that say what is computed."""
        budget, system = self.budget, run.system
        size = budget.pix2pix_size if system.pix2pix else budget.crop_size
        netG = system.netG.format(netG=budget.netG, side=size)
        own = ["--feature_weights", self.feature_weights] if system.name == "feature_gan" else []
        sizes = {"crop_size": size, "load_size": round(size * JITTER), "ngf": budget.ngf, "ndf": budget.ndf,
                 "batch_size": budget.batch_size, "seed": run.seed}
        return [*system.flags.split(), *own, "--netG", netG,
                *(word for name, value in sizes.items() for word in (f"--{name}", str(value))), *self.more]

    def training(self, run: Run) -> list[str]:
        """The command line of train.py: the rate is constant in the first half and falls in the second."""
        epochs = max(1, -(-self.budget.images // self.pairs))
        often = max(1, self.budget.images // 4)
        return ["--dataroot", str(self.dataroot if run.system.pairs else self.unpaired), "--name", run.name,
                "--checkpoints_dir", str(self.out / "checkpoints"), "--direction", self.direction(run),
                "--n_epochs", str(epochs - epochs // 2), "--n_epochs_decay", str(epochs // 2), "--num_threads", "1",
                "--save_latest_freq", str(often), "--save_epoch_freq", str(epochs), "--display_id", "0", "--no_html",
                "--resume", "auto", *self.work(run)]

    def testing(self, run: Run) -> list[str]:
        """The command line of test.py."""
        return ["--dataroot", str(self.dataroot), "--name", run.name, "--model", run.system.flags.split()[1],
                "--checkpoints_dir", str(self.out / "checkpoints"), "--results_dir", str(self.out / "results"),
                "--dataset_mode", "aligned", "--num_test", str(self.budget.test_images)]

    def do(self, run: Run, commands: "Commands") -> None:
        """Train, or go on, and translate. RunFailed when one of both fails, KeyboardInterrupt when told to stop."""
        log = self.out / "logs" / f"{run.name}.log"
        commands.call("train.py", self.training(run), log)
        commands.call("test.py", self.testing(run), log)


class Commands:
    """Runs commands of the project, several at a time from threads, each with its share of the processor's cores."""

    def __init__(self, jobs: int):
        """jobs: how many at a time."""
        self.threads = threads_of(jobs)
        self.running: set[subprocess.Popen[bytes]] = set()
        self.stopping = False

    def call(self, script: str, line: Sequence[str], log: Path) -> None:
        """Run a command; what it says is appended to `log`. RunFailed when it fails, KeyboardInterrupt when it, or all,
        were told to stop."""
        log.parent.mkdir(parents=True, exist_ok=True)
        if self.stopping:
            raise KeyboardInterrupt
        with log.open("ab") as output:
            process = subprocess.Popen([sys.executable, str(ROOT / script), *line], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT,
                                       env=os.environ | {"OMP_NUM_THREADS": str(self.threads)})
            self.running.add(process)
            if self.stopping:  # told while it began
                process.terminate()
            code = process.wait()
            self.running.discard(process)
        if self.stopping or code in STOPPED:
            raise KeyboardInterrupt
        if code:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
            raise RunFailed(f"{script} left with {code}: {said[-1][:300]} (all of it: {log})")

    def stop(self) -> None:
        """Tell all that run to stop, which a training does after saving its state; no other begins."""
        self.stopping = True
        for process in list(self.running):
            process.terminate()


def threads_of(jobs: int) -> int:
    """How many of the processor's cores each of several jobs has."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)) // jobs)


def claim(place: Place, fingerprint: str) -> None:
    """Write down what the folder's runs are made with. UserError when it holds runs of something else.

    fingerprint: of the training pairs.
    """
    path = place.out / "settings.json"
    wanted = asdict(place.budget) | {"pairs": fingerprint, "labels": place.labels, "feature_weights":
                                     place.feature_weights, "flags": list(place.more)}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_atomically(path, json.dumps(wanted, indent=1) + "\n")
        return
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); give another folder with --out") from None
    unlike = [f"{name} {found.get(name)}, not {value}" for name, value in wanted.items() if found.get(name) != value]
    if unlike:
        raise UserError(f"{place.out} holds runs made with {'; '.join(unlike)}. Tables mix no budgets: give the same "
                        "flags to go on with them, or another folder with --out")


def budget_flags() -> list[str]:
    """The names of the parts of a budget."""
    return [field.name for field in fields(Budget)]
