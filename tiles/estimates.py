"""What others do with pictures larger than memory: the statistics of norms are those of something smaller."""
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.layers import same_statistics
from tiles.box import Read, Write, box_of
from tiles.exact import Translation
from tiles.nodes import Region
from tiles.plan import Plan, window
from tiles.schedule import tiles_along, tiles_of
from tiles.standing import Course, Standing
from tiles.unfolding import unfold


def translate_with_thumbnail(net: nn.Module, read: Read, write: Write, plan: Plan, folder: Path, standing: Standing,
                             progress: Callable[[int, int], None], seed: int) -> None:
    """Every norm uses the statistics that it has for a small copy of the picture.

    Chen et al. 2022, "Towards Ultra-Resolution Neural Style Transfer via Thumbnail Instance Normalization".
    """
    assert plan.thumbnail
    device = next(net.parameters()).device
    if not standing.statistics:
        copy = reduced(read, plan.size, plan.thumbnail.size, plan.tile)
        looking = Translation(unfold(net, plan.thumbnail.size, seed), plan.thumbnail, device, folder)
        looking.run(lambda box: copy[:, :, box.top:box.top + box.height, box.left:box.left + box.width],
                    lambda box, values: None, Standing(""), lambda done, whole: None)
        standing.statistics = {name: known.state() for name, known in looking.statistics.items()}
    Translation(unfold(net, plan.size, seed), plan, device, folder, standing.statistics).run(
        read, write, standing, progress)


def reduced(read: Read, size: tuple[int, int], small: tuple[int, int], tile: int) -> Tensor:
    """A picture of (height, width) as one of `small`, each pixel the mean of those that it stands for.

    Read in boxes of about `tile` x `tile` pixels.
    """
    steps = [max(1, tile * to // whole) for whole, to in zip(size, small, strict=True)]
    rows = []
    for top, bottom in tiles_along(small[0], steps[0]):
        parts = []
        for left, right in tiles_along(small[1], steps[1]):
            box = box_of(((top * size[0] // small[0], bottom * size[0] // small[0]),
                          (left * size[1] // small[1], right * size[1] // small[1])))
            parts.append(F.interpolate(read(box), (bottom - top, right - left), mode="area"))
        rows.append(torch.cat(parts, 3))
    return torch.cat(rows, 2)


def translate_locally(net: nn.Module, read: Read, write: Write, plan: Plan, folder: Path, standing: Standing,
                      progress: Callable[[int, int], None], seed: int) -> None:
    """Every tile is translated by itself, with a halo around it: norms use the statistics of the tile."""
    device = next(net.parameters()).device
    course = Course(folder, standing, [plan.flops], progress, lambda number: ({}, []))
    with same_statistics(net), torch.random.fork_rng([device] if device.type == "cuda" else []):
        for tile in course.tiles(0, tiles_of(plan.size, plan.shapes[0])):
            (top, bottom), (left, right) = tile
            around: Region = window(tile[0], plan.size[0], plan.halo), window(tile[1], plan.size[1], plan.halo)
            torch.manual_seed(hash((seed, top, left)))
            made = net(read(box_of(around)))
            write(box_of(tile), made[:, :, top - around[0][0]:bottom - around[0][0],
                                     left - around[1][0]:right - around[1][0]].float())
