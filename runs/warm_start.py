"""Begin a new training with the weights of another one, as far as they fit."""
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from engine.distributed import from_rank_0
from options.groups import TrainCommandOptions
from options.schema import Options
from runs.generator_config import read_generator_config
from runs.hub import fetch, local_place, read_address
from runs.overwriting import place_now
from runs.run_folder import generator_alone, is_safetensors
from runs.safetensors_files import read_header
from runs.weight_files import Describe, read_weights, refuse_not_finite, weights_file
from util.errors import UserError


def with_commit(options: Options, begins_anew: bool) -> Options:
    """The options of a training, in which a place on the Hub that it is to begin with has become one commit there: so
    it is known afterwards. What is there is fetched. UserError, MachineError when it cannot be.

    begins_anew: whether the training begins with it at all.
    """
    address = read_address(options.view(TrainCommandOptions).init_from) if begins_anew else None
    return options.replace(init_from=from_rank_0(lambda: str(fetch(address)[1]))) if address else options


def init_from(given: str, nets: Mapping[str, nn.Module], describe: Describe) -> list[str]:
    """Copy into `nets` every tensor of the source that has the same key and shape; returns a report, a line a network.

    given: a run's folder, whose latest weights are taken; one weight file, which fills the network in its name
    (`*_net_G_A.pth`), else the first; a generator alone, as a file, a folder or a place on the Hub, which fills the
    network that it was, else the first. It may be the run that this one overwrites. describe: for the report, where not
    all fits. UserError when nothing is there, or nothing fits.
    """
    named = local_place(given)
    source = place_now(named)
    if source.is_file() or generator_alone(source):
        files = {_network_of(source, nets): generator_alone(source) or source}
    elif source.is_dir():
        files = {name: weights_file(source, "latest", name) for name in nets}
        files = {name: path for name, path in files.items() if path.is_file()}
    else:
        files = {}
    if not files:
        raise UserError(f"--init_from {given}: expected a weight file, or a run's folder with latest_net_*.pth for one "
                        f"of {', '.join(nets)}")
    report, loaded = [], 0
    for name, net in nets.items():
        if name not in files:
            report.append(f"network {name}: left at its initial value")
            continue
        fitting, line = _fitting(net, read_weights(files[name]), describe)
        refuse_not_finite(fitting, files[name])
        net.load_state_dict(fitting, strict=False)
        loaded += len(fitting)
        file = given if read_address(given) else named / files[name].name if named.is_dir() else named
        report.append(f"network {name}: from {file}: {line}")
    if not loaded:
        raise UserError(f"--init_from {given}: nothing in it fits\n" + "\n".join(report))
    return report


def _network_of(source: Path, nets: Mapping[str, nn.Module]) -> str:
    """Which network a file, or a generator alone, fills: the one that it says, else the first."""
    told = source.is_dir() or (is_safetensors(source) and read_header(source))
    name = read_generator_config(source)[0] if told else source.stem.partition("_net_")[2]
    return name if name in nets else next(iter(nets))


def _fitting(net: nn.Module, found: Mapping[str, torch.Tensor], describe: Describe
             ) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors that fit, and a line about them, those skipped and those left at their initial value."""
    own = net.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    skipped = [key for key in found if key not in fitting]
    left = [key for key in own if key not in fitting]
    line = f"{len(fitting)} tensors loaded"
    for what, keys in (("skipped", skipped), ("left at their initial value", left)):
        if keys:
            line += f", {len(keys)} {what} ({', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''})"
    there, here = describe(found), describe(own)
    if skipped and there != here:
        line += f"; the file is of {there}, this network of {here}"
    return fitting, line
