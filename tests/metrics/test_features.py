"""The networks whose features are compared: the published one, and one trained on the target domain itself."""
import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics import self_features
from metrics.base_metric import Tools
from metrics.features import INCEPTION, choose_features
from util.errors import UserError


def pictures(count: int, seed: int = 0, height: int = 80, width: int = 72) -> list[Tensor]:
    """Blocks of colour with fine grain, each (3, height, width) in [0, 1]."""
    source = torch.Generator().manual_seed(seed)
    blocks = F.interpolate(torch.rand(count, 3, 12, 12, generator=source), (height, width))
    return list((0.8 * blocks + 0.2 * torch.rand(count, 3, height, width, generator=source)).clamp(0, 1))


def blurred(picture: Tensor, times: int) -> Tensor:
    return F.interpolate(F.avg_pool2d(picture[None], times), picture.shape[1:], mode="bilinear")[0]


@pytest.mark.slow
def test_the_features_of_the_domain_itself_see_how_far_pictures_are_from_it():
    pytest.importorskip("torchmetrics")
    from metrics.fid_metric import FidMetric

    trained = self_features.train(pictures(16))
    fid = FidMetric(Tools(features=lambda: trained))
    real, held_out = pictures(16), pictures(16, seed=1)
    sets = [held_out, *[[blurred(picture, times) for picture in held_out] for times in (2, 8)]]
    features = [torch.cat([trained(picture[None]) for picture in some]) for some in (real, *sets)]
    near, blurry, blurrier = (fid.distance(some, features[0]) for some in features[1:])
    assert 3 * near < blurry and 1.2 * blurry < blurrier
    assert "not comparable with published numbers" in fid.notes(16, 16)[0] and "on 16 pictures" in fid.notes(16, 16)[0]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_features, "MOST_STEPS", 4)


@pytest.mark.usefixtures("brief")
def test_training_is_always_the_same_and_leaves_random_numbers_and_gradients_alone():
    before = torch.get_rng_state()
    with torch.no_grad():
        nets = [self_features.train(iter(pictures(2))) for _ in range(2)]
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
    values = [net.state_dict().values() for net in nets]
    assert all(torch.equal(*pair) for pair in zip(*values, strict=True))
    assert not any(parameter.requires_grad for parameter in nets[0].parameters()) and not nets[0].training


@pytest.mark.usefixtures("brief")
def test_at_most_so_many_pictures_are_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(self_features, "MOST_PICTURES", 3)
    endless = (picture for picture in itertools.cycle(pictures(2)))
    assert self_features.train(endless).trained_on == 3


@pytest.mark.parametrize("size", [(300, 520), (20, 90), (64, 64)])
def test_pictures_of_any_size_have_features(size: tuple[int, int]):
    brought = self_features.sized(torch.rand(2, 3, *size))
    assert min(brought.shape[2:]) >= 64 and max(brought.shape[2:]) <= 256
    assert self_features.SelfFeatures(2)(torch.rand(2, 3, *size)).shape == (2, 64)


@pytest.mark.usefixtures("brief")
def test_the_trained_network_is_kept_in_its_file_and_loaded_again(tmp_path: Path):
    path = tmp_path / "kept.pth"
    first = choose_features("self", path, lambda: pictures(2))
    assert not path.exists()  # nothing is trained before it is needed
    net, x = first(), torch.rand(1, 3, 70, 70)
    assert first() is net
    again = choose_features("self", path, lambda: pytest.fail("trained again"))()
    assert torch.equal(again(x), net(x)) and again.note == net.note
    choose_features("self", tmp_path, lambda: pictures(2))()
    assert (tmp_path / self_features.FILE).exists()


def test_what_cannot_be_trained_or_loaded_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="needs at least 2 of them; there are 1"):
        choose_features("self", None, lambda: pictures(1))()
    with pytest.raises(UserError, match="needs at least 2 of them; there are 0"):
        choose_features("self")()
    torch.save({"weights": {}, "trained_on": 2}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="x.pth holds no such weights; .* Name another file with --feature_weights"):
        choose_features("self", tmp_path / "x.pth")()
    with pytest.raises(UserError, match="--features 'vgg' is not known. Known: inception, self"):
        choose_features("vgg")


def test_missing_weights_of_inception_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError) as caught:
        choose_features("inception")()
    place = tmp_path / "checkpoints" / INCEPTION.name
    assert all(said in str(caught.value) for said in (str(place), INCEPTION.url, "--feature_weights", "91 MB",
                                                  "evaluate.py --features self"))
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="x.pth does not hold the weights of the Inception network"):
        choose_features("inception", tmp_path / "x.pth")()


@pytest.mark.slow
def test_inception_sees_8_bit_pictures_in_its_publishers_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    resize = module.interpolate_bilinear_2d_like_tensorflow1x
    bare = type("Bare", (module.FeatureExtractorInceptionV3,), {"load_state_dict": lambda self, state: None})
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
    random = bare("inception", ["2048"])
    torch.save(random.state_dict(), tmp_path / INCEPTION.name)
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download"))
    seen = []
    random.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net = choose_features("inception", tmp_path)()
    net.net.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.rand(1, 3, 60, 90, generator=torch.Generator().manual_seed(0))
    features = net(x)
    assert features.shape == (1, net.num_features) == (1, 2048)
    levels = (255 * x).round()
    assert torch.equal(seen[0], (resize(levels, (299, 299), align_corners=False) - 128) / 128)
    assert torch.equal(features, random(levels.byte())[0])
