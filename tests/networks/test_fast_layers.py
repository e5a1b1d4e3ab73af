"""The layers that do the same with less work: what they replace, and how many operators they cost."""
import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from networks.fast_layers import SampleNorm2d, accelerate, best_layout
from networks.generators import GENERATORS
from networks.layers import same_statistics
from networks.ways import BiaslessConv2d, TunedConv2d, Ways, described


class Counter(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        return func(*args, **(kwargs or {}))


def operators(net: nn.Module, batch: int) -> int:
    """Of a pass forward and backward."""
    x = torch.rand(batch, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    with Counter() as counter:
        net(x).sum().backward()
    return counter.calls


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return GENERATORS["resnet_9blocks"].build(3, 3, 4, "instance", False)


def test_the_cost_of_instance_norm_does_not_grow_with_the_batch():
    fast, plain = accelerate(resnet()).to(memory_format=torch.channels_last), resnet()
    assert operators(fast, 1) < operators(plain, 1)
    assert operators(fast, 32) <= operators(fast, SampleNorm2d.MOST)
    assert operators(fast, 32) == operators(fast, 8)


@pytest.mark.parametrize("count", [1, SampleNorm2d.MOST, SampleNorm2d.MOST + 1])
def test_instance_norm_by_sample_is_instance_norm(count: int):
    x = torch.rand(count, 4, 6, 5, dtype=torch.float64)
    weight = torch.rand_like(x)
    results = []
    for norm, layout in ((nn.InstanceNorm2d(4), torch.contiguous_format), (SampleNorm2d(4), torch.channels_last)):
        inputs = x.clone().contiguous(memory_format=layout).requires_grad_()
        y = norm(inputs)
        (y * weight).sum().backward()
        results.append((y, inputs.grad))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() < 1e-12


def test_layers_are_replaced_around_the_same_parameters():
    net = resnet()
    before = dict(net.named_parameters())
    fast = accelerate(net)
    after = dict(fast.named_parameters())
    assert list(before) == list(after) and all(before[name] is after[name] for name in before)
    assert isinstance(fast.model[1], BiaslessConv2d) and isinstance(fast.model[2], SampleNorm2d)
    assert type(fast.model[-2]) is TunedConv2d  # no norm behind it: its bias counts
    changed: Tensor = fast.model[1].bias.detach().clone()
    fast.model[1].bias.data += 1
    assert (fast.model[1](torch.zeros(1, 3, 8, 8)) == 0).all() and not torch.equal(changed, fast.model[1].bias)


@pytest.mark.parametrize(("channels", "kernel", "way"), [
    (4, 3, "direct"), (4, 3, "winograd4"), (4, 3, "winograd2"), (4, 3, "matmul"), (3, 7, "direct"), (3, 7, "matmul")])
def test_a_padding_is_left_to_the_convolution_behind_it_in_each_way(channels: int, kernel: int, way: str):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.ReflectionPad2d(kernel // 2), nn.Conv2d(4, channels, kernel)).double()
    fast = accelerate(copy.deepcopy(plain))
    fast[1].ways = Ways({described(fast[1], (True, True)): {"1x8x9": way}})
    x = torch.rand(1, 4, 8, 9, dtype=torch.float64, requires_grad=True)
    assert torch.equal(fast[0](x), x)
    found = [[y.detach(), *torch.autograd.grad(y.square().sum(), (x, *net.parameters()))]
             for net in (plain, fast) for y in [net(x)]]
    assert all((one - other).abs().max() < 1e-11 for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("layers", [
    (nn.ReflectionPad2d(3), nn.Conv2d(3, 4, 7)), (nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3, 2)),
    (nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 7)), (nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3, groups=2)),
    (nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3, padding=1)), (nn.ReflectionPad2d((1, 1, 0, 0)), nn.Conv2d(4, 4, 3))])
def test_other_paddings_stay(layers: tuple[nn.Module, nn.Module]):
    fast = accelerate(nn.Sequential(*layers))
    assert type(fast[0]) is nn.ReflectionPad2d and fast[1].reflection == 0


def test_the_last_layer_keeps_its_image_once():
    """And not what it is with reflected edges, though a gradient of its gradient is right too."""
    fast = accelerate(nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(8, 3, 7))).double()
    plain = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(8, 3, 7)).double()
    plain[1].load_state_dict(fast[1].state_dict())
    x, kept, found = torch.rand(1, 8, 9, 9, dtype=torch.float64, requires_grad=True), [], []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tuple(tensor.shape)), tensor)[1],
                                                  lambda tensor: tensor):
        fast(x)
    assert kept == [(1, 8, 9, 9), (3, 8, 7, 7)]
    for net in (plain, fast):
        (dx,) = torch.autograd.grad(net(x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(dx.square().sum(), net[1].weight)[0])
    assert (found[0] - found[1]).abs().max() < 1e-9 * found[0].abs().max()


def test_layers_that_do_more_are_left_alone():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(4),
                        nn.Conv2d(4, 4, 3), nn.InstanceNorm2d(4, affine=True))
    x = torch.rand(2, 3, 8, 8)
    before, keys = net(x), list(net.state_dict())
    fast = accelerate(net)
    assert list(fast.state_dict()) == keys and (fast(x) - before).abs().max() < 1e-5


def test_what_is_computed_again_leaves_the_statistics_and_their_tensors():
    norm = nn.BatchNorm2d(3)
    norm(torch.rand(2, 3, 4, 4))
    tensors = dict(norm.named_buffers())
    values = {name: value.clone() for name, value in tensors.items()}
    with same_statistics(norm):
        norm(torch.rand(2, 3, 4, 4))
    assert all(value is tensors[name] and torch.equal(value, values[name]) for name, value in norm.named_buffers())


@pytest.mark.parametrize(("netG", "device", "sixteen", "expected"), [
    ("resnet_6blocks", "cpu", False, torch.channels_last), ("unet_128", "cpu", True, torch.contiguous_format),
    ("resnet_6blocks", "cuda", False, torch.contiguous_format), ("unet_128", "cuda", True, torch.channels_last)])
def test_the_layout_suits_network_and_device(netG: str, device: str, sixteen: bool, expected: torch.memory_format):
    net = GENERATORS[netG].build(3, 3, 2, "instance", False)
    assert best_layout(net, device, sixteen) is expected


@torch.no_grad()
def test_the_norm_of_a_large_picture_is_exact():
    x = (0.3 + 0.1 * torch.randn(1, 4, 1024, 1024)).contiguous(memory_format=torch.channels_last)
    normed = SampleNorm2d(4)(x)
    variance, mean = torch.var_mean(x.double(), (2, 3), correction=0, keepdim=True)
    assert (normed - (x - mean) / (variance + 1e-5).sqrt()).abs().max() < 1e-5
    assert normed.is_contiguous(memory_format=torch.channels_last)
