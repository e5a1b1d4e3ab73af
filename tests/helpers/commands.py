"""The commands as modules, and the flags that make them quick."""
import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
TINY = ("--netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 --num_threads 0 --display_id 0 "
        "--autotune off --gpu_ids -1 --precision fp32 --n_epochs 1 --n_epochs_decay 0")

OFFLINE = {"feature_gan": "--feature_weights self"}  # what a model needs where no weights of others are at hand


def load_command(name: str) -> ModuleType:
    """train.py, test.py or evaluate.py as a module; `test` is also the name of Python's own test suite."""
    spec = importlib.util.spec_from_file_location(f"{name}_command", ROOT / f"{name}.py")
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    return command
