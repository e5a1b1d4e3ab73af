"""The images that a training is validated on."""
from contextlib import suppress

import torch

from data.folders import NoImages
from data.loader import CPU, Loader, open_loader
from options.groups import TrainCommandOptions
from options.preprocess import PREPROCESS, whole_images
from options.schema import Options
from util.errors import UserError


def open_validation(options: Options, needs: tuple[str, ...], size_multiple: int, min_size: int,
                    device: torch.device = CPU) -> Loader | None:
    """The loader of the held-out images that a training is validated on, brought to size as test.py brings them.

    None when nothing is to be validated. Without val images those of test are taken; a notice says what that means.
    """
    opt, asked = options.view(TrainCommandOptions), options.given("val_phase")
    if opt.lr_policy != "plateau" and opt.val_freq == 0:
        return None
    whole = whole_images(opt.preprocess, opt.load_size, opt.crop_size)
    one_size = PREPROCESS[whole["preprocess"]].one_size
    options = options.replace(**whole, batch_size=opt.batch_size if one_size else 1)

    def held_out(phase: str) -> Loader:
        return open_loader(options.replace(phase=phase), needs, size_multiple, min_size, augment=False, device=device,
                           phase_flag="--val_phase")
    try:
        try:
            return held_out(opt.val_phase)
        except NoImages:
            if asked:
                raise
            with suppress(NoImages):
                loader = held_out("test")
                loader.notices.insert(0, _no_val_images(opt))
                return loader
            raise
    except UserError as error:
        flag = "--lr_policy plateau" if opt.lr_policy == "plateau" else f"--val_freq {opt.val_freq}"
        raise type(error)(f"{flag} measures on held-out images, --val_phase {opt.val_phase}: {error}") from None


def _no_val_images(opt: TrainCommandOptions) -> str:
    return (f"note: {opt.dataroot} has no {opt.val_phase} images: validation measures on those of test. An epoch that "
            "was chosen by them scores better on them than it would on others: report the last epoch too, or put some "
            f"images aside in {opt.val_phase}")
