"""Files of weights with the right names and shapes, and random values: the published ones are not ours to ship."""
from pathlib import Path

import pytest
import torch
from torch import nn


@pytest.fixture(scope="session")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the convolutions of AlexNet under the name of the published file."""
    from metrics.lpips_metric import BACKBONE

    torch.manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    weights = {}
    for number, shape in shapes.items():
        layer = nn.Conv2d(shape[1], shape[0], shape[2:])
        weights |= {f"features.{number}.{name}": value for name, value in layer.state_dict().items()}
    folder = tmp_path_factory.mktemp("alexnet")
    torch.save(weights, folder / BACKBONE.name)
    return folder
