"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola et al. 2017)."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update
from models.equilibria import equilibria
from models.network_options import TrainedModelOptions, define_D, define_G
from networks.losses import discriminator_losses, generator_loss, l1_of_each
from options.schema import option


class Pix2PixModel(BaseModel):
    """Learns from pairs: G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) (eq. 4).

    The noise z is dropout alone, in training and in testing (section 3.2.1).
    """

    class TrainOptions(TrainedModelOptions):
        """pix2pix"""

        lambda_L1: float = option(100.0, "weight of the L1 loss (eq. 4)")

    opt: TrainOptions
    shared_defaults = {"norm": "batch", "netG": "unet_256", "dataset_mode": "aligned"}
    train_defaults = {"pool_size": 0, "gan_mode": "vanilla"}
    visual_names = ("real_A", "fake_B", "real_B")
    translations = (Translation("real_A", "fake_B", "real_B", paired=True, G="G_GAN", D=("D_real", "D_fake")),)

    def generators(self) -> dict[str, nn.Module]:
        return {"G": define_G(self.opt, self.opt.input_nc, self.opt.output_nc)}

    def training_nets(self) -> dict[str, nn.Module]:
        return {"D": define_D(self.opt, self.opt.input_nc + self.opt.output_nc)}

    def translate(self, batch: Batch) -> Images:
        return {"real_A": batch["A"], "fake_B": self.nets["G"](batch["A"]), "real_B": batch["B"]}

    @property
    def updates(self) -> tuple[Update, ...]:
        # "we divide the objective by 2 while optimizing D, which slows down the rate at which D learns" (section 3.3)
        return Update("D", ("D",), self.losses_D, scale=0.5), Update("G", ("G",), self.losses_G)

    def losses_D(self, images: Images) -> Losses:
        """-L_cGAN (eq. 1): D sees the input beside the real or the generated output."""
        real = torch.cat([images["real_A"], images["real_B"]], 1)
        fake = torch.cat([images["real_A"], images["fake_B"]], 1)
        terms = discriminator_losses(self.nets["D"], real, fake, self.opt.gan_mode, self.merge)
        return {f"D_{name}": term for name, term in terms.items()}

    def losses_G(self, images: Images) -> Losses:
        """The generator's side of eq. 4: fool D, and stay near the truth (eq. 3)."""
        real = torch.cat([images["real_A"], images["real_B"]], 1)
        fake = torch.cat([images["real_A"], images["fake_B"]], 1)
        return {
            "G_GAN": generator_loss(self.nets["D"], fake, real, self.opt.gan_mode),
            "G_L1": self.opt.lambda_L1 * F.l1_loss(images["fake_B"], images["real_B"]),
        }

    @property
    def equilibria(self) -> dict[str, float]:
        return equilibria(self.translations, self.opt.gan_mode)

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far the translation is from the truth (eq. 3, without its weight)."""
        return {"L1": l1_of_each(images["fake_B"], images["real_B"])}
