"""The contract that every model keeps: named networks, named images, named losses.

A model is one file models/xyz_model.py with a class XyzModel; `--model xyz` finds it.
models/template_model.py is a worked example.
"""
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from models.contract import Batch, Images, Translation, Update
from models.network_options import LossOptions, NetworkOptions, samples_alone
from networks.layers import Block, same_statistics
from options.schema import Group, Options
from util.errors import UserError


class BaseModel(ABC):
    """Networks, what they make of a batch, and what they learn from.

    Options that only this model has: the groups SharedOptions (training and testing) and TrainOptions / TestOptions.
    Defaults that this model changes: `shared_defaults` and `train_defaults`.
    """

    SharedOptions: type[Group] = Group
    TrainOptions: type[Group] = Group
    TestOptions: type[Group] = Group
    shared_defaults: dict[str, Any] = {}
    train_defaults: dict[str, Any] = {}
    needs: tuple[str, ...] = ("A", "B")  # what it reads of a batch
    channels: dict[str, tuple[int, ...]] = {"input_nc": (1, 3), "output_nc": (1, 3)}  # that it can show
    translations: tuple[Translation, ...] = ()  # its directions, watched over for the known diseases
    visual_names: tuple[str, ...] = ()  # the images to show, in order

    def __init__(self, opt: Options):
        """UserError when the images have channels that the pages could not show."""
        for name, known in self.channels.items():
            if getattr(opt, name) not in known:
                raise UserError(
                    f"--{name} {getattr(opt, name)}: an image of {getattr(opt, name)} channels cannot be shown with --model "
                    f"{opt.model}, only of {' or '.join(map(str, known))}; lightness and colour "
                    "(--dataset_mode colorization) need --model colorization, gray and RGB another one")
        self.opt = opt
        self.nets = nn.ModuleDict(self.generators())
        self.together = samples_alone(opt) and not opt.plain  # several images of one network in one pass

    @classmethod
    def option_groups(cls, phase: str) -> list[type[Group]]:
        """The option groups of this model for 'train' or 'test'."""
        if phase == "test":
            return [NetworkOptions, cls.SharedOptions, cls.TestOptions]
        return [NetworkOptions, cls.SharedOptions, LossOptions, cls.TrainOptions]

    @classmethod
    def defaults(cls, phase: str) -> dict[str, Any]:
        """The defaults of shared options that this model changes for 'train' or 'test'."""
        return cls.shared_defaults | (cls.train_defaults if phase == "train" else {})

    @abstractmethod
    def generators(self) -> dict[str, nn.Module]:
        """The networks that translate, by name: all that test.py needs. `G_A` is saved as latest_net_G_A.pth."""

    def discriminators(self) -> dict[str, nn.Module]:
        """The networks that only training needs, by name."""
        return {}

    def add_discriminators(self) -> None:
        """Make the model ready for training."""
        if self.opt.checkpoint_activations:
            for module in self.nets.modules():
                if isinstance(module, Block):
                    module.recompute = True
        self.nets.update(self.discriminators())

    @abstractmethod
    def translate(self, batch: Batch) -> Images:
        """Everything that the generators make of a batch, and the real images beside it."""

    def forward(self, batch: Batch) -> Images:
        """`translate`, and the images that only the losses need."""
        return self.translate(batch)

    @property
    @abstractmethod
    def updates(self) -> tuple[Update, ...]:
        """The optimizer steps of one training step, in order."""

    def extra_state(self) -> dict[str, Any]:
        """What the model remembers beside its networks, to go on exactly: tensors, numbers and texts in dicts and lists."""
        return {}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what `extra_state` gave."""

    def same_statistics(self) -> AbstractContextManager:
        """Within it running statistics of batch norms stay, for images that are computed again."""
        return same_statistics(self.nets)

    def visuals(self, images: Images) -> Images:
        """The images to show, in order, each (B, 1 or 3, H, W) in [-1, 1]."""
        return {name: images[name] for name in self.visual_names if name in images}

    def validation_loss(self, images: Images) -> Tensor:
        """A scalar that falls as the translation gets better, measured on held-out images for --lr_policy plateau."""
        raise UserError(f"--lr_policy plateau needs a validation loss, which --model {self.opt.model} does not define; "
                        "choose --lr_policy linear, step or cosine")
