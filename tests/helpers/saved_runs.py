"""Runs that no training made: weights of networks as they begin, and options beside them."""
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from networks.generators import GENERATORS
from networks.layers import init_weights
from runs.weight_files import save_nets


def lively_generator(netG: str, norm: str, dropout: bool, input_nc: int = 3, output_nc: int = 3, seed: int = 1
                     ) -> nn.Module:
    """A generator of ngf 4 that answers with more than gray, its batch norms with statistics of their own."""
    torch.manual_seed(seed)
    net = init_weights(GENERATORS[netG].build(input_nc, output_nc, 4, norm, dropout), "xavier", 1.0)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
    return net


def save_run(folder: Path, netG: str = "resnet_6blocks", norm: str = "instance", dropout: bool = False,
             nets: tuple[str, ...] = ("G",), **options: Any) -> Path:
    """A run's folder with these networks and options; those of `options` count as given."""
    sides = options.get("input_nc", 3), options.get("output_nc", 3)
    folder.mkdir(parents=True)
    save_nets(folder, "latest", {
        name: lively_generator(netG, norm, dropout, *(sides[::-1] if name.endswith("_B") else sides), seed)
        for seed, name in enumerate(nets, start=1)})
    given = {"model": "cycle_gan" if "G_A" in nets else "pix2pix", "netG": netG, "ngf": 4, "norm": norm,
             "no_dropout": not dropout, "preprocess": "none", "direction": "AtoB", "input_nc": sides[0],
             "output_nc": sides[1], **options}
    rows = {name: {"value": value, "source": "command line"} for name, value in given.items()}
    (folder / "train_opt.json").write_text(json.dumps(rows))
    return folder
