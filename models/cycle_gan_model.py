"""CycleGAN: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et al. 2017).

Names: G_A is the paper's G: A -> B, judged by D_A (the paper's D_Y); G_B is F: B -> A, judged by D_B.
"""
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, ShownAs, Translation, Update, without_gan
from models.equilibria import equilibria
from models.image_pool import ImagePool
from models.network_options import TrainedModelOptions, define_D, define_G
from networks.losses import discriminator_losses, generator_loss, l1_of_each, passes
from options.schema import Options, option
from util.errors import UserError

REMEDIES = {
    "winning": "a larger --pool_size",
    "copying": "a lower --lambda_identity, or a lower --lambda_A and --lambda_B",
    "collapsed": "a larger --pool_size",
    "inverted": "--lambda_identity 0.5",
}


class CycleGANModel(BaseModel):
    """Learns from two piles of images without pairs: L_GAN(G, D_Y) + L_GAN(F, D_X) + lambda L_cyc(G, F) (eq. 3)."""

    class TrainOptions(TrainedModelOptions):
        """CycleGAN"""

        lambda_A: float = option(10.0, "weight of the cycle loss A -> B -> A (eq. 2); 0 leaves it out", least=0)
        lambda_B: float = option(10.0, "weight of the cycle loss B -> A -> B (eq. 2); 0 leaves it out", least=0)
        lambda_gan: float = option(1.0, "weight of the adversarial losses; 0 trains without discriminators", least=0,
                                   structure=True)
        lambda_identity: float = option(0.5, "weight of the identity loss, relative to the cycle losses (section 5.2); "
                                             "0 switches it off; it needs input_nc = output_nc")

    opt: TrainOptions
    shared_defaults = {"no_dropout": True, "dataset_mode": "unaligned"}
    translations: tuple[Translation, ...] = (
        Translation("real_A", "fake_B", "real_B", paired=False, G="G_A", D=("D_A",), remedies=REMEDIES),
        Translation("real_B", "fake_A", "real_A", paired=False, G="G_B", D=("D_B",), remedies=REMEDIES))
    visual_names = ("real_A", "fake_B", "rec_A", "idt_B", "real_B", "fake_A", "rec_B", "idt_A")

    def __init__(self, options: Options):
        super().__init__(options)
        self.pools: dict[str, ImagePool] = {}

    def generators(self) -> dict[str, nn.Module]:
        opt = self.opt
        return {"G_A": define_G(opt, opt.input_nc, opt.output_nc), "G_B": define_G(opt, opt.output_nc, opt.input_nc)}

    def training_nets(self) -> dict[str, nn.Module]:
        """UserError when the options leave nothing to learn from, or ask for an identity loss of unlike domains."""
        opt = self.opt
        if opt.lambda_identity > 0 and opt.input_nc != opt.output_nc:
            raise UserError(f"the identity loss needs the same number of channels on both sides, found --input_nc "
                            f"{opt.input_nc} and --output_nc {opt.output_nc}; give --lambda_identity 0")
        if opt.lambda_gan <= 0:
            if opt.lambda_A <= 0 and opt.lambda_B <= 0:
                raise UserError("--lambda_gan 0 with --lambda_A 0 and --lambda_B 0 leaves nothing to learn from; give "
                                "one of them a weight")
            self.translations = without_gan(self.translations)
            return {}
        self.pools = {"fake_A": ImagePool(opt.pool_size), "fake_B": ImagePool(opt.pool_size)}
        return {"D_A": define_D(opt, opt.output_nc), "D_B": define_D(opt, opt.input_nc)}

    def translate(self, batch: Batch) -> Images:
        G_A, G_B = self.nets["G_A"], self.nets["G_B"]
        return self._close_cycles(batch, G_A(batch["A"]), G_B(batch["B"]))

    def forward(self, batch: Batch) -> Images:
        if self.opt.lambda_identity <= 0:
            return self.translate(batch)
        fake_B, idt_A = passes(self.nets["G_A"], batch["A"], batch["B"], merge=self.merge)
        fake_A, idt_B = passes(self.nets["G_B"], batch["B"], batch["A"], merge=self.merge)
        return {**self._close_cycles(batch, fake_B, fake_A), "idt_A": idt_A, "idt_B": idt_B}

    def _close_cycles(self, batch: Batch, fake_B: Tensor, fake_A: Tensor) -> Images:
        """All images of a batch, with the fakes translated back."""
        rec_A, rec_B = self.nets["G_B"](fake_B), self.nets["G_A"](fake_A)
        return {"real_A": batch["A"], "fake_B": fake_B, "rec_A": rec_A,
                "real_B": batch["B"], "fake_A": fake_A, "rec_B": rec_B}

    def shown_as(self, label: str) -> ShownAs:
        """idt_A, what G_A makes of an image of B, is one of B."""
        return super().shown_as({"idt_A": "real_B", "idt_B": "real_A"}.get(label, label))

    @property
    def updates(self) -> tuple[Update, ...]:
        of_D = (Update("D", ("D_A", "D_B"), self.losses_D, recall=self.recall),) if self.opt.lambda_gan > 0 else ()
        return (Update("G", ("G_A", "G_B"), self.losses_G), *of_D)

    def recall(self, images: Images, generator: Generator) -> Images:
        """The fakes to show to the discriminators: half of the time earlier ones (section 4)."""
        return {f"pool_{side}": self.pools[f"fake_{side}"].query(images[f"fake_{side}"], generator) for side in "BA"}

    def losses_G(self, images: Images) -> Losses:
        """Fool the discriminators (eq. 1), close the cycles (eq. 2), leave the target domain alone (section 5.2)."""
        opt, losses = self.opt, {}
        if opt.lambda_gan > 0:
            for name, fake, real in (("G_A", "fake_B", "real_B"), ("G_B", "fake_A", "real_A")):
                netD = self.nets[name.replace("G", "D")]
                losses[name] = opt.lambda_gan * generator_loss(netD, images[fake], images[real], opt.gan_mode)
        for side, weight in (("A", opt.lambda_A), ("B", opt.lambda_B)):
            if weight > 0:
                losses[f"cycle_{side}"] = weight * F.l1_loss(images[f"rec_{side}"], images[f"real_{side}"])
        if opt.lambda_identity > 0:
            losses["idt_A"] = opt.lambda_identity * opt.lambda_B * F.l1_loss(images["idt_A"], images["real_B"])
            losses["idt_B"] = opt.lambda_identity * opt.lambda_A * F.l1_loss(images["idt_B"], images["real_A"])
        return losses

    def losses_D(self, images: Images) -> Losses:
        """Tell real from generated, shown from a pool of earlier fakes; halved to slow D down (section 4)."""
        return {
            "D_A": self._loss_D("D_A", images["real_B"], images["pool_B"]),
            "D_B": self._loss_D("D_B", images["real_A"], images["pool_A"]),
        }

    def _loss_D(self, name: str, real: Tensor, fake: Tensor) -> Tensor:
        terms = discriminator_losses(self.nets[name], real, fake, self.opt.gan_mode, self.merge)
        return 0.5 * torch.stack(list(terms.values())).sum()

    def extra_state(self) -> dict[str, Any]:
        return {name: list(pool.images) for name, pool in self.pools.items()}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        for name, pool in self.pools.items():
            pool.images = list(state[name])

    @property
    def equilibria(self) -> dict[str, float]:
        return equilibria(self.translations, self.opt.gan_mode, self.opt.lambda_gan)

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far both cycles are from closing (eq. 2)."""
        return {"cycle": l1_of_each(images["rec_A"], images["real_A"]) + l1_of_each(images["rec_B"], images["real_B"])}
