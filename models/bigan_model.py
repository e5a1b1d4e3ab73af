"""BiGAN, Adversarial Feature Learning (Donahue et al. 2017), alias ALI (Dumoulin et al. 2017).

As the CycleGAN paper compares with it (section 5.1): where the original maps codes to images, G_A maps images of A to
images of B, and G_B is the encoder F back. One discriminator tells pairs (a, G(a)) from pairs (F(b), b).
"""
import torch
from torch import Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update
from models.equilibria import equilibria
from models.network_options import TrainedModelOptions, define_D, define_G
from networks.losses import discriminator_losses, l1_of_each, swapped_losses


class BiganModel(BaseModel):
    """min_{G, F} max_D E_b[log D(F(b), b)] + E_a[log(1 - D(a, G(a)))] (Donahue et al. eq. 3)."""

    opt: TrainedModelOptions
    shared_defaults = {"no_dropout": True, "dataset_mode": "unaligned"}
    train_defaults = {"gan_mode": "vanilla", "pool_size": 0}
    visual_names = ("real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B")
    translations = (
        Translation("real_A", "fake_B", "real_B", paired=False, G="G_A", D=("D_real", "D_fake")),
        Translation("real_B", "fake_A", "real_A", paired=False, G="G_B", D=("D_real", "D_fake")))

    def generators(self) -> dict[str, nn.Module]:
        opt = self.opt
        return {"G_A": define_G(opt, opt.input_nc, opt.output_nc), "G_B": define_G(opt, opt.output_nc, opt.input_nc)}

    def training_nets(self) -> dict[str, nn.Module]:
        return {"D": define_D(self.opt, self.opt.input_nc + self.opt.output_nc)}

    def forward(self, batch: Batch) -> Images:
        return {"real_A": batch["A"], "fake_B": self.nets["G_A"](batch["A"]),
                "real_B": batch["B"], "fake_A": self.nets["G_B"](batch["B"])}

    def translate(self, batch: Batch) -> Images:
        images = self.forward(batch)
        return {**images, "rec_A": self.nets["G_B"](images["fake_B"]), "rec_B": self.nets["G_A"](images["fake_A"])}

    @property
    def updates(self) -> tuple[Update, ...]:
        return Update("D", ("D",), self.losses_D), Update("G", ("G_A", "G_B"), self.losses_G)

    @staticmethod
    def pairs(images: Images) -> tuple[Tensor, Tensor]:
        """(F(b), b), which D calls real, and (a, G(a)): (B, input_nc + output_nc, H, W)."""
        encoded = torch.cat([images["fake_A"], images["real_B"]], 1)
        return encoded, torch.cat([images["real_A"], images["fake_B"]], 1)

    def losses_D(self, images: Images) -> Losses:
        """Tell the encoder's pairs from the generator's."""
        encoded, generated = (pair.detach() for pair in self.pairs(images))
        terms = discriminator_losses(self.nets["D"], encoded, generated, self.opt.gan_mode, self.merge)
        return {f"D_{name}": term for name, term in terms.items()}

    def losses_G(self, images: Images) -> Losses:
        """Generator and encoder want the pairs of each taken for the other's (labels swapped, section 3.4)."""
        terms = swapped_losses(self.nets["D"], *self.pairs(images), self.opt.gan_mode, self.merge)
        return {"G_A": terms["fake"], "G_B": terms["real"]}

    @property
    def equilibria(self) -> dict[str, float]:
        """Generator and encoder minimise the same terms as D, with the labels swapped."""
        values = equilibria(self.translations, self.opt.gan_mode)
        return dict.fromkeys(values, values.get("D_real", 0.0))

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far F is from G's inverse, which it is at the optimum (Donahue et al. section 3.3)."""
        return {"cycle": l1_of_each(images["rec_A"], images["real_A"]) + l1_of_each(images["rec_B"], images["real_B"])}
