"""The registry of datasets: `--dataset_mode xyz` is the class in data/xyz_dataset.py."""
from util import registry


def names() -> list[str]:
    """Names of all dataset modes, sorted."""
    return registry.names("data", "dataset")


def find(name: str) -> type:
    """The dataset class called `name`; UserError with the valid names when there is none."""
    return registry.find("data", "dataset", "--dataset_mode", name)
