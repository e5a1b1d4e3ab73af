"""What the contract carries: roles of networks, updates, draws, clocks and running means, with models made here."""
import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

import models
from engine.engine import Engine
from engine.validation import validate
from helpers.commands import TINY
from models.contract import Batch, Images, Losses, Model, Update
from networks.generators import GENERATORS
from networks.taps import tapped
from options.command_line import parse
from train import COMMAND

CPU = torch.device("cpu")
DECAY = 0.75


def small_net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))


class Perceptual(Model):
    """Regression in the space of a frozen network's features, with a running mean of G."""

    averages: Mapping[str, float] = {"G": DECAY}

    def generators(self) -> dict[str, nn.Module]:
        return {"G": small_net(1)}

    def frozen_nets(self) -> dict[str, nn.Module]:
        return {"features": small_net(2)}

    def translate(self, batch: Batch) -> Images:
        fake, inner = tapped(self.nets["G"], batch["A"], ["0"])
        return {"real_A": batch["A"], "fake_B": fake, "real_B": batch["B"], "inner": inner["0"]}

    @property
    def updates(self) -> tuple[Update, ...]:
        return (Update("G", ("G",), self.losses),)

    def losses(self, images: Images) -> Losses:
        features = self.frozen["features"]
        unlike = F.l1_loss(features(images["fake_B"]), features(images["real_B"]))
        return {"G": unlike + images["inner"].square().mean()}

    def visuals(self, images: Images) -> Images:
        return {"fake_B": images["fake_B"]}


class TwoNets(Perceptual):
    """G and D, each with losses that a test chooses."""

    averages: Mapping[str, float] = {}

    def training_nets(self) -> dict[str, nn.Module]:
        return {"D": small_net(3)}

    def losses_D(self, images: Images) -> Losses:
        return {"D": self.nets["D"](images["fake_B"].detach()).mean()}


def start(model: Model, **engine: Any) -> Engine:
    result = Engine(model, CPU, **engine)
    result.prepare_training(0.01, 0.5)
    return result


def batch(seed: int = 0) -> dict[str, Any]:
    source = torch.Generator().manual_seed(seed)
    return {side: torch.rand(2, 3, 16, 16, generator=source) * 2 - 1 for side in "AB"} | {"A_paths": ["1", "2"]}


def weights(net: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in net.parameters()]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("netG", GENERATORS)
def test_inner_features_come_with_the_image_and_have_gradients(netG: str):
    kind = GENERATORS[netG]
    net = kind.build(3, 3, 2, "instance", False)
    x = torch.rand(1, 3, 2 * kind.min_size, 2 * kind.min_size)
    layers = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)][:3]
    expected: dict[str, Tensor] = {}
    handles = [net.get_submodule(name).register_forward_hook(
        lambda module, inputs, output, name=name: expected.update({name: output.clone()})) for name in layers]
    image = net(x)
    for handle in handles:
        handle.remove()
    again, features = tapped(net, x, layers)
    assert torch.equal(again, image) and list(features) == layers
    assert all(torch.equal(features[name], expected[name]) for name in layers)
    features[layers[0]].sum().backward()
    assert net.get_submodule(layers[0]).weight.grad.abs().sum() > 0
    assert not net.get_submodule(layers[0])._forward_hooks
    with pytest.raises(TypeError, match=r"no inner module nothing; it has"):
        tapped(net, x, ["nothing"])


def test_frozen_networks_never_learn_never_train_and_are_never_saved():
    engine = start(Perceptual())
    features = engine.model.frozen["features"]
    before = copy.deepcopy(features.state_dict())
    for number in range(3):
        engine.step(batch(number), epoch=1, images=2 * number)
    validate(engine, [batch()])
    assert not features.training and all(not module.training for module in features.modules())
    assert all(torch.equal(value, before[name]) for name, value in features.state_dict().items())  # statistics as well
    state = engine.state()
    assert set(state["nets"]) == {"G"} and "features" not in str(state.keys())


def test_a_running_mean_follows_by_its_formula_and_only_what_counted():
    engine = start(Perceptual())
    model = engine.model
    expected = weights(model.nets["G"])
    assert same(weights(model.averaged["G"]), expected)
    for number in range(4):
        poisoned = number == 2
        poison = {"B": torch.full((2, 3, 16, 16), math.nan)} if poisoned else {}
        engine.step(batch(number) | poison, epoch=1, images=number)
        if not poisoned:
            expected = [DECAY * mean + (1 - DECAY) * now
                        for mean, now in zip(expected, weights(model.nets["G"]), strict=True)]
        for ours, theirs in zip(weights(model.averaged["G"]), expected, strict=True):
            assert (ours - theirs).abs().max() < 1e-6
    assert not model.averaged["G"].training
    assert torch.equal(model.averaged["G"][1].running_mean, model.nets["G"][1].running_mean)
    resumed = start(Perceptual())
    resumed.load_state(engine.state())
    assert same(weights(resumed.model.averaged["G"]), weights(model.averaged["G"]))
    older = {name: part for name, part in engine.state().items() if name != "averaged"}
    resumed.load_state(older)  # of a time when the model kept none
    assert same(weights(resumed.model.averaged["G"]), weights(model.nets["G"]))


def test_a_running_mean_follows_each_update_and_begins_where_the_weights_do(monkeypatch: pytest.MonkeyPatch):
    class Model(Perceptual):
        @property
        def updates(self) -> tuple[Update, ...]:
            return (Update("G", ("G",), self.losses),) * 2

        def losses(self, images: Images) -> Losses:
            return {"G": self.nets["G"](images["real_A"]).square().mean()}

    seen = []
    monkeypatch.setattr("engine.engine.follow", lambda mean, net, decay, counted: seen.append(weights(net)))
    engine = start(Model())
    engine.step(batch(), epoch=1, images=0)
    assert len(seen) == 2 and not same(*seen)
    engine.model.nets["G"].load_state_dict(small_net(9).state_dict())  # as --init_from does
    engine.restart_means()
    assert same(weights(engine.model.averaged["G"]), weights(small_net(9)))


def test_one_optimizer_for_each_set_of_networks_with_its_rate_and_betas():
    class Model(TwoNets):
        @property
        def updates(self) -> tuple[Update, ...]:
            critic = Update("D", ("D",), self.losses_D, lr_factor=4, beta1=0.0, beta2=0.9)
            return critic, critic, Update("G", ("G",), self.losses)

    engine = start(Model())
    assert list(engine.optimizers.of) == [("D",), ("G",)]
    D, G = engine.optimizers.of.values()
    assert D.param_groups[0]["lr"] == pytest.approx(0.04) and G.param_groups[0]["lr"] == pytest.approx(0.01)
    assert D.defaults["betas"] == (0.0, 0.9) and G.defaults["betas"] == (0.5, 0.999)
    result = engine.step(batch(), epoch=1, images=0)
    assert list(result.losses) == ["D", "G"]
    assert {int(state["step"]) for state in D.state.values()} == {2}  # n_critic: as often as it appears
    assert {int(state["step"]) for state in G.state.values()} == {1}
    engine.optimizers.set_lr(0.001)
    assert D.param_groups[0]["lr"] == pytest.approx(0.004) and G.param_groups[0]["lr"] == pytest.approx(0.001)
    resumed = start(Model())
    resumed.load_state(engine.state())
    for ours, theirs in zip(resumed.optimizers.state(), engine.optimizers.state(), strict=True):
        assert all(torch.equal(ours["state"][number]["exp_avg"], moments["exp_avg"])
                   for number, moments in theirs["state"].items())


@pytest.mark.parametrize(("second", "said"), [
    (lambda self: Update("D", ("G",), self.losses), "two different updates are called 'D'"),
    (lambda self: Update("E", ("D",), self.losses, lr_factor=2), "'D' and 'E' of the same networks"),
])
def test_updates_that_contradict_each_other_are_refused_at_the_start(second: Callable, said: str):
    class Model(TwoNets):
        @property
        def updates(self) -> tuple[Update, ...]:
            return Update("D", ("D",), self.losses_D), second(self)

    with pytest.raises(TypeError, match=said):
        start(Model())


def test_losses_of_one_name_are_refused():
    class Model(TwoNets):
        @property
        def updates(self) -> tuple[Update, ...]:
            return (Update("G", ("G",), self.losses),
                    Update("D", ("D",), lambda images: {"G": self.losses_D(images)["D"]}))

    with pytest.raises(TypeError, match="'G' and 'D' both have a loss 'G'"):
        start(Model()).step(batch(), epoch=1, images=0)


def test_what_is_drawn_on_the_host_joins_the_batch_and_depends_on_seed_and_place_alone():
    seen = []

    class Model(Perceptual):
        def draw(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
            return {"coin": torch.rand(len(batch["A"]), generator=generator)}

        def forward(self, batch: Batch) -> Images:
            seen.append((batch["coin"].tolist(), torch.rand(1).item()))  # the second stands for a dropout
            return self.translate(batch)

    for seed, places in ((5, (0, 2, 0)), (6, (0,))):
        engine = start(Model(), seed=seed)
        for images in places:
            engine.step(batch(), epoch=1, images=images)
    assert seen[0] == seen[2] and len(seen[0][0]) == 2
    assert len({str(one) for one in seen}) == 3  # another place or seed draws other numbers
    assert len({number for coins, drop in seen for number in (*coins, drop)}) == 9


def test_the_clock_tells_epoch_and_images_as_numbers_of_the_device():
    told = []

    class Model(Perceptual):
        def losses(self, images: Images) -> Losses:
            told.append((self.clock.epoch.item(), self.clock.images.item()))
            return super().losses(images)

    engine = start(Model())
    clock = engine.model.clock.images
    engine.step(batch(), epoch=3, images=70)
    engine.step(batch(), epoch=4, images=72)
    assert told == [(3, 70), (4, 72)]
    assert engine.model.clock.images is clock and clock.dtype == torch.int64  # one tensor, filled anew


def test_metrics_are_weighted_by_samples_and_leave_modes_as_they_were():
    class Model(Perceptual):
        def metrics(self, images: Images) -> dict[str, Tensor]:
            assert not self.nets["G"].training
            return {"error": images["real_A"].abs().flatten(1).mean(1), "one": torch.ones(len(images["real_A"]))}

    engine = start(Model())
    engine.model.nets["G"][1].eval()  # as someone may want it
    of_one, of_three = {"A": torch.ones(1, 3, 8, 8), "B": torch.ones(1, 3, 8, 8)}, {
        "A": torch.zeros(3, 3, 8, 8), "B": torch.ones(3, 3, 8, 8)}
    assert validate(engine, [of_one, of_three]) == {"error": 0.25, "one": 1.0}
    G = engine.model.nets["G"]
    assert G.training and G[0].training and not G[1].training
    assert engine.model.measures and not Perceptual().measures


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("plain", [True, False])
def test_a_gradient_that_is_nan_moves_nothing_though_its_loss_is_finite(plain: bool, precision: str):
    class Model(TwoNets):
        @property
        def updates(self) -> tuple[Update, ...]:
            return Update("D", ("D",), self.losses_D), Update("G", ("G",), self.losses)

        def losses(self, images: Images) -> Losses:
            return {"G": images["fake_B"].mean() + (images["fake_B"] * 0).sqrt().mean()}  # the root of 0 has no slope

    engine = start(Model(), plain=plain, precision=precision)
    nets = engine.model.nets
    before = {name: copy.deepcopy(net.state_dict()) for name, net in nets.items()}
    result = engine.step(batch(), epoch=1, images=0)
    assert all(loss.isfinite() for loss in result.losses.values())
    with pytest.raises(Exception, match="a gradient is NaN or infinite"):
        result.require_finite()
    assert result.refused
    assert same(weights(nets["G"]), [before["G"][name] for name, _ in nets["G"].named_parameters()])
    assert not same(weights(nets["D"]), [before["D"][name] for name, _ in nets["D"].named_parameters()])  # came before
    assert not [state for state in engine.optimizers.of["G",].state.values() if int(state.get("step", 0))]


@pytest.mark.parametrize(("gan_mode", "real", "fake", "fool"), [
    # logits of 2 for real and -1 for fake images
    ("lsgan", 1.0, 1.0, 4.0),
    ("vanilla", math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))),
    ("wgangp", -2.0, -1.0, 1.0),
    ("hinge", 0.0, 0.0, 1.0),
    ("relativistic", math.log(1 + math.exp(-3)), math.log(1 + math.exp(-3)), 2 * math.log(1 + math.exp(3))),
])
@pytest.mark.parametrize("heads", [0, 2])
def test_every_adversarial_loss_by_hand(gan_mode: str, real: float, fake: float, fool: float, heads: int):
    from networks.losses import discriminator_losses, generator_loss

    class Says(nn.Module):
        """The mean of the image, once or in a list."""

        def forward(self, x: Tensor) -> Tensor | list[Tensor]:
            logits = x.mean((1, 2, 3))
            return [logits] * heads if heads else logits

    reals, fakes = torch.full((2, 1, 4, 4), 2.0), torch.full((2, 1, 4, 4), -1.0)
    for merge in (True, False):
        terms = discriminator_losses(Says(), reals, fakes, gan_mode, merge)
        assert terms["real"].item() == pytest.approx(real, abs=1e-6)
        assert terms["fake"].item() == pytest.approx(fake, abs=1e-6)
        assert set(terms) == {"real", "fake"} | ({"penalty"} if gan_mode == "wgangp" else set())
    assert generator_loss(Says(), fakes, reals, gan_mode).item() == pytest.approx(fool, abs=1e-6)


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_networks_that_mix_the_samples_of_a_batch_are_never_merged(model: str):
    opt = parse(COMMAND, f"--dataroot x {TINY} --model {model} --norm instance".split())
    torch.manual_seed(0)
    engine = start(models.find(model)(opt))
    name = "D_A" if model == "cycle_gan" else "D"
    sizes = []
    engine.model.nets[name].register_forward_hook(lambda net, x, y: sizes.append(len(x[0])))
    images = {side: torch.rand(1, 3, 32, 32) for side in "AB"}
    engine.step(images, epoch=1, images=0)
    assert 2 in sizes
    sizes.clear()
    engine.model.nets[name].mixes_samples = True
    engine.step(images, epoch=1, images=1)
    assert set(sizes) == {1}
