"""A convolution whose weights' gradient is a product of matrices is torch's: values, gradients, strides, both kinds."""
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks import unrolled
from networks.unrolled import unrolled_convolution
from networks.ways import TunedConv2d, TunedConvTranspose2d, candidates

LAYOUTS = torch.contiguous_format, torch.channels_last
SHAPES = [(3, 2, 1), (4, 2, 1), (3, 1, 0), (4, 1, 1), (2, 3, 0), (1, 1, 0)]  # kernel, stride, padding


def arguments(kernel: int, transposed: bool, layout: torch.memory_format) -> list[Tensor]:
    """x of 5 channels, and weight and bias of 7 filters, in float64."""
    source = torch.Generator().manual_seed(kernel)
    weight = (5, 7) if transposed else (7, 5)
    made = [torch.randn(shape, dtype=torch.float64, generator=source)
            for shape in ((2, 5, 9, 14), (*weight, kernel, kernel), (7,))]
    return [value.contiguous(memory_format=layout).requires_grad_() if value.dim() == 4 else value.requires_grad_()
            for value in made]


def with_gradients(y: Tensor, *of: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).sin().reshape(y.shape)
    return [y.detach(), *torch.autograd.grad(y, of, weights)]


@pytest.mark.parametrize("part", [unrolled.PART, 300], ids=["at_once", "in_parts"])
@pytest.mark.parametrize("output_padding", [None, 0, 1], ids=["conv", "transposed", "transposed_longer"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), SHAPES)
def test_it_is_torchs(kernel: int, stride: int, padding: int, output_padding: int | None, part: int,
                      monkeypatch: pytest.MonkeyPatch):
    if output_padding is not None and output_padding >= stride:
        pytest.skip("torch has no such layer")
    monkeypatch.setattr(unrolled, "PART", part)
    for layout in LAYOUTS:
        given = arguments(kernel, output_padding is not None, layout)
        theirs = (F.conv2d(*given, stride, padding) if output_padding is None else
                  F.conv_transpose2d(*given, stride, padding, output_padding))
        ours = unrolled_convolution(*given, stride, padding, output_padding)
        for one, other in zip(with_gradients(ours, *given), with_gradients(theirs, *given), strict=True):
            assert one.shape == other.shape
            assert (one - other).abs().max() < 1e-11


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_only_wanted_gradients_are_given(wanted: tuple[bool, bool]):
    x, weight, bias = (value.detach() for value in arguments(3, False, torch.channels_last))
    x, weight = (value.requires_grad_(want) for value, want in zip((x, weight), wanted, strict=True))
    unrolled_convolution(x, weight, bias, 2, 1).sum().backward()
    assert (x.grad is not None, weight.grad is not None) == wanted


def test_a_gradient_of_a_gradient_is_torchs():
    x, weight, bias = arguments(3, False, torch.channels_last)
    found = []
    for y in (unrolled_convolution(x, weight, bias, 2, 1), F.conv2d(x, weight, bias, 2, 1)):
        (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(dx.square().sum(), weight)[0])
    assert (found[0] - found[1]).abs().max() < 1e-9 * found[1].abs().max()


def test_what_is_traced_is_the_plain_layer():
    x, weight, bias = (value.detach() for value in arguments(3, False, torch.contiguous_format))
    traced = torch.jit.trace(lambda x: unrolled_convolution(x, weight, bias, 2, 1), x)
    assert "aten::_convolution" in str(traced.graph) or "aten::convolution" in str(traced.graph)
    assert torch.equal(traced(x), F.conv2d(x, weight, bias, 2, 1))


@pytest.mark.parametrize(("layer", "layout", "learns", "sixteen_bits", "there"), [
    (TunedConv2d(32, 64, 3, 2, 1), torch.channels_last, True, False, True),
    (TunedConvTranspose2d(64, 32, 3, 2, 1, 1), torch.channels_last, True, False, True),
    (TunedConv2d(32, 64, 3, 2, 1), torch.contiguous_format, True, False, False),  # libraries are good at it
    (TunedConv2d(32, 64, 3, 2, 1), torch.channels_last, False, False, False),
    (TunedConv2d(32, 64, 3, 2, 1), torch.channels_last, True, True, False),
    (TunedConv2d(3, 64, 7), torch.channels_last, True, False, False),
    (TunedConv2d(32, 64, 3, (2, 1), 1), torch.channels_last, True, False, False),
    (nn.Conv2d(32, 64, 3, 2, 1), torch.channels_last, True, False, False)])
def test_which_layers_have_the_way(layer: nn.Module, layout: torch.memory_format, learns: bool, sixteen_bits: bool,
                                   there: bool):
    assert ("unrolled" in candidates(layer, (1, 64, 64), layout, sixteen_bits, learns)) is there
