"""CoGAN: Coupled Generative Adversarial Networks (Liu and Tuzel 2016), a baseline of the CycleGAN paper (section 5.1).

Two GANs whose generators begin, and whose discriminators end, with the same layers: one latent code makes a pair of
images. An image is translated by looking for the code that makes it, and rendering that in the other domain.
"""
import torch
from torch import Generator, Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update
from models.equilibria import equilibria
from models.network_options import ModelOptions, TrainedModelOptions, define_D, finished
from networks.coupled import LatentGenerator, share
from networks.losses import discriminator_losses, generator_loss, l1_of_each
from options.schema import Group, option, width_and_height
from util.errors import UserError

OWN = 5  # layers at the image's end that each network has for itself: two convolutions and what lies between


class LatentOptions(Group):
    """cogan"""

    latent_nc: int = option(100, "numbers in a latent code", least=1, structure=True)
    inversion_steps: int = option(100, "steps of Adam that look for the latent code of an image", least=1)


class CoganModel(BaseModel):
    """max_D min_G V(D_A, G_A) + V(D_B, G_B), with layers in common (section 3)."""

    class SharedOptions(ModelOptions, LatentOptions):
        """cogan"""

    class TrainOptions(TrainedModelOptions, LatentOptions):
        """cogan"""

    opt: TrainOptions
    shared_defaults = {"no_dropout": True, "dataset_mode": "unaligned"}
    train_defaults = {"gan_mode": "vanilla", "pool_size": 0}
    in_one_pass = False
    visual_names = ("real_A", "fake_B", "rec_A", "sample_A", "real_B", "fake_A", "rec_B", "sample_B")
    translations = (
        Translation("real_A", "fake_B", "real_B", paired=False, G="G_B", D=("D_B_real", "D_B_fake")),
        Translation("real_B", "fake_A", "real_A", paired=False, G="G_A", D=("D_A_real", "D_A_fake")))

    def generators(self) -> dict[str, nn.Module]:
        """UserError when --crop_size is not the side of an image that such a generator can make."""
        opt, (side, height) = self.opt, width_and_height(self.opt.crop_size)
        if side != height or side < 16 or side & (side - 1):
            raise UserError(f"--model cogan makes square images with sides that are a power of two from 16, found "
                            f"--crop_size {opt.crop_size}; give --crop_size 64, 128 or 256 with a fitting --load_size")
        G_A, G_B = (finished(LatentGenerator(opt.latent_nc, nc, opt.ngf, opt.norm, side), opt)
                    for nc in (opt.input_nc, opt.output_nc))
        share(G_A, G_B, 0, -OWN)
        return {"G_A": G_A, "G_B": G_B}

    def training_nets(self) -> dict[str, nn.Module]:
        """UserError for a discriminator that has no layers to share."""
        if self.opt.netD == "pixel":
            raise UserError("--netD pixel has no layers to share between domains; give --netD basic or n_layers")
        D_A, D_B = (define_D(self.opt, nc) for nc in (self.opt.input_nc, self.opt.output_nc))
        share(D_A, D_B, OWN)
        return {"D_A": D_A, "D_B": D_B}

    def draw(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return {"z": torch.randn(len(batch["A"]), self.opt.latent_nc, generator=generator)}

    def forward(self, batch: Batch) -> Images:
        return {"real_A": batch["A"], "real_B": batch["B"],
                "sample_A": self.nets["G_A"](batch["z"]), "sample_B": self.nets["G_B"](batch["z"])}

    def translate(self, batch: Batch) -> Images:
        G_A, G_B = self.nets["G_A"], self.nets["G_B"]
        z_A, z_B = self.latent_of("G_A", batch["A"]), self.latent_of("G_B", batch["B"])
        return {"real_A": batch["A"], "fake_B": G_B(z_A), "rec_A": G_A(z_A),
                "real_B": batch["B"], "fake_A": G_A(z_B), "rec_B": G_B(z_B)}

    def latent_of(self, name: str, images: Tensor) -> Tensor:
        """(B, latent_nc): codes z* = arg min |G(z) - x| of images (B, C, H, W) (section 5, "cross-domain image
        transformation"), looked for by Adam from the same code for each.

        UserError when the images do not have the size that the generator makes.
        """
        width, height = width_and_height(self.opt.crop_size)
        if images.shape[2:] != (height, width):
            raise UserError(f"--model cogan makes images of {width}x{height}, found one of {images.shape[3]}x"
                            f"{images.shape[2]}; give --preprocess resize_and_crop and leave --crop_size to the run")
        begin = torch.randn(1, self.opt.latent_nc, generator=torch.Generator().manual_seed(0))
        with torch.enable_grad():
            z = begin.repeat(len(images), 1).to(images.device).requires_grad_()
            optimizer = torch.optim.Adam([z], lr=0.1)
            for _ in range(self.opt.inversion_steps):
                loss = l1_of_each(self.nets[name](z), images).sum()  # of each by itself: a batch changes nothing
                (z.grad,) = torch.autograd.grad(loss, z)
                optimizer.step()
        return z.detach()

    @property
    def updates(self) -> tuple[Update, ...]:
        return (Update("D", ("D_A", "D_B"), self.losses_D), Update("G", ("G_A", "G_B"), self.losses_G))

    def losses_D(self, images: Images) -> Losses:
        """-V of both domains (section 3)."""
        return {f"D_{side}_{name}": term for side in "AB" for name, term in discriminator_losses(
            self.nets[f"D_{side}"], images[f"real_{side}"], images[f"sample_{side}"], self.opt.gan_mode, self.merge
        ).items()}

    def losses_G(self, images: Images) -> Losses:
        """Fool both discriminators with the images of one code."""
        return {f"G_{side}": generator_loss(self.nets[f"D_{side}"], images[f"sample_{side}"], images[f"real_{side}"],
                                            self.opt.gan_mode) for side in "AB"}

    @property
    def equilibria(self) -> dict[str, float]:
        return equilibria(self.translations, self.opt.gan_mode)

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far the found codes are from making the images."""
        return {"inversion": l1_of_each(images["rec_A"], images["real_A"])
                + l1_of_each(images["rec_B"], images["real_B"])}
