"""What can be known of the images before the first step: are they large enough, and of which sizes will they be?"""
from data.base_dataset import BaseDataset
from util.errors import UserError


def check_sizes(dataset: BaseDataset, batch_size: int) -> list[str]:
    """Notices about sizes that will be adjusted to the network; at most one.

    Raises UserError, naming files, when images are smaller than the crop or cannot share a batch.
    Only file headers are read, and none where the preprocessing makes one size of everything.
    """
    preprocess = dataset.preprocess
    if preprocess.scales_and_crops:
        sizes = {(preprocess.load_size, preprocess.load_size): dataset.root}
    else:
        by_file = [(dataset.file_size(path), path) for path in dataset.files()]
        _refuse_small([(size, path) for size, path in by_file
                       if preprocess.mode == "crop" and min(size) < preprocess.crop_size], preprocess.crop_size)
        sizes = dict(by_file)
    outcomes = {preprocess.fitted(size): path for size, path in sizes.items()}
    if len(outcomes) > 1 and batch_size > 1:
        found = ", ".join(f"{w}x{h} ({path})" for (w, h), path in list(outcomes.items())[:4])
        raise UserError(f"--batch_size {batch_size} needs images of one size, found {found}; "
                        "give --batch_size 1, or a --preprocess that crops")
    for size in sizes:
        before, after = preprocess.cropped(size), preprocess.fitted(size)
        if before != after:
            return [f"note: images are resized to what the networks accept (multiples of {preprocess.size_multiple}, at "
                    f"least {preprocess.min_size} pixels), for example {before[0]}x{before[1]} to {after[0]}x{after[1]}"]
    return []


def _refuse_small(small: list, crop_size: int) -> None:
    if small:
        shown = "\n".join(f"  {path}  {width}x{height}" for (width, height), path in small[:10])
        more = f"\n  ... and {len(small) - 10} more" if len(small) > 10 else ""
        raise UserError(f"{len(small)} images are smaller than --crop_size {crop_size}:\n{shown}{more}\n"
                        f"give --crop_size {min(min(size) for size, _ in small)} or --preprocess resize_and_crop")
