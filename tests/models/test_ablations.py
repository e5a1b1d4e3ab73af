"""Each loss of the two models can be left out or replaced by a flag, and nothing else changes."""
import pytest
import torch
import torch.nn.functional as F

from helpers.commands import TINY
from helpers.engines import start, take_step
from networks.generators import GENERATORS
from networks.recognize import recognize_generator
from util.errors import UserError


def batch() -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    return {side: torch.rand(1, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"}


def first_losses(line: str) -> dict[str, float]:
    """Of the first step, from weights and images that are always the same."""
    report = take_step(start(f"{TINY} --no_dropout --lr 0 {line}"), batch())
    return {name: value.item() for name, value in report.losses.items()}


@pytest.mark.parametrize("line, nets, terms", [
    ("--model pix2pix --lambda_gan 0", {"G"}, {"G_L1"}),
    ("--model pix2pix --lambda_L1 0", {"G", "D"}, {"D_real", "D_fake", "G_GAN"}),
    ("--model pix2pix --lambda_L1 0 --unconditional_D", {"G", "D"}, {"D_real", "D_fake", "G_GAN"}),
    ("--model pix2pix --distance L2", {"G", "D"}, {"D_real", "D_fake", "G_GAN", "G_L2"}),
    ("--model cycle_gan --lambda_gan 0 --lambda_identity 0", {"G_A", "G_B"}, {"cycle_A", "cycle_B"}),
    ("--model cycle_gan --lambda_B 0 --lambda_identity 0", {"G_A", "G_B", "D_A", "D_B"},
     {"G_A", "G_B", "D_A", "D_B", "cycle_A"}),
    ("--model cycle_gan --lambda_A 0 --lambda_identity 0", {"G_A", "G_B", "D_A", "D_B"},
     {"G_A", "G_B", "D_A", "D_B", "cycle_B"}),
    ("--model cycle_gan --lambda_A 0 --lambda_B 0 --lambda_identity 0", {"G_A", "G_B", "D_A", "D_B"},
     {"G_A", "G_B", "D_A", "D_B"}),
])
def test_what_is_left_out_is_neither_computed_nor_built(line: str, nets: set[str], terms: set[str]):
    engine = start(f"{TINY} --no_dropout --lr 0 {line}")
    assert set(engine.model.nets) == nets
    losses = take_step(engine, batch()).losses
    assert set(losses) == terms
    whole = first_losses(line.split(" --lambda")[0].split(" --unconditional")[0])
    shared = [name for name in terms & set(whole) if "unconditional" not in line and name.startswith(("cycle", "G_L"))]
    assert {name: losses[name].item() for name in shared} == pytest.approx({name: whole[name] for name in shared})


def test_the_squared_distance_takes_the_place_of_the_absolute_one():
    engine = start(f"{TINY} --no_dropout --lr 0 --model pix2pix --distance L2 --lambda_L1 7")
    report = take_step(engine, batch())
    expected = 7 * F.mse_loss(report.images["fake_B"], report.images["real_B"])
    assert report.losses["G_L2"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("model, terms", [("pix2pix", ["G_GAN"]), ("cycle_gan", ["G_A", "G_B"])])
def test_the_adversarial_weight_reaches_its_terms_alone(model: str, terms: list[str]):
    usual, weighted = first_losses(f"--model {model}"), first_losses(f"--model {model} --lambda_gan 3")
    assert weighted == pytest.approx({name: 3 * value if name in terms else value for name, value in usual.items()})


def test_an_unconditional_discriminator_does_not_see_the_input():
    for flag, sees in (("", True), ("--unconditional_D", False)):
        engine = start(f"{TINY} --no_dropout --model pix2pix {flag}")
        images = dict(take_step(engine, batch()).images)
        others = {**images, "real_A": -images["real_A"]}
        with torch.no_grad():
            some, other = (engine.model.losses_D(of)["D_real"].item() for of in (images, others))
        assert (some != other) == sees
        first = next(engine.model.nets["D"].parameters())
        assert first.shape[1] == (6 if sees else 3)


@pytest.mark.parametrize("line", ["--model pix2pix --lambda_gan 0 --lambda_L1 0",
                                  "--model cycle_gan --lambda_gan 0 --lambda_A 0 --lambda_B 0"])
def test_nothing_to_learn_from_is_refused(line: str):
    with pytest.raises(UserError, match="leaves nothing to learn from; give one of them a weight"):
        start(f"{TINY} {line}")


@pytest.mark.parametrize("name", ["encoder_decoder_128", "encoder_decoder_256"])
def test_an_encoder_decoder_is_the_unet_without_skips(name: str):
    side = int(name.split("_")[-1])
    torch.manual_seed(0)
    net = GENERATORS[name].build(3, 1, 2, "batch", False).eval()
    unet = GENERATORS[f"unet_{side}"].build(3, 1, 2, "batch", False)
    assert net.state_dict().keys() == unet.state_dict().keys()
    found = recognize_generator(net.state_dict())
    assert found == {**recognize_generator(unet.state_dict()), "netG": name}
    x = torch.rand(1, 3, side, side)
    features = []
    inner = max((module for module in net.modules() if isinstance(module, torch.nn.Conv2d)),
                key=lambda module: [*net.modules()].index(module))  # the innermost: one pixel
    inner.register_forward_hook(lambda module, inputs, output: features.append(output) or torch.zeros_like(output))
    assert torch.equal(net(x), net(-x))  # nothing goes past it
    assert features[0].shape[2:] == (1, 1)
