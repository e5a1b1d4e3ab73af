"""Every way to compute a step faster computes the same step: compared with --plain in float64."""
import copy
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import models
from engine.engine import Engine
from helpers.commands import TINY
from networks.fast_layers import SampleNorm2d, accelerate
from networks.generators import GENERATORS
from networks.losses import GAN_MODES, passes
from networks.ways import BiaslessConv2d, BiaslessConvTranspose2d
from options.command_line import parse
from train import COMMAND

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def start(line: str, size: int = 32, **engine: object) -> Engine:
    """An engine in float64 with weights that depend on the seed alone."""
    opt = parse(COMMAND, f"--dataroot x {TINY} --no_dropout {line}".split())
    torch.manual_seed(0)
    result = Engine(models.find(opt.model)(opt), CPU, plain=opt.plain, **engine)
    result.prepare_training(opt.lr, opt.beta1)
    result.model.nets.double()
    return result


def batch(size: int | tuple[int, int], count: int = 1, seed: int = 0, channels: int = 3) -> dict[str, Tensor]:
    """size: of a square, or height and width."""
    height, width = (size, size) if isinstance(size, int) else size
    source = torch.Generator().manual_seed(seed)
    return {side: torch.rand(count, channels, height, width, generator=source, dtype=torch.float64) * 2 - 1
            for side in "AB"}


def train(engine: Engine, size: int | tuple[int, int], count: int = 1, steps: int = 3) -> list[dict[str, float]]:
    """The losses of each step."""
    torch.manual_seed(1)  # of pools and penalties
    channels = engine.model.opt.input_nc
    reports = [engine.step(batch(size, count, seed, channels), epoch=1, images=seed) for seed in range(steps)]
    return [{name: loss.item() for name, loss in report.losses.items()} for report in reports]


def assert_equal(one: Engine, other: Engine, size: int | tuple[int, int], count: int = 1) -> None:
    """Losses of three steps, and what every network makes after them, agree to 1e-9."""
    for ours, theirs in zip(train(one, size, count), train(other, size, count), strict=True):
        assert ours.keys() == theirs.keys()
        assert all(math.isclose(ours[name], theirs[name], rel_tol=1e-9, abs_tol=1e-9) for name in ours), (ours, theirs)
    for name, net in one.model.nets.items():
        x = batch(size, count, seed=9, channels=next(net.parameters()).shape[1])["A"]
        assert (net(x) - other.model.nets[name](x)).abs().max() < 1e-9, name


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("netG", [pytest.param(name, marks=pytest.mark.slow) if name.endswith("_256") else name
                                  for name in GENERATORS])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_the_fast_step_is_the_plain_step(model: str, norm: str, netG: str, count: int):
    size = 32 if "resnet" in netG else GENERATORS[netG].min_size
    channels = 1 if size == 256 else 3  # in float64 the convolutions of whole large images take most of the time
    line = (f"--model {model} --netG {netG} --norm {norm} --ngf 2 --ndf 2 --pool_size 2 --input_nc {channels} "
            f"--output_nc {channels}")
    if norm == "instance" and "resnet" not in netG:
        size = 2 * size, size  # one pixel has no spread
    assert_equal(start(line), start(f"{line} --plain"), size, count)


@pytest.mark.slow
@pytest.mark.parametrize("gan_mode", GAN_MODES)
@pytest.mark.parametrize("netD", ["pixel", "n_layers"])
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_with_every_loss_and_discriminator(model: str, netD: str, gan_mode: str):
    line = f"--model {model} --netD {netD} --n_layers_D 2 --gan_mode {gan_mode} --norm instance --pool_size 0"
    assert_equal(start(line), start(f"{line} --plain"), 32)


@pytest.mark.slow
@pytest.mark.parametrize("flags", ["--checkpoint_activations", "--lambda_identity 0"])
@pytest.mark.parametrize("netG", ["resnet_6blocks", "unet_128"])
def test_with_other_flags(netG: str, flags: str):
    line = f"--model cycle_gan --netG {netG} --norm batch --ngf 2 --ndf 2 {flags}"
    plain = line.replace("--checkpoint_activations", "") + " --plain"
    assert_equal(start(line), start(plain), 32 if "resnet" in netG else 128, 2)


@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_accumulated_gradients_are_those_of_the_whole_batch(model: str):
    line = f"--model {model} --norm instance --pool_size 0"
    whole, parts = start(line), start(line)
    for seed in range(3):
        images = batch(32, 5, seed)
        ours = whole.step(images, epoch=1, images=0).losses
        theirs = parts.step(*({side: image[part] for side, image in images.items()}
                              for part in (slice(0, 2), slice(2, 4), slice(4, 5))), epoch=1, images=0).losses
        assert all((ours[name] - theirs[name]).abs() < 1e-9 for name in ours)
    for name, net in whole.model.nets.items():
        for ours, theirs in zip(net.parameters(), parts.model.nets[name].parameters(), strict=True):
            assert (ours - theirs).abs().max() < 1e-9, name


def test_accumulating_sees_dropout_and_statistics_once():
    engine = start("--model pix2pix --netG unet_128 --ngf 2 --no_dropout false")
    seen = []
    dropout = next(module for module in engine.model.nets["G"].modules() if isinstance(module, nn.Dropout))
    dropout.register_forward_hook(lambda net, x, y: seen.append(y.detach().clone()))
    engine.step(batch(128, 1, 0), batch(128, 1, 1), epoch=1, images=0)
    assert len(seen) == 4  # both batches before D learned, and again for G
    assert (seen[0] - seen[2]).abs().max() == 0 and (seen[1] - seen[3]).abs().max() == 0
    counts = [m.num_batches_tracked.item() for m in engine.model.nets["G"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert counts and set(counts) == {2}


def batches_tracked(net: nn.Module) -> set[int]:
    return {m.num_batches_tracked.item() for m in net.modules() if isinstance(m, nn.BatchNorm2d)}


@pytest.mark.parametrize("netG", ["resnet_6blocks", "unet_128"])
def test_checkpointed_activations_keep_less(netG: str):
    size = 32 if "resnet" in netG else 128

    def kept(flags: str) -> tuple[int, dict[str, Tensor]]:
        engine, total = start(f"--model template --netG {netG} --norm batch {flags}"), 0

        def count(x: Tensor) -> Tensor:
            nonlocal total
            total += x.numel()
            return x
        with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
            engine.model.nets["G"](batch(size)["A"])
        assert batches_tracked(engine.model.nets["G"]) == {1}
        engine.step(batch(size), epoch=1, images=0)
        assert batches_tracked(engine.model.nets["G"]) == {2}
        return total, dict(engine.model.nets.named_buffers())
    (less, ours), (whole, theirs) = kept("--checkpoint_activations"), kept("")
    assert less < 0.7 * whole
    assert all((ours[name].double() - theirs[name].double()).abs().max() < 1e-9 for name in theirs)


def test_gradients_of_the_fast_layers_are_right_for_any_layout():
    """torch's own instance norm, at batch 1 on the CPU, is wrong when the incoming gradient is channels_last."""
    torch.manual_seed(0)
    layers = [nn.ReflectionPad2d(1), nn.Conv2d(8, 8, 3), nn.InstanceNorm2d(8), nn.ReLU(),
              nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), nn.InstanceNorm2d(8)]
    plain = nn.Sequential(*layers)
    for count in (1, 3):
        x = torch.randn(count, 8, 12, 12)
        exact = gradients(copy.deepcopy(plain).double(), x.double(), lambda y: y.contiguous())
        for layout in (torch.channels_last, torch.contiguous_format):
            fast = accelerate(copy.deepcopy(plain))
            in_layout = partial(Tensor.contiguous, memory_format=layout)
            for name, gradient in gradients(fast, in_layout(x), in_layout).items():
                near = 1e-4 * exact[name].abs().max() + 1e-5
                assert (gradient - exact[name]).abs().max() < near, (name, layout, count)


def gradients(net: nn.Module, x: Tensor, layout: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Of sum(w * net(x)) by x and all weights but the biases, which cancel; the gradient that comes in has `layout`."""
    x = x.clone().requires_grad_()
    y = net(x)
    w = layout(torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).sin().to(y))
    y.backward(w)
    return {"x": x.grad} | {name: p.grad for name, p in net.named_parameters() if not name.endswith("bias")}


def test_what_is_replaced_keeps_names_and_cancelled_biases():
    net = GENERATORS["resnet_6blocks"].build(3, 3, 4, "instance", False)
    keys, weights = list(net.state_dict()), copy.deepcopy(net.state_dict())
    fast = accelerate(net)
    kinds = [type(module) for module in fast.modules()]
    assert (kinds.count(BiaslessConv2d), kinds.count(BiaslessConvTranspose2d), kinds.count(SampleNorm2d)) == (15, 2, 17)
    assert list(fast.state_dict()) == keys
    assert all((value == weights[key]).all() for key, value in fast.state_dict().items())
    fast(torch.rand(1, 3, 16, 16)).sum().backward()
    without = {name for name, p in fast.named_parameters() if p.grad is None}
    assert len(without) == 17 and all(name.endswith("bias") for name in without)


def test_passes_are_merged_only_where_shapes_allow():
    calls = []
    net = nn.Conv2d(1, 1, 1)
    net.register_forward_hook(lambda module, x, y: calls.append(len(x[0])))
    small, large = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 8, 8)
    for inputs, merge, expected in (
            ((small, small), True, [2]), ((small, small), False, [1, 1]), ((small, large), True, [1, 1])):
        calls.clear()
        outputs = passes(net, *inputs, merge=merge)
        assert calls == expected
        assert all(torch.equal(y, F.conv2d(x, net.weight, net.bias)) for x, y in zip(inputs, outputs, strict=True))
