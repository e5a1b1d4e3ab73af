"""Read a generator's architecture off its weights."""
import re
from collections.abc import Mapping

from torch import Tensor

from networks.generators import GENERATORS


def recognize_generator(state: Mapping[str, Tensor]) -> dict[str, object]:
    """The options netG, ngf, norm, input_nc, output_nc and, where the keys show it, no_dropout of a state_dict.

    A U-Net's keys do not tell whether it had dropout. Raises ValueError, saying why, when it is none of our generators.
    """
    if _are_kernels(state, "model.model.0.weight", "model.model.3.weight"):
        found = _unet(state)
    elif _are_kernels(state, "model.1.weight"):
        found = _resnet(state)
    elif "model.0.weight" in state or "net.0.weight" in state:
        raise ValueError("it is a discriminator")
    else:
        raise ValueError(f"its keys ({', '.join(list(state)[:3])}, ...) are not those of a resnet or unet generator")
    if found["netG"] not in GENERATORS:
        raise ValueError(f"it looks like {found['netG']}, which is not among {', '.join(GENERATORS)}")
    return found


def describe_weights(state: Mapping[str, Tensor]) -> str:
    """What a state_dict belongs to, as the flags that would fit it, or why it fits none."""
    try:
        return " ".join(f"--{name} {value}" for name, value in recognize_generator(state).items())
    except ValueError as error:
        return str(error)


def _resnet(state: Mapping[str, Tensor]) -> dict[str, object]:
    first = state["model.1.weight"]
    last = max((key for key in state if re.fullmatch(r"model\.\d+\.weight", key) and _are_kernels(state, key)),
               key=lambda key: int(key.split(".")[1]))
    blocks = sum(key.endswith("conv_block.1.weight") for key in state)
    has_dropout = any(key.endswith("conv_block.6.weight") and value.ndim == 4 for key, value in state.items())
    return {
        "netG": f"resnet_{blocks}blocks",
        "ngf": first.shape[0],
        "input_nc": first.shape[1],
        "output_nc": state[last].shape[0],
        "norm": _norm("model.2.weight" in state, "model.1.bias" in state),
        "no_dropout": not has_dropout,
    }


def _unet(state: Mapping[str, Tensor]) -> dict[str, object]:
    first, last = state["model.model.0.weight"], state["model.model.3.weight"]
    depth = 1 + sum(key.endswith(".model.1.weight") for key in state)  # each level but the outermost goes down there
    kind = "unet" if last.shape[0] == 2 * first.shape[0] else "encoder_decoder"  # which has no skips
    return {
        "netG": f"{kind}_{2 ** depth}",
        "ngf": first.shape[0],
        "input_nc": first.shape[1],
        "output_nc": last.shape[1],
        "norm": _norm("model.model.1.model.2.weight" in state, "model.model.0.bias" in state),
    }


def _are_kernels(state: Mapping[str, Tensor], *keys: str) -> bool:
    return all(key in state and state[key].ndim == 4 for key in keys)


def _norm(has_norm_weights: bool, has_bias: bool) -> str:
    """Batch norms carry weights; a bias stays only in front of instance norms (see layers.needs_bias)."""
    return "batch" if has_norm_weights else "instance" if has_bias else "none"
