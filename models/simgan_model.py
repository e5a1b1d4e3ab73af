"""SimGAN: Learning from Simulated and Unsupervised Images through Adversarial Training (Shrivastava et al. 2017).

The baseline "pixel loss + GAN" of the CycleGAN paper (section 5.1): a GAN in one direction whose output stays near its
input.
"""
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update
from models.equilibria import equilibria
from models.image_pool import ImagePool
from models.network_options import TrainedModelOptions, define_D, define_G
from networks.losses import discriminator_losses, generator_loss, l1_of_each
from options.schema import option
from util.errors import UserError


class SimGANModel(BaseModel):
    """Refines: L_real(G) + lambda_reg L_reg(G) (eq. 1), with D shown earlier fakes too (section 2.3)."""

    class TrainOptions(TrainedModelOptions):
        """simgan"""

        lambda_reg: float = option(10.0, "weight of the distance between output and input (eq. 4)", least=0)

    opt: TrainOptions
    shared_defaults = {"no_dropout": True, "dataset_mode": "unaligned"}
    visual_names = ("real_A", "fake_B", "real_B")
    translations = (Translation("real_A", "fake_B", "real_B", paired=False, G="G_GAN", D=("D_real", "D_fake")),)

    def generators(self) -> dict[str, nn.Module]:
        return {"G": define_G(self.opt, self.opt.input_nc, self.opt.output_nc)}

    def training_nets(self) -> dict[str, nn.Module]:
        """UserError when the two domains have not the same channels."""
        opt = self.opt
        if opt.input_nc != opt.output_nc:
            raise UserError(f"--model {opt.model} compares the output with the input, so both need the same channels; "
                            f"found --input_nc {opt.input_nc} and --output_nc {opt.output_nc}")
        self.pool = ImagePool(opt.pool_size)
        return {"D": define_D(opt, opt.output_nc)}

    def translate(self, batch: Batch) -> Images:
        return {"real_A": batch["A"], "fake_B": self.nets["G"](batch["A"]), "real_B": batch["B"]}

    @property
    def updates(self) -> tuple[Update, ...]:
        return Update("G", ("G",), self.losses_G), Update("D", ("D",), self.losses_D, recall=self.recall)

    def recall(self, images: Images, generator: Generator) -> Images:
        """The fakes to show to D: half of the time earlier ones (section 2.3)."""
        return {"pool_B": self.pool.query(images["fake_B"], generator)}

    def regularisation(self, images: Images) -> Tensor:
        """|G(x) - x|, a scalar (section 2.1)."""
        return F.l1_loss(images["fake_B"], images["real_A"])

    def losses_G(self, images: Images) -> Losses:
        """Look real, and stay near the input (eq. 4)."""
        return {"G_GAN": generator_loss(self.nets["D"], images["fake_B"], images["real_B"], self.opt.gan_mode),
                "G_reg": self.opt.lambda_reg * self.regularisation(images)}

    def losses_D(self, images: Images) -> Losses:
        """Tell refined images from real ones, patch by patch (eq. 2, section 2.2)."""
        terms = discriminator_losses(self.nets["D"], images["real_B"], images["pool_B"], self.opt.gan_mode, self.merge)
        return {f"D_{name}": term for name, term in terms.items()}

    def extra_state(self) -> dict[str, list[Tensor]]:
        return {"pool": list(self.pool.images)}

    def load_extra_state(self, state: dict[str, list[Tensor]]) -> None:
        self.pool.images = list(state["pool"])

    @property
    def equilibria(self) -> dict[str, float]:
        return equilibria(self.translations, self.opt.gan_mode)

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far the output has gone from the input: what the model itself keeps small, not how good it is."""
        return {"reg": l1_of_each(images["fake_B"], images["real_A"])}
