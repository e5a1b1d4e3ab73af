"""The registry of models: `--model xyz` is the class in models/xyz_model.py."""
from util import registry


def names() -> list[str]:
    """Names of all models, sorted."""
    return registry.names("models", "model")


def find(name: str) -> type:
    """The model class called `name`; UserError with the valid names when there is none."""
    return registry.find("models", "model", "--model", name)
