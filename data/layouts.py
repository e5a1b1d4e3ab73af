"""Whether the images of a test lie as they should."""
from pathlib import Path

from data.base_dataset import BaseDataset
from data.folders import PHASES, list_images
from data.shard_images import pairs_in_shards
from data.transforms import Preprocess
from options.schema import Options
from raster.reading import read_header
from shards.names import all_shards, is_pattern, set_of
from util.errors import UserError

LOOKED_AT = 32  # images whose sizes are read


def finds_images(kind: type[BaseDataset], opt: Options) -> bool:
    """Whether this dataset finds its images where the options say."""
    try:
        kind(opt, Preprocess(opt, augment=False))
    except UserError:
        return False
    return True


def doubt_one_pile(root: Path, phase: str) -> str:
    """Why `root`, a folder or an image, is probably not meant as one pile of images; '' when nothing speaks against it.
    """
    parts = [root / f"{name}{side}" for name in dict.fromkeys((phase, *PHASES)) for side in ("", "A", "B")]
    parts = [folder for folder in (*parts, root / "A", root / "B") if list_images(folder, 1)]
    if parts:
        named = ", ".join(f"{folder.name}/" for folder in parts)
        one = next((folder for folder in parts if folder.name.endswith("A")), parts[0])
        return f"--dataroot {root} looks like a dataset with parts: {named}. For one of them give --dataroot {one}"
    pattern = is_pattern(str(root))
    images = [root] if root.is_file() and not pattern else list_images(root, LOOKED_AT)
    if not images and (shards := all_shards(str(root))):
        sets = sorted({set_of(shard) for shard in shards})
        if len(sets) > 1 and not pattern:
            return (f"--dataroot {root} holds several sets of shards: {', '.join(sets)}. For one of them give "
                    f"--dataroot '{root}/{sets[0]}-*.tar'")
        found = pairs_in_shards(shards, LOOKED_AT)
        if found.B is not None:
            return (f"The images in --dataroot {root} are the two sides of pairs, KEY.a.png and KEY.b.png, such as "
                    f"{found.A[0]}")
        images = list(found.A)
    sizes = [size for size in map(_size, images) if size]
    if sizes and all(width == 2 * height for width, height in sizes):
        return (f"The images in --dataroot {root} are twice as wide as high, such as {images[0].name}: they look like "
                "pairs A|B side by side, which would be squeezed into one picture")
    return ""


def require_one_pile(root: Path, phase: str, trained_with: str | None) -> None:
    """UserError when `root`, given to --model test, is probably not meant as one pile of images.

    trained_with: the model of the run, where that is known.
    """
    doubt = doubt_one_pile(root, phase)
    if doubt:
        way = f"The run was trained with --model {trained_with}: leave out --model to test it so. " * bool(trained_with)
        raise UserError(f"--model test translates one pile of images. {doubt}.\n{way}To translate every image in that "
                        "folder as it is, give --dataset_mode single")


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return read_header(path).size
    except UserError:  # the loader will say so
        return None
