"""LPIPS against its formula, and what is said when its network's weights are missing."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.base_metric import Tools
from metrics.lpips_metric import BACKBONE, LEAST, LpipsMetric
from util.errors import UserError

lpips = pytest.importorskip("torchmetrics.functional.image.lpips")
STEPS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}  # of AlexNet's layers: stride, padding


def layers(pictures: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """Krizhevsky 2014: what each of the five convolutions gives."""
    x = (2 * pictures - 1 - torch.tensor((-0.030, -0.088, -0.188)).view(3, 1, 1)
         ) / torch.tensor((0.458, 0.448, 0.450)).view(3, 1, 1)
    found = []
    for number, (stride, padding) in STEPS.items():
        if number in (3, 6):
            x = F.max_pool2d(x, 3, 2)
        weight, bias = (weights[f"features.{number}.{name}"] for name in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, stride, padding).relu()
        found.append(x)
    return found


def test_lpips_is_the_weighted_distance_of_normalised_features(alexnet: Path):
    fake, real = torch.rand(2, 3, 3, 64, 50, generator=torch.Generator().manual_seed(0))
    weights = torch.load(alexnet / BACKBONE.name)
    learned = torch.load(Path(lpips.__file__).parent / "lpips_models" / "alex.pth", map_location="cpu")
    expected = torch.zeros(3)
    for number, (x, y) in enumerate(zip(layers(fake, weights), layers(real, weights), strict=True)):
        apart = (F.normalize(x, dim=1) - F.normalize(y, dim=1)) ** 2
        expected += (apart * learned[f"lin{number}.model.1.weight"]).sum(1).mean((1, 2))
    for place in (alexnet, alexnet / BACKBONE.name):
        metric = LpipsMetric(Tools(weights=place))
        assert torch.allclose(metric.statistics({"fake": fake, "real": real}), expected, rtol=1e-3)
        assert metric.statistics({"fake": real[:1], "real": real[:1]}).tolist() == [0]


def test_missing_weights_are_not_downloaded_but_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download"))
    place = tmp_path / "cache" / "checkpoints" / BACKBONE.name
    with pytest.raises(UserError) as caught:
        LpipsMetric(Tools())
    assert all(said in str(caught.value) for said in (str(place), BACKBONE.url, "--feature_weights", "233 MB"))
    with pytest.raises(UserError, match="other.pth. They are never downloaded"):
        LpipsMetric(Tools(weights=tmp_path / "other.pth"))


def test_weights_of_something_else_are_refused(tmp_path: Path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="other.pth does not hold the weights of AlexNet; expected .*alexnet-owt"):
        LpipsMetric(Tools(weights=path))
    path.write_bytes(b"<html>Not found</html>")
    with pytest.raises(UserError, match="other.pth cannot be read as weights"):
        LpipsMetric(Tools(weights=path))
    torch.save([1, 2], path)
    with pytest.raises(UserError, match="other.pth holds no weights by name"):
        LpipsMetric(Tools(weights=path))


def test_weights_are_found_in_the_cache_and_small_pictures_are_refused(alexnet: Path, tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").symlink_to(alexnet)
    metric = LpipsMetric(Tools())
    small, smaller = (torch.rand(1, 3, side, 40) for side in (LEAST, LEAST - 1))
    assert metric.statistics({"fake": small, "real": small}).tolist() == [0]
    with pytest.raises(UserError, match="lpips needs pictures of at least 31 pixels a side"):
        metric.statistics({"fake": smaller, "real": smaller})
