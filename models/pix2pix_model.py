"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola et al. 2017)."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update, without_gan
from models.equilibria import equilibria
from models.network_options import TrainedModelOptions, define_D, define_G
from networks.losses import discriminator_losses, generator_loss, l1_of_each
from options.schema import option
from util.errors import UserError

DISTANCES = {"L1": F.l1_loss, "L2": F.mse_loss}


class Pix2PixModel(BaseModel):
    """Learns from pairs: G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) (eq. 4).

    The noise z is dropout alone, in training and in testing (section 3.1).
    """

    class TrainOptions(TrainedModelOptions):
        """pix2pix"""

        lambda_L1: float = option(100.0, "weight of the distance to the truth (eq. 4); 0 leaves it out", least=0)
        distance: str = option("L1", "the distance to the truth: its mean absolute or its mean squared difference",
                               choices=DISTANCES)
        lambda_gan: float = option(1.0, "weight of the adversarial loss; 0 trains without a discriminator", least=0,
                                   structure=True)
        unconditional_D: bool = option(False, "the discriminator sees the output alone: a GAN instead of a conditional "
                                       "one (section 4.2)", structure=True)

    opt: TrainOptions
    shared_defaults = {"norm": "batch", "netG": "unet_256", "dataset_mode": "aligned"}
    train_defaults = {"pool_size": 0, "gan_mode": "vanilla"}
    visual_names = ("real_A", "fake_B", "real_B")
    translations: tuple[Translation, ...] = (
        Translation("real_A", "fake_B", "real_B", paired=True, G="G_GAN", D=("D_real", "D_fake")),)

    def generators(self) -> dict[str, nn.Module]:
        return {"G": define_G(self.opt, self.opt.input_nc, self.opt.output_nc)}

    def training_nets(self) -> dict[str, nn.Module]:
        """UserError when both losses are switched off."""
        opt = self.opt
        if opt.lambda_gan > 0:
            return {"D": define_D(opt, opt.output_nc + (0 if opt.unconditional_D else opt.input_nc))}
        if opt.lambda_L1 <= 0:
            raise UserError("--lambda_gan 0 with --lambda_L1 0 leaves nothing to learn from; give one of them a weight")
        self.translations = without_gan(self.translations)
        return {}

    def translate(self, batch: Batch) -> Images:
        return {"real_A": batch["A"], "fake_B": self.nets["G"](batch["A"]), "real_B": batch["B"]}

    @property
    def updates(self) -> tuple[Update, ...]:
        # "we divide the objective by 2 while optimizing D, which slows down the rate at which D learns" (section 3.3)
        of_D = (Update("D", ("D",), self.losses_D, scale=0.5),) if self.opt.lambda_gan > 0 else ()
        return (*of_D, Update("G", ("G",), self.losses_G))

    def judged(self, images: Images) -> tuple[Tensor, Tensor]:
        """What D sees as real and as generated: the output beside its input (eq. 1), or alone (eq. 2)."""
        real, fake = images["real_B"], images["fake_B"]
        if self.opt.unconditional_D:
            return real, fake
        return torch.cat([images["real_A"], real], 1), torch.cat([images["real_A"], fake], 1)

    def losses_D(self, images: Images) -> Losses:
        """-L_cGAN (eq. 1)."""
        terms = discriminator_losses(self.nets["D"], *self.judged(images), self.opt.gan_mode, self.merge)
        return {f"D_{name}": term for name, term in terms.items()}

    def losses_G(self, images: Images) -> Losses:
        """The generator's side of eq. 4: fool D, and stay near the truth (eq. 3)."""
        opt, losses = self.opt, {}
        if opt.lambda_gan > 0:
            real, fake = self.judged(images)
            losses["G_GAN"] = opt.lambda_gan * generator_loss(self.nets["D"], fake, real, opt.gan_mode)
        if opt.lambda_L1 > 0:
            distance = DISTANCES[opt.distance](images["fake_B"], images["real_B"])
            losses[f"G_{opt.distance}"] = opt.lambda_L1 * distance
        return losses

    @property
    def equilibria(self) -> dict[str, float]:
        return equilibria(self.translations, self.opt.gan_mode, self.opt.lambda_gan)

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far the translation is from the truth (eq. 3, without its weight)."""
        return {"L1": l1_of_each(images["fake_B"], images["real_B"])}
