"""Run by torchrun in test_distributed.py: training steps in float64, each process on its part of the batch."""
import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch

sys.path[:0] = [str(Path(__file__).parents[2])]

import models
from engine.distributed import everyone, gather
from engine.engine import Engine
from engine.processes import joined_processes
from engine.race import LAYOUTS, Candidate, Stopwatch
from engine.step_result import NotFinite
from engine.validation import validate
from metrics.base_metric import Tools
from metrics.mae_metric import MaeMetric
from networks.losses import gradient_penalty
from options.command_line import parse
from runs.loss_means import LossMeans
from runs.validation import Validation
from train import COMMAND
from util.torchrun import rank, world_size

SMALL = "--dataroot x --netG resnet_6blocks --ngf 2 --ndf 2 --crop_size 32 --no_dropout --pool_size 0 --seed 3"
CASES = ("--model cycle_gan", "--model pix2pix --norm instance", "--model pix2pix --norm syncbatch",
         "--model pix2pix --norm syncbatch --gan_mode wgangp --netD pixel")
GLOBAL_BATCH, STEPS = 4, 3


def own_part(batch: dict) -> dict:
    """This process's slice of a batch."""
    size = GLOBAL_BATCH // world_size()
    return {name: image[rank() * size:][:size] for name, image in batch.items()}


def batches() -> list[dict]:
    source = torch.Generator().manual_seed(1)
    return [{side: torch.rand(GLOBAL_BATCH, 3, 32, 32, generator=source, dtype=torch.float64) * 2 - 1 for side in "AB"}
            for _ in range(STEPS)]


def steps(case: str) -> dict:
    """Weights, and the losses of each step, meaned over the processes."""
    from engine.distributed import mean, same_everywhere

    opt = parse(COMMAND, f"{SMALL} {case}".split())
    torch.manual_seed(opt.seed + rank())  # other weights in each process, until they are made the same
    model = models.find(opt.model)(opt)
    engine = Engine(model, torch.device("cpu"))
    engine.prepare_training(opt.lr, opt.beta1)
    model.nets.double()
    same_everywhere(model.nets)
    with patch("networks.losses.gradient_penalty", lambda *images: gradient_penalty(*images[:3], torch.tensor(0.3))):
        results = [engine.step(own_part(batch), epoch=1, images=0) for batch in batches()]
    means = LossMeans(engine.device)
    for result in results:
        means.add(result)
    drawn = everyone(torch.rand(()).item())
    before = {name: value.clone() for name, value in model.nets.state_dict().items()}
    validation = validate(engine, [own_part(batch) for batch in batches()][:2])
    uneven = validate(engine, [own_part(batches()[0])] if rank() == 0 else [])  # fewer images than processes
    return {"losses": [mean(result.losses) for result in results], "means": means.take(), "weights": before,
            "uneven": uneven, "validation": validation, "nan": nan(engine), "drawn": drawn,
            "measured": measured(engine)}


class HeldOut:
    """Five samples: this process has those that its loader would give it, one a batch."""

    images = fewest = 5
    least_side = 32

    def first(self, count: int) -> Iterator[dict]:
        together = {side: torch.cat([batch[side] for batch in batches()]) for side in "AB"}
        for index in range(rank(), min(count, self.images), world_size()):
            yield {side: images[index:index + 1] for side, images in together.items()} | {
                f"{side}_paths": [f"{index}.png"] for side in "AB"}


def measured(engine: Engine) -> dict:
    """What a validation measures in this process, and the samples that it shows: the mean of each picture by name."""
    chosen = {t.fake: {f"mae_{t.fake}": MaeMetric(Tools())} for t in engine.model.translations}
    found = Validation(engine, HeldOut(), chosen, pairs=True, samples=3, every=1).measure()
    return {"values": found.values, "samples": {name: {label: float(picture.mean()) for label, picture in shown.items()}
                                                for name, shown in found.samples.items()}}


def nan(engine: Engine) -> list[str]:
    """What each process says when a loss of the last one is NaN; and that nobody learned from it."""
    kind = next(engine.model.nets.parameters()).dtype
    batch = {name: image.to(kind) for name, image in own_part(batches()[0]).items()}
    batch["A"] = batch["A"] * (float("nan") if rank() == world_size() - 1 else 1)
    before = {name: value.clone() for name, value in engine.model.nets.named_parameters()}
    try:
        engine.step(batch, epoch=1, images=0).require_finite()
    except NotFinite as error:
        assert all(torch.equal(value, before[name]) for name, value in engine.model.nets.named_parameters())
        return everyone(error.term)
    return []


def compressed(kind: str) -> dict:
    """Weights after six steps with --grad_compress, without and with a refused step before the fifth, and gone on with
    after the fourth; and how many numbers the compression keeps."""
    opt = parse(COMMAND, f"{SMALL} --model pix2pix --norm instance".split())

    def begun() -> Engine:
        torch.manual_seed(opt.seed)
        engine = Engine(models.find(opt.model)(opt), torch.device("cpu"))
        engine.prepare_training(opt.lr, opt.beta1, grad_compress=kind)
        return engine

    def go(engine: Engine, *numbers: int) -> dict:
        for number in numbers:
            batch = {name: image.float() for name, image in own_part(batches()[number % STEPS]).items()}
            engine.step(batch, epoch=1, images=number).require_finite()
        return {name: value.clone() for name, value in engine.model.nets.state_dict().items()}

    with patch("engine.low_rank.EXACT", 2):
        whole = go(begun(), *range(6))
        parts = begun()
        go(parts, *range(4))
        saved = copy.deepcopy(parts.state())
        nan(parts)
        refused = go(parts, 4, 5)
        again = begun()
        again.load_state(saved)
        kept = [tensor for of in saved["exchange"].values() for tensor in of["error_dict"].values()]
        return {"whole": whole, "refused": refused, "gone on": go(again, 4, 5), "kept": sum(map(torch.numel, kept))}


def in_16_bits() -> dict:
    """Batch norm over all processes in bf16: the running variances of a norm, which are counted in 32 bits."""
    opt = parse(COMMAND, f"{SMALL} --model pix2pix --norm syncbatch".split())
    torch.manual_seed(opt.seed)
    engine = Engine(models.find(opt.model)(opt), torch.device("cpu"), "bf16")
    engine.prepare_training(opt.lr, opt.beta1)
    batch = {name: image.float() for name, image in own_part(batches()[0]).items()}
    engine.step(batch, epoch=1, images=0).require_finite()
    return {name: value for name, value in engine.model.nets.state_dict().items() if name.endswith("running_var")}


class Partial(Stopwatch):
    """Finds another layout the faster one in each process, and counts how often it is asked."""

    asked = 0

    def seconds(self, candidate: Candidate, run: Callable[[], object]) -> float:
        self.asked += 1
        return 1e-3 if list(LAYOUTS)[rank()] == candidate.lane[0] else 1e-2


def chosen() -> list[tuple[dict, int]]:
    """Of each process, the layouts that it takes and how often it raced."""
    opt, watch = parse(COMMAND, f"{SMALL} --model cycle_gan".split()), Partial()
    with TemporaryDirectory() as cache, patch("engine.tuning.FEWEST", 0), patch.dict(
            "os.environ", XDG_CACHE_HOME=cache):
        engine = Engine(models.find(opt.model)(opt), torch.device("cpu"), autotune=True)
        engine.tuning.watch = watch
        engine.prepare_training(opt.lr, opt.beta1)
        engine.step({name: image.float() for name, image in own_part(batches()[0]).items()}, epoch=1, images=0)
    laid_out = {name: layout_of(net) for name, net in engine.model.nets.items()}
    return everyone((laid_out, watch.asked))


def layout_of(net: torch.nn.Module) -> str:
    """Of its first weight in which it shows."""
    weight = next(parameter for parameter in net.parameters() if parameter.dim() == 4 and min(parameter.shape[1:]) > 1)
    return "contiguous" if weight.is_contiguous() else "channels_last"


if __name__ == "__main__":
    with joined_processes():
        results = {case: steps(case) for case in CASES}
        weights = gather({case: result["weights"] for case, result in results.items()})
        half = in_16_bits()
        choice = chosen()
        small = everyone({kind: compressed(kind) for kind in ("none", "bf16", "powersgd")})
        if rank() == 0:
            torch.save({"results": results, "weights": weights, "half": half, "compressed": small, "chosen": choice},
                       sys.argv[1])
