"""What every model is: networks built from options, as the contract asks for them.

A model is one file models/xyz_model.py with a class XyzModel; `--model xyz` finds it.
models/template_model.py is a worked example.
"""
from collections.abc import Mapping
from typing import Any

from models.contract import Images, Model
from models.network_options import ModelOptions, TrainedModelOptions
from networks.layers import Block
from options.schema import Group, Options
from util.errors import UserError


class BaseModel(Model):
    """A model with options.

    Options that only this model has: the groups SharedOptions (training and testing) and TrainOptions / TestOptions.
    Defaults that this model changes: `shared_defaults` and `train_defaults`.
    """

    SharedOptions: type[Group] = ModelOptions
    TrainOptions: type[Group] = TrainedModelOptions
    TestOptions: type[Group] = ModelOptions
    shared_defaults: Mapping[str, Any] = {}
    train_defaults: Mapping[str, Any] = {}
    channels: Mapping[str, tuple[int, ...]] = {}  # that --input_nc and --output_nc may be; left out: any number
    shows_lab = False  # whether it shows lightness and colour as RGB
    visual_names: tuple[str, ...] = ()  # the images to show, in order
    opt: ModelOptions

    def __init__(self, options: Options):
        """UserError when the images have channels that the model cannot work with."""
        self.options = options
        self.opt = opt = options.view(ModelOptions)
        for name, known in self.channels.items():
            if getattr(opt, name) not in known:
                raise UserError(f"--{name} {getattr(opt, name)} is not possible with --model {opt.model}; expected "
                                f"{' or '.join(map(str, known))}")
        if opt.dataset_mode == "colorization" and not self.shows_lab:
            raise UserError(f"--dataset_mode colorization gives lightness and colour, which --model {opt.model} would "
                            "take for gray and for two bands; they need --model colorization")
        self.merge = not opt.plain
        super().__init__()

    @classmethod
    def option_groups(cls, phase: str) -> list[type[Group]]:
        """The option groups of this model for 'train' or 'test'."""
        return [cls.SharedOptions, cls.TrainOptions if phase == "train" else cls.TestOptions]

    @classmethod
    def defaults(cls, phase: str) -> dict[str, Any]:
        """The defaults of shared options that this model changes for 'train' or 'test'."""
        return {**cls.shared_defaults, **(cls.train_defaults if phase == "train" else {})}

    def prepare_training(self) -> None:
        """Make the model ready for training."""
        super().prepare_training()
        recompute = self.options.view(TrainedModelOptions).checkpoint_activations
        for module in self.nets.modules():
            if isinstance(module, Block):
                module.recompute = recompute

    def visuals(self, images: Images) -> Images:
        return {name: images[name] for name in self.visual_names if name in images}
