"""One generator, one direction: translate a folder of images."""
from torch import nn

from models.base_model import BaseModel
from models.contract import Batch, Images, ShownAs, Update
from models.network_options import ModelOptions, define_G
from options.schema import option
from util.errors import UserError


class TestModel(BaseModel):
    """Reads [epoch]_net_G[model_suffix].pth; the suffix picks one side of a CycleGAN."""

    class SharedOptions(ModelOptions):
        """test"""

        model_suffix: str = option(
            "", "which generator to load: _A loads G_A. Left out: by what is saved and --direction")

    opt: SharedOptions
    shared_defaults = {"dataset_mode": "single"}
    needs = ("A",)
    visual_names = ("real", "fake")

    def generators(self) -> dict[str, nn.Module]:
        if "." in self.opt.model_suffix:
            raise UserError(f"--model_suffix {self.opt.model_suffix!r} holds a dot; expected the end of a network's "
                            "name, such as _A for latest_net_G_A.pth")
        return {f"G{self.opt.model_suffix}": define_G(self.opt, self.opt.input_nc, self.opt.output_nc)}

    def translate(self, batch: Batch) -> Images:
        (netG,) = self.nets.values()
        return {"real": batch["A"], "fake": netG(batch["A"])}

    def shown_as(self, label: str) -> ShownAs:
        """The labels name no sides: the input is A."""
        return ShownAs("B" if label == "fake" else "A", "A")

    @property
    def updates(self) -> tuple[Update, ...]:
        return ()

    def training_nets(self) -> dict[str, nn.Module]:
        raise UserError("--model test translates and cannot be trained; train with --model pix2pix or cycle_gan")
