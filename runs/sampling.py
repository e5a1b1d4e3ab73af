"""Several translations of each input, as dropout makes them: what the noise decides, shown as a map."""
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from engine.engine import Engine, step_seed
from models.contract import Batch
from pages.pictures import to_pictures
from runs.shown import Sample, samples_of
from util.errors import UserError

BRIGHTER = 16  # gray levels of the map for one level of standard deviation: white stands for 16 of 255 and more


def require_noise(nets: Iterable[nn.Module], count: int, frozen: bool) -> None:
    """UserError when `count` > 1 samples would all be the same: networks without dropout, or with it `frozen`."""
    if count < 2:
        return
    if frozen:
        raise UserError(f"--samples {count} with --eval: all samples would be the same, since --eval switches dropout "
                        "off; leave out one of the two")
    if not any(isinstance(module, _DropoutNd) for net in nets for module in net.modules()):
        raise UserError(f"--samples {count}: all samples would be the same, since the generator has no dropout; leave "
                        "it out, or test a run that was trained with --no_dropout false")


def with_samples(first: list[Sample], batch: Batch, engine: Engine, count: int, seed: int, name: str) -> list[Sample]:
    """The images of a batch, `first`, with `count` - 1 further samples of each translation and their spread.

    fake_B is followed by fake_B_2, fake_B_3, ... and fake_B_std. Their noise is a function of the seed, the sample's
    number and `name`, which the batch has for itself; what is drawn elsewhere stays as it is without them.
    """
    if count < 2:
        return first
    further = [_translate_again(engine, batch, step_seed(seed, "sample", number, name))
               for number in range(2, count + 1)]
    return [_beside_each_other(sample) for sample in zip(first, *further, strict=True)]


def _translate_again(engine: Engine, batch: Batch, seed: int) -> list[Sample]:
    return samples_of(engine.model, batch, engine.translate(batch, seed))


def _beside_each_other(samples: Sequence[Sample]) -> Sample:
    """One sample's images, those of its further samples behind the translations."""
    shown: Sample = {}
    for label, image in samples[0].items():
        shown[label] = image
        if label.startswith("fake"):
            shown |= {f"{label}_{number}": other[label] for number, other in enumerate(samples[1:], start=2)}
            shown[f"{label}_std"] = _map([sample[label] for sample in samples])
    return shown


def _map(images: Sequence[Tensor]) -> Tensor:
    """`spread` of images (C, H, W) as a gray one, (1, H, W) in [-1, 1]. Of many bands, of those shown by default."""
    levels = spread([to_pictures(image[None])[0] for image in images])[:, :, 0]
    return torch.from_numpy(levels).float()[None] / 127.5 - 1


def spread(samples: Sequence[np.ndarray]) -> np.ndarray:
    """How far pictures of one place, uint8 (H, W, 3), differ from each other: a gray map, uint8 (H, W, 3).

    At each pixel the standard deviation over the K samples, in gray levels, times BRIGHTER: the root of
    sum_k (x_k - mean)^2 / (K - 1), averaged over red, green and blue before the root is taken.
    """
    variance = np.var(np.stack(samples).astype(np.float32), axis=0, ddof=1).mean(axis=2, keepdims=True)
    return np.rint(np.minimum(BRIGHTER * np.sqrt(variance), 255)).astype(np.uint8).repeat(3, axis=2)


def describe_samples(count: int) -> dict[str, str]:
    """What a page says of the samples; nothing where there is one of each input."""
    if count < 2:
        return {}
    return {"samples": f"{count} of each input, by dropout; _std is their standard deviation at each pixel, "
                       f"black 0, white {256 // BRIGHTER} or more of 255 gray levels"}
