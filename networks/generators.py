"""The generators: residual networks (CycleGAN) and U-Nets (pix2pix). Plain modules, plain arguments."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from networks.layers import NORMS, Beside, Block, needs_bias


class ResnetBlock(Block):
    """x + conv_block(x), reflection padded; dropout 0.5 between the two convolutions if asked for.

    Shapes: (B, C, H, W) -> (B, C, H, W), H and W at least 2.
    """

    def __init__(self, channels: int, norm: str, use_dropout: bool):
        super().__init__()
        bias = needs_bias(norm)
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3, bias=bias),
            NORMS[norm](channels),
            nn.ReLU(True),
            *([nn.Dropout(0.5)] if use_dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3, bias=bias),
            NORMS[norm](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.run(self.conv_block, x)


class ResnetGenerator(nn.Module):
    """c7s1-64, d128, d256, n residual blocks, u128, u64, c7s1-3 (CycleGAN, section 7.2).

    Shapes: (B, input_nc, H, W) -> (B, output_nc, H, W) in (-1, 1); H and W multiples of 4, at least 8.
    """

    def __init__(self, input_nc: int, output_nc: int, ngf: int, norm: str, use_dropout: bool, n_blocks: int):
        super().__init__()
        bias = needs_bias(norm)
        layers = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(input_nc, ngf, kernel_size=7, bias=bias),
            NORMS[norm](ngf),
            nn.ReLU(True),
        ]
        for channels in (ngf, 2 * ngf):
            layers += [
                nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1, bias=bias),
                NORMS[norm](2 * channels),
                nn.ReLU(True),
            ]
        layers += [ResnetBlock(4 * ngf, norm, use_dropout) for _ in range(n_blocks)]
        for channels in (4 * ngf, 2 * ngf):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                NORMS[norm](channels // 2),
                nn.ReLU(True),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, output_nc, kernel_size=7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class UnetBlock(Block):
    """One level of a U-Net: down, whatever lies deeper, up; its input is concatenated to its output, unless `skip` is
    off.

    Shapes: (B, outer_nc, H, W) -> (B, 2 * outer_nc, H, W), without skip (B, outer_nc, H, W).
    """

    def __init__(self, outer_nc: int, inner_nc: int, deeper: nn.Module | None, norm: str, use_dropout: bool = False,
                 skip: bool = True):
        super().__init__()
        self.skip, self.join = skip, Beside()
        bias = needs_bias(norm)
        down = nn.Conv2d(outer_nc, inner_nc, kernel_size=4, stride=2, padding=1, bias=bias)
        up_in = inner_nc if deeper is None or not skip else 2 * inner_nc
        up = nn.ConvTranspose2d(up_in, outer_nc, kernel_size=4, stride=2, padding=1, bias=bias)
        inner = [] if deeper is None else [NORMS[norm](inner_nc), deeper]
        self.model = nn.Sequential(
            nn.LeakyReLU(0.2),
            down,
            *inner,
            nn.ReLU(True),
            up,
            NORMS[norm](outer_nc),
            *([nn.Dropout(0.5)] if use_dropout else []),
        )
        self.halves = (2, 3) if deeper is None else (3, 5)  # where in `model` the way down ends and the way up begins

    def forward(self, x: Tensor) -> Tensor:
        if self.recompute:
            down, up = self.halves  # between them the deeper levels, and the ReLU that works in place
            y = self.run(self.model[up:], self.model[down:up](self.run(self.model[:down], x)))
        else:
            y = self.model(x)
        return self.join(x, y) if self.skip else y


class UnetOuterBlock(nn.Module):
    """The outermost level: no norm on the first layer, no skip around it, Tanh at the end. skip: of the level below.

    Shapes: (B, input_nc, H, W) -> (B, output_nc, H, W) in (-1, 1).
    """

    def __init__(self, input_nc: int, output_nc: int, ngf: int, deeper: nn.Module, norm: str, skip: bool):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(input_nc, ngf, kernel_size=4, stride=2, padding=1, bias=needs_bias(norm)),
            deeper,
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * ngf if skip else ngf, output_nc, kernel_size=4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class UnetGenerator(nn.Module):
    """C64-C128-C256-C512-...-C512 with skips, dropout in the inner decoder levels (pix2pix, section 6.1.1).

    The paper's decoder begins CD512-CD1024-CD1024: three levels behind the innermost one in unet_256, two in unet_128.
    Without skips it is the paper's encoder-decoder (section 4.3).
    Shapes: (B, input_nc, H, W) -> (B, output_nc, H, W) in (-1, 1); H and W multiples of 2 ** num_downs.
    """

    def __init__(self, input_nc: int, output_nc: int, ngf: int, norm: str, use_dropout: bool, num_downs: int,
                 skip: bool = True):
        super().__init__()
        block = UnetBlock(8 * ngf, 8 * ngf, None, norm, skip=skip)  # innermost
        for _ in range(num_downs - 5):
            block = UnetBlock(8 * ngf, 8 * ngf, block, norm, use_dropout, skip)
        for channels in (4 * ngf, 2 * ngf, ngf):
            block = UnetBlock(channels, 2 * channels, block, norm, skip=skip)
        self.model = UnetOuterBlock(input_nc, output_nc, ngf, block, norm, skip)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


@dataclass(frozen=True)
class GeneratorSpec:
    """How to build a generator from (input_nc, output_nc, ngf, norm, use_dropout), and the sizes it takes.

    Sides are multiples of `size_multiple`, at least `min_size` pixels.
    """

    build: Callable[..., nn.Module]
    size_multiple: int
    min_size: int


GENERATORS: dict[str, GeneratorSpec] = {
    "resnet_9blocks": GeneratorSpec(partial(ResnetGenerator, n_blocks=9), size_multiple=4, min_size=8),
    "resnet_6blocks": GeneratorSpec(partial(ResnetGenerator, n_blocks=6), size_multiple=4, min_size=8),
    "unet_256": GeneratorSpec(partial(UnetGenerator, num_downs=8), size_multiple=256, min_size=256),
    "unet_128": GeneratorSpec(partial(UnetGenerator, num_downs=7), size_multiple=128, min_size=128),
    "encoder_decoder_256": GeneratorSpec(partial(UnetGenerator, num_downs=8, skip=False), size_multiple=256,
                                         min_size=256),
    "encoder_decoder_128": GeneratorSpec(partial(UnetGenerator, num_downs=7, skip=False), size_multiple=128,
                                         min_size=128),
}
