"""What lies in a run's folder: the names of its files, and what is there."""
from pathlib import Path

LATEST, PREVIOUS, NEXT = "latest_state.pth", "previous_state.pth", "next_state.pth"
LOGS = ("loss_log.txt", "metrics.jsonl")
OPTIONS = ("train_opt.json", "train_opt.txt")
PAGE = "web"
BEST = "best.json"
TENSORBOARD = "tensorboard"
WEIGHTS = "*_net_*.pth"
CONFIG, TENSORS = "config.json", "model.safetensors"  # of a generator alone, in the form of the Hugging Face Hub


def holds_a_run(folder: Path) -> bool:
    """Whether a training left weights or a state in the folder, which a new one would overwrite."""
    return holds_weights(folder) or holds_a_state(folder)


def holds_a_state(folder: Path) -> bool:
    """Whether there is a state to go on from."""
    return any((folder / name).exists() for name in (LATEST, PREVIOUS))


def holds_weights(folder: Path) -> bool:
    """Whether there are weight files."""
    return any(folder.glob(WEIGHTS))


def generator_alone(place: Path) -> Path | None:
    """The weights of a generator that was exported: the file itself, or model.safetensors beside its config.json in a
    folder that holds no run's weights. None elsewhere.
    """
    if place.is_file():
        return place if is_safetensors(place) else None
    alone = (place / CONFIG).is_file() and (place / TENSORS).is_file() and not holds_weights(place)
    return place / TENSORS if alone else None


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: with the length of a header in JSON."""
    try:
        if not path.is_file():  # to open a pipe would wait for its other end
            return False
        with open(path, "rb") as file:
            return file.read(10)[8:] == b'{"'
    except OSError:
        return False


def run_files(folder: Path) -> list[Path]:
    """Everything that a training wrote here: the latest state first, then the others, weights, logs, options, the page.

    [] when there is neither a state nor weights nor a log.
    """
    of_a_run = [folder / LATEST, folder / PREVIOUS, folder / NEXT, *sorted(folder.glob(WEIGHTS)),
                *(folder / name for name in LOGS)]
    found = [path for path in of_a_run if path.exists() or path.is_symlink()]
    beside = [path for name in (*OPTIONS, PAGE, BEST, TENSORBOARD) if (path := folder / name).exists()]
    return found and found + beside
