"""A picture of any size through a generator, tile by tile, in bounded memory."""
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tiles.box import Box, Read, Write
from tiles.estimates import translate_locally, translate_with_thumbnail
from tiles.exact import Translation
from tiles.plan import Plan, in_bytes
from tiles.standing import ENDING, Standing, fingerprint, forget
from tiles.unfolding import unfold
from util.errors import MachineError

__all__ = ["Box", "translate_tiled"]


@torch.no_grad()
def translate_tiled(net: nn.Module, size: tuple[int, int], read: Read, write: Write, plan: Plan, scratch: Path,
                    progress: Callable[[int, int], None], *, seed: int = 0, source: str = "",
                    finish: Callable[[], None] = lambda: None) -> None:
    """Translate a picture of (height, width), which the network must be able to take.

    read: the part of the picture in a box, float32 (1, C, h, w) in [-1, 1] on the network's device. write: is given a
    part of the result likewise, each pixel once, or again after a kill. plan: of tiles.plan.make_plan, for this net in
    the mode that it is in. progress: is told how much of the arithmetic is done, and how much it is in all.
    scratch: a folder for what is kept meanwhile, empty in the end. Begun again in it with the same network, plan, seed
    and `source`, which tells pictures apart, the translation goes on where it stood, unless the machine was started
    anew since; what was written must be there still.
    finish: called when all is written, and before it is forgotten where the translation stands.
    seed: of the noise of dropout, for nets in training mode.
    MachineError when there is too little room in the folder; OSError, with the path, when a file cannot be written.
    """
    assert plan.size == size
    _require_room(scratch, plan.scratch)
    standing = Standing.of(scratch, fingerprint(net, plan, seed, source))
    if plan.norm == "local":
        translate_locally(net, read, write, plan, scratch, standing, progress, seed)
    elif plan.thumbnail:
        translate_with_thumbnail(net, read, write, plan, scratch, standing, progress, seed)
    else:
        graph, device = unfold(net, size, seed), next(net.parameters()).device
        Translation(graph, plan, device, scratch).run(read, write, standing, progress)
    finish()
    forget(scratch)


def _require_room(folder: Path, needed: int) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free + sum(path.stat().st_size for path in folder.glob(f"*{ENDING}"))
    if free < needed:
        raise MachineError(f"the translation keeps {in_bytes(needed)} in {folder}, and {in_bytes(free)} are free "
                           "there; make room, or give --tile_norm thumbnail, which needs less")
