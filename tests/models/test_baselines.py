"""The baselines of the CycleGAN paper: what defines each."""
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from helpers.commands import TINY
from helpers.engines import start, take_step
from networks.layers import init_weights
from util.errors import UserError


def batch(count: int = 2, seed: int = 1) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    coarse = {side: torch.rand(count, 3, 4, 4, generator=source) * 2 - 1 for side in "AB"}
    return {side: F.interpolate(image, (32, 32), mode="bilinear") for side, image in coarse.items()}


class Says(nn.Module):
    """A discriminator that answers with the mean of some of its channels."""

    def __init__(self, channels: slice):
        super().__init__()
        self.channels = channels
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x[:, self.channels].mean((1, 2, 3))


def test_the_layers_that_cogan_shares_are_the_same_tensors():
    engine = start(f"{TINY} --model cogan --latent_nc 7")
    nets = engine.model.nets
    assert nets["G_A"].model[0].weight.shape[0] == 7
    for one, other, shared in (("G_A", "G_B", slice(0, -5)), ("D_A", "D_B", slice(5, None))):
        places = range(len(nets[one].model))
        assert [nets[one].model[place] is nets[other].model[place] for place in places[shared]] == [
            True] * len(places[shared])
        own = [place for place in places if place not in places[shared]]
        assert all(nets[one].model[place] is not nets[other].model[place] for place in own)
        optimizer = engine.optimizers.of[one, other]
        parameters = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert len(parameters) == len(set(parameters))  # each learns once
    take_step(engine, batch())
    resumed = start(f"{TINY} --model cogan --latent_nc 7 --seed 5")
    resumed.load_state(engine.state())
    for name, net in resumed.model.nets.items():
        assert all(torch.equal(value, nets[name].state_dict()[key]) for key, value in net.state_dict().items())
    assert resumed.model.nets["G_A"].model[0].weight is resumed.model.nets["G_B"].model[0].weight


def test_cogan_finds_the_code_of_an_image_and_renders_it_in_the_other_domain():
    line = f"{TINY} --model cogan --latent_nc 4 --init_gain 0.3 --inversion_steps"
    engine = start(f"{line} 150")
    G_A, G_B = engine.model.nets["G_A"], engine.model.nets["G_B"]
    with torch.no_grad():
        z = torch.tensor([[0.5, -0.3, 0.2, 0.4], [-0.2, 0.1, 0.6, -0.5]])
        images = {"A": G_A(z), "B": G_B(z)}
    made = engine.translate(images)
    assert (made["fake_B"] - images["B"]).abs().mean() < 0.1 * images["B"].std()
    alone = engine.translate({side: image[:1] for side, image in images.items()})
    assert (alone["fake_B"] - made["fake_B"][:1]).abs().max() < 1e-4  # another sample changes nothing
    hasty = start(f"{line} 2")
    error, of_hasty = (start_.model.metrics(start_.translate(images))["inversion"].mean() for start_ in (engine, hasty))
    assert error < 0.2 * of_hasty
    assert all(p.grad is None for p in G_A.parameters())


@pytest.mark.parametrize("flags, said", [
    ("--crop_size 48 --load_size 48", "sides that are a power of two from 16, found --crop_size 48"),
    ("--crop_size 32,64 --load_size 64", "makes square images with sides that are a power of two"),
    ("--netD pixel", "--netD pixel has no layers to share"),
])
def test_what_cogan_cannot_make_is_refused(flags: str, said: str):
    with pytest.raises(UserError, match=said):
        start(f"{TINY} --model cogan {flags}")


def test_cogan_refuses_images_of_another_size():
    with pytest.raises(UserError, match="images of 32x32, found one of 48x40"):
        start(f"{TINY} --model cogan").translate({side: torch.zeros(1, 3, 40, 48) for side in "AB"})


def test_the_discriminator_of_bigan_sees_pairs():
    engine = start(f"{TINY} --model bigan --gan_mode lsgan --no_dropout")
    model = engine.model
    images = model.forward(batch())
    assert next(model.nets["D"].parameters()).shape[1] == 6
    model.merge = False
    model.nets["D"] = says = Says(slice(3, 6))  # looks at the B of each pair
    losses = model.losses_G(images)
    encoded = torch.cat([images["fake_A"], images["real_B"]], 1)
    generated = torch.cat([images["real_A"], images["fake_B"]], 1)
    assert torch.equal(says.seen[0], encoded) and torch.equal(says.seen[1], generated)
    of_encoded, of_generated = (pair[:, 3:].mean((1, 2, 3)) for pair in (encoded, generated))
    expected = {"G_A": (of_generated - 1).square().mean(), "G_B": of_encoded.square().mean()}  # labels swapped
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {name: value.item() for name, value in expected.items()})
    expected = {"D_real": (of_encoded - 1).square().mean(), "D_fake": of_generated.square().mean()}
    of_D = model.losses_D(images)
    assert {name: value.item() for name, value in of_D.items()} == pytest.approx(
        {name: value.item() for name, value in expected.items()})
    assert losses["G_A"].requires_grad and not of_D["D_fake"].requires_grad


def test_simgan_becomes_the_identity_at_a_huge_weight():
    lines = [f"{TINY} --model simgan --no_dropout --ngf 8 --lr 0.003 --lambda_reg {weight}" for weight in (1e4, 0)]
    distances = []
    for line in lines:
        engine = start(line)
        for number in range(60):
            take_step(engine, batch(1), images=number)
        distances.append(engine.model.metrics(engine.translate(batch(1)))["reg"].item())
    assert distances[0] < 0.1 < 0.4 < distances[1]


def test_feature_gan_keeps_the_input_in_the_features_of_a_network_that_never_learns(tmp_path):
    with torch.device("meta"):
        layers = torchvision.models.vgg16().features[:21]
    torch.manual_seed(3)
    layers = init_weights(layers.to_empty(device="cpu"), "kaiming")
    assert isinstance(layers[19], nn.Conv2d) and layers[19].out_channels == 512  # the second of block 4
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()},
               tmp_path / "vgg16-397923af.pth")
    line = f"{TINY} --model feature_gan --no_dropout --lambda_reg 7 --feature_weights {tmp_path}"
    engine = start(line)
    model = engine.model
    before = {key: value.clone() for key, value in model.frozen["features"].state_dict().items()}
    report = take_step(engine, batch())
    std, mean = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    with torch.no_grad():
        features = [layers(((image + 1) / 2 - mean) / std)
                    for image in (report.images["fake_B"], report.images["real_A"])]
    assert report.losses["G_reg"].item() == pytest.approx(7 * (features[0] - features[1]).abs().mean().item(), rel=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in model.frozen["features"].state_dict().items())
    assert all(not parameter.requires_grad for parameter in model.frozen.parameters())
    assert set(engine.state()["nets"]) == {"G", "D"}  # and it is not saved


def test_weights_of_vgg_that_are_missing_or_others_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"Get https://download.pytorch.org/models/vgg16-397923af.pth \(528 MB\).* "
                                        "Without that file: --feature_weights self trains"):
        start(f"{TINY} --model feature_gan")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="other.pth does not hold the weights of VGG-16"):
        start(f"{TINY} --model feature_gan --feature_weights {tmp_path}/other.pth")


def test_features_that_the_data_taught_are_remembered():
    line = f"{TINY} --model feature_gan --feature_weights self"
    engine = start(line)
    fresh = {key: value.clone() for key, value in engine.model.frozen["features"].state_dict().items()}
    engine.model.study(lambda: [batch(2, seed) for seed in range(3)])
    taught = engine.model.frozen["features"].state_dict()
    assert any(not torch.equal(value, fresh[key]) for key, value in taught.items())
    assert not engine.model.frozen.training
    resumed = start(line)
    resumed.load_state(engine.state())
    assert all(torch.equal(value, taught[key]) for key, value in resumed.model.frozen["features"].state_dict().items())


def test_simgan_needs_the_same_channels_on_both_sides():
    with pytest.raises(UserError, match="--input_nc 3 and --output_nc 1"):
        start(f"{TINY} --model simgan --output_nc 1")
