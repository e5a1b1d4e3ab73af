"""From options to networks: the only place where both are known."""
from torch import nn

from networks.discriminators import DISCRIMINATORS, min_size
from networks.fast_layers import accelerate
from networks.generators import GENERATORS
from networks.layers import INITS, NORMS, init_weights
from networks.losses import GAN_MODES
from options.groups import DataOptions, RunOptions, SpeedOptions, TrainingOptions, TrainSpeedOptions
from options.schema import Group, Options, option


class NetworkOptions(Group):
    """networks"""

    netG: str = option("resnet_9blocks", "generator", choices=GENERATORS, common=True, structure=True)
    ngf: int = option(64, "filters of the generator's first layer", least=1, structure=True)
    netD: str = option("basic", "discriminator: basic is the 70x70 PatchGAN", choices=DISCRIMINATORS, structure=True,
                       training_only=True)
    n_layers_D: int = option(3, "layers of --netD n_layers: 1..5 judge patches of 16, 34, 70, 142, 286 pixels",
                             least=1, structure=True, training_only=True)
    ndf: int = option(64, "filters of the discriminator's first layer", least=1, structure=True, training_only=True)
    norm: str = option("instance", "normalisation", choices=NORMS, structure=True, same_weights=("batch", "syncbatch"))
    no_dropout: bool = option(False, "no dropout in the generator", structure=True)
    init_type: str = option("normal", "initial weights", choices=INITS, training_only=True)
    init_gain: float = option(0.02, "their scale, for normal, xavier and orthogonal", training_only=True)


class LossOptions(Group):
    """training"""

    gan_mode: str = option("lsgan", "adversarial loss", choices=GAN_MODES, structure=True)


class ModelOptions(NetworkOptions, RunOptions, DataOptions, SpeedOptions):
    """What every model may read of the options; a model's SharedOptions begin here."""


class TrainedModelOptions(ModelOptions, LossOptions, TrainingOptions, TrainSpeedOptions):
    """The same in training; a model's TrainOptions begin here."""


def define_G(opt: ModelOptions, input_nc: int, output_nc: int) -> nn.Module:
    """The generator of `opt`, initialised. Shapes: (B, input_nc, H, W) -> (B, output_nc, H, W) in (-1, 1)."""
    return finished(GENERATORS[opt.netG].build(input_nc, output_nc, opt.ngf, opt.norm, not opt.no_dropout), opt)


def define_D(opt: ModelOptions, input_nc: int) -> nn.Module:
    """The discriminator of `opt`, initialised. Shapes: (B, input_nc, H, W) -> (B, 1, h, w) logits."""
    return finished(DISCRIMINATORS[opt.netD](input_nc, opt.ndf, opt.n_layers_D, opt.norm), opt)


def finished(net: nn.Module, opt: ModelOptions) -> nn.Module:
    """The network as the options want it: its initial weights, and its layers replaced by faster ones."""
    net = init_weights(net, opt.init_type, opt.init_gain)
    return net if opt.plain else accelerate(net)


def image_sizes(options: Options, training: bool) -> tuple[int, int]:
    """(multiple, least) in pixels: the image sides that the generator and, in training, the discriminator accept."""
    opt = options.view(NetworkOptions)
    kind = GENERATORS[opt.netG]
    least = min_size(opt.netD, opt.n_layers_D) if training else 1
    return kind.size_multiple, max(kind.min_size, least)
