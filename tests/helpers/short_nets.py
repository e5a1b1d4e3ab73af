"""ResNets of one block, for tests of which the depth of a generator is no part."""
from dataclasses import replace
from functools import partial

import pytest

from networks import recognize
from networks.generators import GENERATORS, ResnetGenerator


def shorten_nets(patch: pytest.MonkeyPatch) -> None:
    """--netG resnet_6blocks has one residual block in this process, and is recognized by its weights all the same."""
    patch.setitem(GENERATORS, "resnet_6blocks",
                  replace(GENERATORS["resnet_6blocks"], build=partial(ResnetGenerator, n_blocks=1)))
    of_weights = recognize._resnet
    patch.setattr(recognize, "_resnet", lambda state: of_weights(state) | {"netG": "resnet_6blocks"})
