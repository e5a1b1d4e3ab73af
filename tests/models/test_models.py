"""Every registered model, generator, discriminator, norm, init and adversarial loss, found by enumeration."""
import random
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import default_collate

import data
import models
from data.transforms import Preprocess
from engine.engine import Engine
from helpers.commands import OFFLINE, TINY
from models.base_model import BaseModel
from models.colorization_model import to_rgb
from models.network_options import image_sizes
from networks.discriminators import DISCRIMINATORS, NLayerDiscriminator, min_size
from networks.generators import GENERATORS
from networks.layers import INITS, NORMS, init_weights
from networks.losses import GAN_MODES, discriminator_losses
from options.command_line import parse
from options.schema import Options
from train import COMMAND
from util.errors import UserError

TRAINABLE = [name for name in models.names() if name != "test"]


def options(dataroot: Path, line: str) -> Options:
    offline = OFFLINE.get(line.split()[1], "")
    return parse(COMMAND, f"--dataroot {dataroot} {TINY} {line} {offline}".split())


def start(opt: Options) -> tuple[Engine, dict]:
    """An engine ready to train, and a batch of two."""
    torch.manual_seed(opt.seed)
    dataset = data.find(opt.dataset_mode)(opt, Preprocess(opt, *image_sizes(opt, training=True)))
    batch = default_collate([dataset.sample(index, random.Random(index)) for index in range(2)])
    model = models.find(opt.model)(opt)
    engine = Engine(model, torch.device("cpu"))
    engine.prepare_training(opt.lr, opt.beta1)
    return engine, batch


def step(engine: Engine, batch: dict) -> tuple[dict, dict]:
    """(losses, images) of a training step."""
    report = engine.step(batch, epoch=1, images=0)
    report.require_finite()
    return report.losses, report.images


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_model_keeps_the_contract(name: str, dataroot: Path):
    engine, batch = start(options(dataroot, f"--model {name}"))
    model = engine.model
    before = {net: [p.clone() for p in model.nets[net].parameters()] for net in model.nets}
    losses, images = step(engine, batch)
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    assert {net for update in model.updates for net in update.nets} == set(model.nets)
    for net, parameters in before.items():  # every network learned something
        assert any((old != new).any() for old, new in zip(parameters, model.nets[net].parameters(), strict=True)), net
    for label, image in model.visuals(images).items():
        assert image.shape[0] == 2 and image.shape[1] in (1, 3) and image.abs().max() <= 1, label
    translated = engine.translate(batch)
    shown = [list(model.visuals(some)) for some in (images, translated)]
    names = model.visual_names if type(model).visuals is BaseModel.visuals else shown[0]
    assert set().union(*shown) == set(names)  # some only in training, some only in testing
    assert all(labels == [label for label in names if label in labels] for labels in shown)
    metrics = model.metrics(translated)
    assert metrics and all(values.shape == (2,) and (values > 0).all() for values in metrics.values())


def error(engine: Engine, batch: dict) -> float:
    """The model's first metric, over the batch."""
    return next(iter(engine.model.metrics(engine.translate(batch)).values())).mean().item()


# of the others losses are purely adversarial, or measured by features that nothing was taught
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TRAINABLE if name not in ("bigan", "cogan", "feature_gan")])
def test_losses_fall_on_one_batch(name: str, dataroot: Path):
    engine, batch = start(options(dataroot, f"--model {name} --lr 0.002 --no_dropout --ngf 8"))
    first = error(engine, batch)
    for _ in range(40):
        engine.step(batch, epoch=1, images=0)
    assert error(engine, batch) < 0.8 * first


def test_what_each_model_shows():
    assert models.find("pix2pix").visual_names == ("real_A", "fake_B", "real_B")
    assert models.find("cycle_gan").visual_names == (
        "real_A", "fake_B", "rec_A", "idt_B", "real_B", "fake_A", "rec_B", "idt_A")
    assert models.find("test").visual_names == ("real", "fake")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("netG", GENERATORS)
def test_generators_make_images_of_the_size_they_accept(netG: str, norm: str):
    kind = GENERATORS[netG]
    net = kind.build(1, 3, 2, norm, True)
    for side in (kind.min_size, max(kind.min_size, 16) + kind.size_multiple):
        out = net(torch.rand(1, 1, kind.min_size, side) * 2 - 1)
        assert out.shape == (1, 3, kind.min_size, side)
        assert out.abs().max() <= 1
    assert sum(isinstance(module, nn.Dropout) for module in net.modules()) == {
        "resnet_9blocks": 9, "resnet_6blocks": 6, "unet_256": 3, "unet_128": 2, "encoder_decoder_256": 3,
        "encoder_decoder_128": 2}[netG]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("netD", DISCRIMINATORS)
def test_discriminators_judge_the_smallest_image_they_accept(netD: str, norm: str):
    for layers in range(1, 6):
        side = min_size(netD, layers)
        net = DISCRIMINATORS[netD](3, 2, layers, norm)
        assert net(torch.rand(1, 3, side, side)).numel() >= 1


@pytest.mark.parametrize("layers, field", list(enumerate((16, 34, 70, 142, 286), start=1)))
def test_receptive_fields_of_the_patchgan(layers: int, field: int):
    net = NLayerDiscriminator(1, 1, layers, "none").double()
    nn.init.ones_(net.model[0].weight)
    image = torch.zeros(1, 1, 400, 400, dtype=torch.double, requires_grad=True)
    judgement = net(image)
    judgement[0, 0, judgement.shape[2] // 2, judgement.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert (rows.max() - rows.min() + 1).item() == field


@pytest.mark.parametrize("init_type", INITS)
def test_initial_weights(init_type: str):
    torch.manual_seed(0)
    net = init_weights(nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64)), init_type, 0.5)
    weight = net[0].weight.flatten(1)
    spread = {"normal": 0.5, "xavier": 0.5 * (2 / (2 * 64 * 9)) ** 0.5, "kaiming": (2 / (64 * 9)) ** 0.5}
    if init_type == "orthogonal":
        assert torch.allclose(weight @ weight.T, 0.25 * torch.eye(64), atol=1e-5)
    else:
        assert weight.std().item() == pytest.approx(spread[init_type], rel=0.05)
    assert net[0].bias.abs().max() == 0
    assert net[1].weight.mean().item() == pytest.approx(1, abs=0.3) and net[1].weight.std() > 0.3


@pytest.mark.parametrize("gan_mode", GAN_MODES)
@pytest.mark.parametrize("name", ["pix2pix", "cycle_gan"])
def test_adversarial_losses_train_both_sides(name: str, gan_mode: str, dataroot: Path):
    engine, batch = start(options(dataroot, f"--model {name} --gan_mode {gan_mode}"))
    losses, _ = step(engine, batch)
    assert all(loss.isfinite() for loss in losses.values())
    if name == "pix2pix":
        assert ("D_penalty" in losses) == (gan_mode == "wgangp")


def test_the_gradient_penalty_reaches_the_weights():
    torch.manual_seed(0)
    netD = DISCRIMINATORS["basic"](3, 4, 3, "instance")
    terms = discriminator_losses(netD, torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), "wgangp")
    terms["penalty"].backward()
    assert netD.model[0].weight.grad.abs().max() > 0


def test_discriminators_learn_nothing_from_the_generators_update(dataroot: Path):
    engine, batch = start(options(dataroot, "--model pix2pix"))
    before = [p.clone() for p in engine.model.nets["D"].parameters()]
    images = engine.model.forward(batch)
    sum(engine.model.losses_D(images).values()).backward()
    assert all(p.grad is None for p in engine.model.nets["G"].parameters())  # D's loss does not reach G
    engine.optimizers.of["G",].step()  # nor does G's optimizer move D
    assert all((old == new).all() for old, new in zip(before, engine.model.nets["D"].parameters(), strict=True))


def test_lambda_identity_zero_leaves_the_identity_out(dataroot: Path):
    engine, batch = start(options(dataroot, "--model cycle_gan --lambda_identity 0"))
    losses, images = step(engine, batch)
    assert not [name for name in [*losses, *images] if name.startswith("idt")]


def test_identity_needs_equal_channels(dataroot: Path):
    with pytest.raises(UserError, match="--lambda_identity 0"):
        start(options(dataroot, "--model cycle_gan --input_nc 1"))
    engine, batch = start(options(dataroot, "--model cycle_gan --input_nc 1 --lambda_identity 0"))
    _, images = step(engine, batch)
    assert (images["fake_B"].shape[1], images["fake_A"].shape[1]) == (3, 1)


def test_lab_to_rgb():
    red = torch.tensor([53.2408, 80.0925, 67.2032])
    L, ab = (red[:1] / 50 - 1).reshape(1, 1, 1, 1), (red[1:] / 110).reshape(1, 2, 1, 1)
    assert torch.allclose(to_rgb(L, ab).flatten(), torch.tensor([1.0, -1.0, -1.0]), atol=0.02)


def test_syncbatch_is_batch_norm_in_one_process():
    torch.manual_seed(0)
    batch = DISCRIMINATORS["basic"](3, 4, 3, "batch")
    sync = DISCRIMINATORS["basic"](3, 4, 3, "syncbatch")
    sync.load_state_dict(batch.state_dict())
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(batch(image), sync(image))


def shown(name: str, *labels: str) -> list[str]:
    model = models.find(name)
    return [" from ".join(model.shown_as(object.__new__(model), label)) for label in labels]


@pytest.mark.parametrize("name, labels, expected", [
    ("pix2pix", "real_A fake_B real_B", "A from A, B from A, B from B"),
    ("cycle_gan", "real_A fake_B rec_A idt_B", "A from A, B from A, A from A, A from A"),
    ("cycle_gan", "real_B fake_A rec_B idt_A", "B from B, A from B, B from B, B from B"),
    ("colorization", "real_A fake_B_rgb real_B_rgb", "A from A, B from A, B from B"),
    ("test", "real fake", "A from A, B from A"), ("cogan", "sample_A sample_B", "A from A, B from B"),
])
def test_what_the_files_of_its_pictures_are_like(name: str, labels: str, expected: str):
    """The domain whose values a picture has, and the side whose file it was made from."""
    assert ", ".join(shown(name, *labels.split())) == expected
