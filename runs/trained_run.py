"""The run that a test loads: what it was trained with, and which weights it holds."""
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from options.saved import read_saved
from options.schema import Option
from runs.generator_config import read_generator_config
from runs.run_folder import WEIGHTS, generator_alone
from runs.weight_files import describe_saves, find_weights, read_weights, weights_file
from util.errors import UserError


@dataclass(frozen=True)
class TrainedRun:
    """options: those saved with the run, read from the file `where`; {} and '' when none are.

    folder: also what export.py wrote of a generator alone, a folder or a safetensors file.
    """

    folder: Path
    options: dict[str, Any]
    where: str

    @property
    def model(self) -> str | None:
        """The model that was trained, where that is known."""
        return self.options.get("model")

    def require_known(self, known: Mapping[str, Collection[str]]) -> None:
        """UserError when the run was trained with a model or dataset that is not among the `known` ones here."""
        for flag, names in known.items():
            if flag in self.options and self.options[flag] not in names:
                raise UserError(f"{self.where}: the run was trained with --{flag} {self.options[flag]}, which is not "
                                f"known here; put its file back, or give --{flag}. Known: {', '.join(names)}")

    def generator_suffix(self, saved: str, direction: str | None) -> str:
        """Which generator translates one way: '' for G; of a CycleGAN '_A', or '_B' where `direction` is the other one.

        saved: how the weight files begin, as `weight_files.prefix` gives it.
        """
        if weights_file(self.folder, saved, "G").is_file() or not weights_file(self.folder, saved, "G_A").is_file():
            return ""
        return "_B" if direction not in (None, self.options.get("direction", "AtoB")) else "_A"

    def shown_by_weights(self, saved: str, suffix: str, recognize: Callable[[Mapping[str, Tensor]], dict[str, Any]]
                         ) -> tuple[dict[str, Any], str]:
        """The architecture of the first generator, for a run without saved options, and its file.

        recognize: from weights to options; ValueError when they are no generator's.
        """
        for name in (f"G{suffix}", "G", "G_A"):
            path = find_weights(self.folder, saved, name)
            if path.exists():
                try:
                    return recognize(read_weights(path)), str(path)
                except ValueError as error:
                    raise UserError(f"{path} is not a generator of this toolkit: {error}") from None
        raise UserError(f"no generator of epoch {saved} to load. {describe_saves(self.folder)}. "
                        f"Give --epoch, --load_iter or --model_suffix, or put latest_net_G.pth into {self.folder}"
                        f"{where_released(self.folder)}")

    def require_weights(self, saved: str, nets: Iterable[str], model: str) -> None:
        """UserError, with the likely cause, when the weights of one of these networks are missing.

        saved: how their files begin, as `weight_files.prefix` gives it; model: the one that has these networks.
        """
        nets = tuple(nets)
        missing = [path for path in (find_weights(self.folder, saved, net) for net in nets) if not path.exists()]
        if not missing:
            return
        saves = saved_prefixes(self.folder)
        whole = [one for one in saves if all(find_weights(self.folder, one, net).exists() for net in nets)]
        cause = ""
        if whole or (saves and saved not in saves):
            cause = (f"\nIt holds no {saved}, only {', '.join(whole or saves)}: give another --epoch or --load_iter, "
                     "or leave them out")
        elif self.model not in (None, model):
            cause = f"\nIt is a run of --model {self.model}, not {model}: leave out --model, it is taken from the run"
        raise UserError(f"{missing[0]} does not exist. {describe_saves(self.folder)}{cause}"
                        f"{where_released(self.folder)}")

    def require_means(self, saved: str, nets: Iterable[str]) -> None:
        """UserError when the running means of one of these networks are missing."""
        if generator_alone(self.folder):
            raise UserError(f"--weights ema: {describe_saves(self.folder)}; leave out --weights ema")
        missing = [path for net in nets if not (path := weights_file(self.folder, saved, f"{net}_ema")).exists()]
        if missing:
            kept = sorted(match[1] for path in self.folder.glob(WEIGHTS)
                          if (match := re.fullmatch(r"(.+?)_net_G.*_ema\.pth", path.name)))
            raise UserError(f"--weights ema: {missing[0]} does not exist. "
                            + (f"Running means were saved of: {', '.join(dict.fromkeys(kept))}; give such an --epoch"
                               if kept else f"{self.folder} was trained without --ema: leave out --weights ema, or "
                               "train with --ema 0.999"))


def open_run(folder: Path, declared: Mapping[str, Option]) -> TrainedRun:
    """The run in a folder, or a generator alone. UserError, with those there are, when there is no such folder."""
    if generator_alone(folder):
        _, options, where = read_generator_config(folder)
        return TrainedRun(folder, options, where)
    if not folder.is_dir():
        raise UserError(f"there is no run {folder}; {runs_beside(folder)}. Give --name and --checkpoints_dir as in "
                        f"training{where_released(folder)}")
    return TrainedRun(folder, *read_saved(folder, declared))


def runs_beside(folder: Path) -> str:
    """The runs in the folder above, in words."""
    runs = sorted(path.name for path in folder.parent.glob("*/")) if folder.parent.is_dir() else []
    return f"runs in {folder.parent}: {', '.join(runs) or 'none'}"


def where_released(folder: Path) -> str:
    """Of a run that is called like a released generator, NAME_pretrained: where its file comes from and goes, in a line
    to put behind a message. '' for others.
    """
    name = folder.name.removesuffix("_pretrained")
    if name == folder.name:
        return ""
    return (f"\nThe generator that was released as {name} comes with: python datasets/download.py "
            f"cyclegan-models/{name} --checkpoints_dir {folder.parent} (or pix2pix-models/{name}; without a name it "
            f"lists all). A file that you have already goes to {folder / 'latest_net_G.pth'}; then add --model test")


def saved_prefixes(folder: Path) -> list[str]:
    """The saves whose weights a folder holds: epochs by number, then iterations, then latest."""
    if generator_alone(folder):
        return ["latest"]
    found = {match[1] for path in folder.glob(WEIGHTS) if (match := re.fullmatch(r"(.+?)_net_.*", path.name))}
    return sorted(found, key=lambda save: (save == "latest", not save.isdecimal(),
                                           int("0" + "".join(filter(str.isdecimal, save))), save))
