"""Begin a new training with the weights of another one, as far as they fit."""
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from runs.overwriting import place_now
from runs.weight_files import read_weights, refuse_not_finite, weights_file
from util.errors import UserError


def init_from(source: Path, nets: Mapping[str, nn.Module]) -> list[str]:
    """Copy into `nets` every tensor of `source` that has the same key and shape; returns a report, a line a network.

    source: a run's folder, whose latest weights are taken, or one weight file, which fills the network in its name
    (`*_net_G_A.pth`), else the first. It may be the run that this one overwrites. UserError when nothing is there, or
    nothing fits.
    """
    named, source = source, place_now(source)
    if source.is_dir():
        files = {name: weights_file(source, "latest", name) for name in nets}
        files = {name: path for name, path in files.items() if path.is_file()}
    elif source.is_file():
        stem = source.stem.partition("_net_")[2]
        files = {stem if stem in nets else next(iter(nets)): source}
    else:
        files = {}
    if not files:
        raise UserError(f"--init_from {named}: expected a weight file, or a run's folder with latest_net_*.pth for one "
                        f"of {', '.join(nets)}")
    report, loaded = [], 0
    for name, net in nets.items():
        if name not in files:
            report.append(f"network {name}: left at its initial value")
            continue
        fitting, line = _fitting(net, read_weights(files[name]))
        refuse_not_finite(fitting, files[name])
        net.load_state_dict(fitting, strict=False)
        loaded += len(fitting)
        file = named / files[name].name if named.is_dir() else named
        report.append(f"network {name}: from {file}: {line}")
    if not loaded:
        raise UserError(f"--init_from {named}: nothing in it fits\n" + "\n".join(report))
    return report


def _fitting(net: nn.Module, found: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors that fit, and a line about them, those skipped and those left at their initial value."""
    own = net.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    skipped = [key for key in found if key not in fitting]
    left = [key for key in own if key not in fitting]
    line = f"{len(fitting)} tensors loaded"
    for what, keys in (("skipped", skipped), ("left at their initial value", left)):
        if keys:
            line += f", {len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
    return fitting, line
