"""The discriminators: PatchGANs of any depth and the 1x1 PixelGAN. Plain modules, plain arguments."""
from collections.abc import Callable

from torch import Tensor, nn

from networks.layers import NORMS, needs_bias


class NLayerDiscriminator(nn.Module):
    """PatchGAN: each output judges one patch of the input (pix2pix, sections 3.2.2 and 6.1.2).

    C64-C128-...-C512 with 4x4 kernels, `n_layers` of them with stride 2; the first has no norm.
    Patch side for n_layers 1..5: 16, 34, 70, 142, 286 pixels.
    Shapes: (B, input_nc, H, W) -> (B, 1, h, w) logits.
    """

    def __init__(self, input_nc: int, ndf: int, n_layers: int, norm: str):
        super().__init__()
        bias = needs_bias(norm)
        layers = [nn.Conv2d(input_nc, ndf, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        channels = ndf
        for layer in range(1, n_layers + 1):
            previous, channels = channels, ndf * min(2**layer, 8)
            stride = 2 if layer < n_layers else 1
            layers += [
                nn.Conv2d(previous, channels, kernel_size=4, stride=stride, padding=1, bias=bias),
                NORMS[norm](channels),
                nn.LeakyReLU(0.2, True),
            ]
        layers += [nn.Conv2d(channels, 1, kernel_size=4, stride=1, padding=1)]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PixelDiscriminator(nn.Module):
    """PixelGAN: judges every pixel by itself (pix2pix, section 6.1.2).

    Shapes: (B, input_nc, H, W) -> (B, 1, H, W) logits.
    """

    def __init__(self, input_nc: int, ndf: int, norm: str):
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(input_nc, ndf, kernel_size=1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf, 2 * ndf, kernel_size=1, bias=bias),
            NORMS[norm](2 * ndf),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * ndf, 1, kernel_size=1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    "basic": lambda input_nc, ndf, n_layers, norm: NLayerDiscriminator(input_nc, ndf, 3, norm),
    "n_layers": NLayerDiscriminator,
    "pixel": lambda input_nc, ndf, n_layers, norm: PixelDiscriminator(input_nc, ndf, norm),
}


def min_size(netD: str, n_layers: int) -> int:
    """The smallest image side, in pixels, from which `netD` still makes at least one judgement that can be normalised.

    The strided layers halve the side; the two stride-1 layers take one pixel each; and the norm in front of the
    last layer needs more than one value a channel.
    """
    if netD == "pixel":
        return 2
    return 2 ** (3 if netD == "basic" else n_layers) * 3
