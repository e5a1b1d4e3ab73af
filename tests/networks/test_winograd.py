"""Winograd's convolution is torch's, with fewer multiplications: values, gradients, rounding, memory, kept kernels."""
import copy
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from engine.averaged import follow
from exporting.captured import exporter_ready
from networks import scratch, winograd
from networks.winograd import winograd_conv2d

LAYOUTS = torch.contiguous_format, torch.channels_last


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(winograd, "_kept", type(winograd._kept)())


def arguments(count: int, height: int, width: int, dtype: torch.dtype = torch.float64,
              layout: torch.memory_format = torch.contiguous_format) -> tuple[Tensor, Tensor, Tensor]:
    """x of 5 channels, and weight and bias of 7 filters, for which gradients are wanted."""
    x = torch.randn(count, 5, height, width, dtype=dtype).contiguous(memory_format=layout)
    return x.requires_grad_(), torch.randn(7, 5, 3, 3, dtype=dtype, requires_grad=True), torch.randn(
        7, dtype=dtype, requires_grad=True)


def with_gradients(y: Tensor, *of: Tensor) -> list[Tensor]:
    """y, and the gradients of a weighted sum of it."""
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).sin().reshape(y.shape).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, of, weights)]


def assert_near(ours: list[Tensor], theirs: list[Tensor], share: float) -> None:
    """Each differs by less than this share of the largest value."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert (one.double() - other.double()).abs().max() < share * other.abs().max()


@pytest.mark.parametrize("part", [winograd.PART, 400], ids=["at_once", "in_parts"])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(18, 18), (10, 7), (5, 13), (3, 4)])
@pytest.mark.parametrize("tile", [4, 2])
def test_it_is_the_direct_sum(tile: int, height: int, width: int, padding: int, part: int,
                              monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(winograd, "PART", part)
    for count in (1, 2):
        for layout in LAYOUTS:
            given = arguments(count, height, width, layout=layout)
            y = winograd_conv2d(*given, padding, tile)
            assert y.is_contiguous(memory_format=layout)
            assert_near(with_gradients(y, *given), with_gradients(F.conv2d(*given, padding=padding), *given), 1e-11)


def test_no_images_have_no_gradient():
    for count in (2, 0):  # what the first left in memory counts for nothing
        x, weight, bias = arguments(count, 9, 9)
        gradients = torch.autograd.grad(winograd_conv2d(x, weight, bias).sum(), (x, weight, bias))
    assert not gradients[1].any() and not gradients[2].any() and gradients[0].shape == (0, 5, 9, 9)


@pytest.mark.parametrize("tile", [4, 2])
def test_it_reflects_the_edges_and_keeps_the_image_alone(tile: int):
    for layout in LAYOUTS:
        x, weight, bias = arguments(2, 10, 7, layout=layout)
        ours = winograd_conv2d(x, weight, bias, 1, tile, reflection=2)
        theirs = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), weight, bias, padding=1)
        assert_near(with_gradients(ours, x, weight, bias), with_gradients(theirs, x, weight, bias), 1e-11)
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tuple(tensor.shape)), tensor)[1],
                                                  lambda tensor: tensor):
        winograd_conv2d(x, weight, bias, 1, tile, reflection=2)
    assert kept == [(2, 5, 10, 7), (7, 5, 3, 3)]


def test_a_gradient_of_a_gradient_reflects_too():
    x, weight, bias = arguments(1, 8, 9)
    found, padded = [], F.pad(x, (1,) * 4, mode="reflect")
    for y in (winograd_conv2d(x, weight, bias, reflection=1), F.conv2d(padded, weight, bias)):
        (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        found.append(list(torch.autograd.grad(dx.square().sum(), (x, weight))))
    assert_near(*found, 1e-11)


class Products(TorchDispatchMode):
    """Counts the products of many matrices: one for each place of a tile of 6x6."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        matrices = args[1] if "baddbmm" in str(func) else args[0]
        self.count += "bmm" in str(func) and len(matrices) == 36
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
def test_gradients_that_nobody_wants_are_not_computed(wanted: tuple[bool, bool]):
    given = [value.detach().requires_grad_(want) for value, want in zip(arguments(1, 10, 10), wanted, strict=False)]
    with Products() as products:
        winograd_conv2d(*given).sum().backward()
    assert products.count == 1 + sum(wanted)
    assert [value.grad is not None for value in given] == list(wanted)


@pytest.mark.parametrize(("tile", "times"), [(4, 4), (2, 9 / 4)])
def test_it_multiplies_less(tile: int, times: float):
    """The products; with so many channels the transforms are a small part."""
    x, weight = torch.randn(1, 256, 34, 34), torch.randn(256, 256, 3, 3)
    flops = []
    for function in (lambda: F.conv2d(x, weight), lambda: winograd_conv2d(x, weight, tile=tile)):
        with FlopCounterMode(display=False) as counter:
            function()
        flops.append(counter.get_flop_counts()["Global"])
    products = 2 * (32 // tile) ** 2 * (tile + 2) ** 2 * 256 * 256
    assert sum(flops[0].values()) == products * times
    assert products < sum(flops[1].values()) < 1.4 * products


@pytest.mark.parametrize("tile", [4, 2])
def test_gradcheck(tile: int):
    x, weight, bias = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in
                       ((2, 2, 6, 5), (2, 2, 3, 3), (2,)))
    assert torch.autograd.gradcheck(lambda *given: winograd_conv2d(*given, 1, tile), (x, weight, bias))
    assert torch.autograd.gradgradcheck(lambda *given: winograd_conv2d(*given, 1, tile), (x, weight, bias))


def test_a_penalty_on_gradients_learns():
    """As WGAN-GP differentiates the gradient of its discriminator."""
    found = []
    for function in (winograd_conv2d, F.conv2d):
        torch.manual_seed(0)
        x, weight, _ = arguments(1, 9, 9)
        slope, = torch.autograd.grad(function(x, weight).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), weight))
    assert_near(*(list(gradients) for gradients in found), 1e-11)


@pytest.mark.parametrize(("tile", "share"), [(4, 2e-5), (2, 2e-6)])
def test_it_rounds_little(tile: int, share: float):
    """In fp32, against float64: the share of the largest value."""
    x, weight = torch.randn(1, 64, 34, 34), torch.randn(64, 64, 3, 3) * 0.02
    given = x.requires_grad_(), weight.requires_grad_()
    exact = [value.detach().double().requires_grad_() for value in given]
    ours = with_gradients(winograd_conv2d(*given, tile=tile), *given)
    assert all(value.dtype == torch.float32 for value in ours)
    assert_near(ours, with_gradients(F.conv2d(*exact), *exact), share)


@pytest.mark.parametrize("tile", [4, 2])
def test_it_saves_what_the_direct_sum_saves(tile: int):
    def saved(function: Callable[[], Tensor]) -> int:
        kept: dict[tuple[int, int], Tensor] = {}
        with torch.autograd.graph.saved_tensors_hooks(
                lambda x: kept.setdefault((x.data_ptr(), x.numel()), x), lambda x: x):
            function()
        return sum(x.nbytes for x in kept.values())
    given = arguments(2, 18, 18)
    assert 0 < saved(lambda: winograd_conv2d(*given, tile=tile)) <= saved(lambda: F.conv2d(*given))


def test_a_large_picture_is_transformed_in_parts(monkeypatch: pytest.MonkeyPatch):
    """What lies between input and output is bounded; the whole of it here would be twenty times as much."""
    monkeypatch.setattr(winograd, "PART", 1 << 16)
    monkeypatch.setattr(scratch, "_rooms", threading.local())
    x, weight = torch.zeros(1, 16, 402, 402), torch.ones(16, 16, 3, 3)
    winograd_conv2d(x.contiguous(memory_format=torch.channels_last), weight)
    largest = max(map(len, vars(scratch._rooms).values()))
    assert 0 < largest <= 1.5 * winograd.PART < x.numel() * 36 / 16 / 20


def layer(channels: int = 6) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, dtype=torch.float64)


def assert_right(net: nn.Conv2d, x: Tensor, tile: int = 4) -> None:
    assert (winograd_conv2d(x, net.weight, net.bias, 0, tile) - net(x)).abs().max() < 1e-11


def transforms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every kernel that is transformed."""
    seen: list[int] = []
    transform = winograd._transformed_kernel
    monkeypatch.setattr(winograd, "_transformed_kernel",
                        lambda weight, tile, out: (seen.append(tile), transform(weight, tile, out))[1])
    return seen


def test_kernels_are_transformed_once_for_all_translations(monkeypatch: pytest.MonkeyPatch):
    """Where they learn, a kernel kept for each layer would be more than all that is won of the layers' memory."""
    seen, net, x = transforms(monkeypatch), layer(), torch.rand(1, 6, 9, 9, dtype=torch.float64)
    for _ in range(3):
        with torch.no_grad():
            assert_right(net, x)
    with torch.inference_mode():
        assert_right(net, torch.rand(1, 6, 9, 9, dtype=torch.float64))
    assert seen == [4]
    winograd_conv2d(x.requires_grad_(), net.weight).sum().backward()
    assert seen == [4, 4, 4]
    with torch.no_grad():
        winograd_conv2d(torch.rand(16, 6, 22, 22, dtype=torch.float64), net.weight)
    assert seen == [4, 4, 4, 4]  # for so many tiles it costs nothing to speak of


def test_a_kept_kernel_is_never_an_old_one():
    net, x = layer(), torch.rand(1, 6, 9, 9, dtype=torch.float64)
    other, mean = layer(), copy.deepcopy(net)
    adam = torch.optim.Adam(net.parameters(), 0.1, fused=True)
    sgd = torch.optim.SGD(net.parameters(), 0.1)

    def learn(optimizer: torch.optim.Optimizer) -> None:
        winograd_conv2d(x, net.weight, net.bias).sum().backward()
        optimizer.step()

    def replace() -> None:
        net.weight.data = torch.rand_like(net.weight)

    @torch.no_grad()
    def assert_kept_right(net: nn.Conv2d, x: Tensor, tile: int = 4) -> None:
        assert_right(net, x, tile)
        assert net.weight in winograd._kept
    changes = (lambda: learn(adam), lambda: learn(sgd), lambda: net.load_state_dict(other.state_dict()),
               lambda: nn.init.normal_(net.weight), lambda: net.to(memory_format=torch.channels_last), replace)
    for change in changes:
        assert_kept_right(net, x)
        before = net.weight.detach().clone()
        change()
        assert_kept_right(net, x)
        assert_kept_right(net, x, tile=2)
        assert not torch.equal(net.weight, before) or net.weight.is_contiguous(memory_format=torch.channels_last)
    assert_kept_right(mean, x)
    follow(mean, net, 0.5, torch.tensor(True))
    assert_kept_right(mean, x)
    net.float()
    assert (winograd_conv2d(x.float(), net.weight, net.bias) - net(x.float())).abs().max() < 1e-5


@torch.no_grad()
def test_memory_that_is_taken_again_is_no_old_weight():
    """What the system gives for the second new weight may be what the first one had."""
    x = torch.rand(1, 6, 9, 9, dtype=torch.float64)
    for _ in range(20):
        net = layer()
        assert_right(net, x)
        for _ in range(2):
            net.weight.data = torch.rand(6, 6, 3, 3, dtype=torch.float64)
        assert_right(net, x)


@torch.no_grad()
def test_kernels_that_are_kept_are_bounded_and_go_with_their_layers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(winograd, "KEPT", 3 * 36 * 6 * 6 * 8)
    nets, x = [layer() for _ in range(5)], torch.rand(1, 6, 9, 9, dtype=torch.float64)
    for net in nets:
        assert_right(net, x)
        assert_right(net, x)
    assert len(winograd._kept) == 3
    del net
    nets.clear()
    gc.collect()
    assert len(winograd._kept) == 0


def test_threads_may_keep_kernels_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(winograd, "_transformed_kernel", lambda weight, tile, out: out)  # the keeping alone
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    @torch.no_grad()
    def keep(weights: list[nn.Parameter]) -> None:
        for weight in weights * 5:
            winograd._kernel(weight, 4, kept=True)
            weight.mul_(1)  # so that it is kept anew
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(keep, [[nn.Parameter(torch.rand(1, 1, 3, 3)) for _ in range(40)] for _ in range(4)]))
    finally:
        sys.setswitchinterval(interval)


def test_what_is_traced_or_exported_is_the_plain_layer():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layer()

        def forward(self, x: Tensor) -> Tensor:
            return winograd_conv2d(x, self.inner.weight, self.inner.bias, 1)
    net, x = Net(), torch.rand(1, 6, 9, 9, dtype=torch.float64)
    with exporter_ready():
        traced, program = torch.jit.trace(net, x), torch.export.export(net, (x,))
    for made, text in ((traced, str(traced.graph)), (program.module(), str(program.graph))):
        assert "conv" in text and "bmm" not in text
        assert torch.equal(made(x), F.conv2d(x, net.inner.weight, net.inner.bias, padding=1))


@pytest.mark.parametrize("tile", [4, 2])
def test_it_goes_through_what_is_computed_again(tile: int):
    given = arguments(1, 9, 9)
    y = torch.utils.checkpoint.checkpoint(lambda *values: winograd_conv2d(*values, 1, tile), *given,
                                          use_reentrant=False)
    assert_near(with_gradients(y, *given), with_gradients(F.conv2d(*given, padding=1), *given), 1e-11)
