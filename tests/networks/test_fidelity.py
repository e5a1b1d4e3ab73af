"""The same keys, outputs, losses and steps as the classic implementation, from measurements of it."""
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import models
from engine.engine import Engine
from helpers.engines import options
from networks.discriminators import DISCRIMINATORS
from networks.fast_layers import accelerate
from networks.generators import GENERATORS
from networks.losses import GAN_MODES, gradient_penalty

FIXTURES = Path(__file__).parents[1] / "fixtures"
CLASSIC_NETS = json.loads((FIXTURES / "classic_state_dicts.json").read_text())


def load(name: str) -> dict:
    return torch.load(FIXTURES / f"{name}.pt", weights_only=True)


def build(name: str, input_nc: int, nf: int, norm: str, use_dropout: bool = False, n_layers: int = 3) -> nn.Module:
    if name in GENERATORS:
        return GENERATORS[name].build(input_nc, 3, nf, norm, use_dropout)
    return DISCRIMINATORS[name](input_nc, nf, n_layers, norm)


@pytest.mark.parametrize("case", CLASSIC_NETS)
def test_state_dicts_have_the_classic_keys_shapes_and_sizes(case: str):
    classic = CLASSIC_NETS[case]
    net = build(classic.get("netG") or classic["netD"], classic["input_nc"], 64, classic["norm"],
                classic.get("use_dropout", False), classic.get("n_layers_D", 3))
    ours = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")]
            for key, value in net.state_dict().items()]
    assert ours == classic["state_dict"]
    assert sum(p.numel() for p in net.parameters()) == classic["n_params"]


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
@pytest.mark.parametrize("case", sorted(path.stem for path in FIXTURES.glob("net*.pt")))
def test_same_weights_give_the_same_outputs(case: str, fast: bool):
    fixture = load(case)
    meta = fixture["meta"]
    net = build(meta["net"], meta["input_nc"], meta["nf"], meta["norm"], meta["use_dropout"], meta["n_layers"])
    net.load_state_dict(fixture["state_dict"])
    image = fixture["input_int16"].float() / fixture["input_scale"]
    if fast:
        net = accelerate(net).to(memory_format=torch.channels_last)
    for mode in ("eval", "train"):
        expected = fixture.get(f"output_{mode}")
        if expected is None:
            continue
        net.train(mode == "train")
        assert (thin(net(image), expected) - expected).abs().max() < 1e-5


def thin(image: Tensor, like: Tensor) -> Tensor:
    """Every n-th pixel, as many as the fixture kept."""
    step = -(-image.shape[-1] // like.shape[-1])
    return image[..., ::step, ::step]


@pytest.mark.parametrize("is_real", [True, False])
@pytest.mark.parametrize("gan_mode", ["lsgan", "vanilla", "wgangp"])
def test_gan_losses_and_their_gradients(gan_mode: str, is_real: bool):
    fixture = load("ganloss")
    name = f"{gan_mode}_{'real' if is_real else 'fake'}"
    prediction = fixture["prediction"].clone().requires_grad_()
    mode = GAN_MODES[gan_mode]
    loss = (mode.real if is_real else mode.fake)(prediction, prediction)
    assert torch.equal(mode.fool(prediction, prediction), mode.real(prediction, prediction))  # G wants D to say real
    loss.backward()
    assert abs(loss - fixture[name]) < 1e-6
    assert (prediction.grad - fixture[f"{name}_grad"]).abs().max() < 1e-6


@pytest.mark.parametrize("kind, mix", [("gp_real", 1.0), ("gp_fake", 0.0)])
def test_gradient_penalty(kind: str, mix: float):
    fixture = load("ganloss")
    netD = build("basic", 3, 4, "instance")
    netD.load_state_dict(fixture["gp_D"])
    penalty = gradient_penalty(netD, fixture["gp_real_data"], fixture["gp_fake_data"], torch.full((2, 1, 1, 1), mix))
    assert torch.allclose(penalty, fixture[kind], rtol=1e-5)


OWN_WEIGHTS = {"cycle_gan": ("lambda_A", "lambda_B", "lambda_identity"), "pix2pix": ("lambda_L1",)}


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("case", ["step_cyclegan_resnet6", "step_pix2pix_unet128"])
def test_one_training_step(case: str, plain: bool):
    fixture = load(case)
    meta = fixture["meta"]
    flags = ["netG", "netD", "ngf", "ndf", "norm", "gan_mode", "pool_size", *OWN_WEIGHTS[meta["model"]]]
    words = " ".join(f"--{name} {meta[name]}" for name in flags) + (" --plain" if plain else "")
    model = models.find(meta["model"])(options(f"--model {meta['model']} --no_dropout {words}"))
    engine = Engine(model, torch.device("cpu"), plain=plain)
    engine.prepare_training(meta["lr"], meta["beta1"])
    for name, net in model.nets.items():
        net.load_state_dict(fixture["before"][name])
    A, B = (fixture[f"{side}_int16"].float() / fixture["input_scale"] for side in "AB")

    report = engine.step({"A": A, "B": B}, epoch=1, images=0)
    losses, images = report.losses, report.images

    expected = fixture["losses"][0]
    assert losses.keys() == expected.keys()
    assert all(abs(losses[name].item() / expected[name].item() - 1) < 1e-4 for name in expected)
    for name, image in fixture["images"].items():
        assert (thin(images[name], image) - image).abs().max() < 1e-5
    pair = torch.cat([A, B], 1)
    for name, output in fixture["outputs_after"].items():
        sees_the_pair = name == "D"
        ours = model.nets[name](pair if sees_the_pair else A)
        # Adam makes full-size steps of gradients that are nearly zero; rounding decides their sign
        assert (thin(ours, output) - output).abs().max() < (1e-3 if plain else 5e-3)
