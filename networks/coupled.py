"""Networks that share layers: the two halves of a coupled GAN (Liu and Tuzel 2016). Plain modules, plain arguments."""
from itertools import pairwise

from torch import Tensor, nn

from networks.layers import NORMS, needs_bias


class LatentGenerator(nn.Module):
    """An image of a latent code: 4x4 features, doubled in size until the image has its own (Radford et al. 2016).

    size: side of the image in pixels, a power of two from 8. Shapes: (B, latent_nc) -> (B, output_nc, size, size) in
    (-1, 1).
    """

    def __init__(self, latent_nc: int, output_nc: int, ngf: int, norm: str, size: int):
        super().__init__()
        bias, doublings = needs_bias(norm), (size // 4).bit_length() - 1
        channels = [ngf * min(2**level, 8) for level in reversed(range(doublings))]
        layers = [nn.ConvTranspose2d(latent_nc, channels[0], 4, bias=bias), NORMS[norm](channels[0]), nn.ReLU(True)]
        for inner, outer in pairwise(channels):
            layers += [nn.ConvTranspose2d(inner, outer, kernel_size=4, stride=2, padding=1, bias=bias),
                       NORMS[norm](outer), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(channels[-1], output_nc, kernel_size=4, stride=2, padding=1), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z[:, :, None, None])


def share(one: nn.Module, other: nn.Module, first: int, last: int | None = None) -> None:
    """Let the layers `first` to before `last` of other.model be those of one.model: the same tensors."""
    layers, replaced = one.get_submodule("model"), other.get_submodule("model")
    assert isinstance(layers, nn.Sequential) and isinstance(replaced, nn.Sequential)
    for place in range(len(layers))[first:last]:
        replaced[place] = layers[place]
