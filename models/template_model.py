"""A worked example: the smallest model, one network that learns y = G(x) by regression.

To add your own: copy this file to models/xyz_model.py and rename the class to XyzModel.
`--model xyz` then finds it, `--model xyz --help` shows its options, and the tests enroll it.
"""
import torch.nn.functional as F
from torch import Tensor, nn

from models.base_model import BaseModel
from models.contract import Batch, Images, Losses, Translation, Update
from models.network_options import TrainedModelOptions, define_G
from networks.losses import l1_of_each
from options.schema import option


class TemplateModel(BaseModel):
    """Learns lambda_regression * |G(A) - B| from pairs."""

    class TrainOptions(TrainedModelOptions):  # options that only this model has; SharedOptions are there in testing too
        """template"""

        lambda_regression: float = option(1.0, "weight of the regression loss")

    opt: TrainOptions
    shared_defaults = {"dataset_mode": "aligned"}  # defaults of shared options that suit this model
    visual_names = ("real_A", "fake_B", "real_B")  # what the pages show, in order
    translations = (Translation("real_A", "fake_B", "real_B", paired=True),)  # watched over, see runs/health.py

    def generators(self) -> dict[str, nn.Module]:
        """The networks by name; the name is part of the weight file's: latest_net_G.pth."""
        return {"G": define_G(self.opt, self.opt.input_nc, self.opt.output_nc)}

    def translate(self, batch: Batch) -> Images:
        """From the dataset's tensors to named images, all (B, C, H, W) in [-1, 1]."""
        return {"real_A": batch["A"], "fake_B": self.nets["G"](batch["A"]), "real_B": batch["B"]}

    @property
    def updates(self) -> tuple[Update, ...]:
        """Which networks learn from which losses, in order."""
        return (Update("G", ("G",), self.losses_G),)

    def losses_G(self, images: Images) -> Losses:
        """Named, weighted scalars: their sum is minimised, their names appear in the log."""
        return {"G": self.opt.lambda_regression * F.l1_loss(images["fake_B"], images["real_B"])}

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """A number for each sample, (B,), that falls as the translation gets better: on held-out images."""
        return {"L1": l1_of_each(images["fake_B"], images["real_B"])}
