"""Make pairs of your own download of Cityscapes: photo A, labels B.

    python datasets/prepare_cityscapes.py --gtFine_dir ./gtFine --leftImg8bit_dir ./leftImg8bit

writes train/ and val/ (pairs A|B side by side, for pix2pix) and trainA/, trainB/, valA/, valB/ (for CycleGAN) into
datasets/cityscapes, as PNG, so that the colours of the labels stay exact.
"""
import argparse
import sys
from pathlib import Path

from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from raster.view import read_image
from util.errors import UserError, exit_on

PHASES = ("train", "val")
COLOURS, PHOTO = "_gtFine_color.png", "_leftImg8bit.png"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 when all pairs are written, 2 when photos or labels are missing."""
    parser = argparse.ArgumentParser("prepare_cityscapes.py", description=__doc__.splitlines()[0])
    parser.add_argument("--gtFine_dir", type=Path, required=True, help="the unpacked gtFine_trainvaltest.zip: gtFine/")
    parser.add_argument("--leftImg8bit_dir", type=Path, required=True,
                        help="the unpacked leftImg8bit_trainvaltest.zip: leftImg8bit/")
    parser.add_argument("--output_dir", type=Path, default=Path("datasets/cityscapes"), help="(default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="pixels a side, as in both papers (default: %(default)s)")
    args = parser.parse_args(argv)
    with exit_on(UserError):
        if args.size < 1:
            raise UserError(f"--size {args.size}: expected 1 or more")
        pairs = {phase: find_pairs(args.leftImg8bit_dir, args.gtFine_dir, phase) for phase in PHASES}
        for phase, files in pairs.items():
            for number, (photo, labels) in enumerate(tqdm(files, desc=phase), start=1):
                write_pair(args.output_dir, phase, number, photo, labels, args.size)
        print(f"{args.output_dir}: " + ", ".join(f"{len(files)} pairs in {phase}/" for phase, files in pairs.items()))


def find_pairs(photos: Path, labels: Path, phase: str) -> list[tuple[Path, Path]]:
    """(photo, labels) of each scene of a phase. UserError when there are none, or a photo has no labels."""
    found = sorted((photos / phase).glob(f"*/*{PHOTO}"))
    if not found:
        raise UserError(f"no *{PHOTO} in {photos / phase}/CITY/; expected the folder leftImg8bit of "
                        "leftImg8bit_trainvaltest.zip")
    pairs = [(photo, labels / phase / photo.parent.name / photo.name.replace(PHOTO, COLOURS)) for photo in found]
    missing = [coloured for _, coloured in pairs if not coloured.is_file()]
    if missing:
        raise UserError(f"{len(missing)} of {len(pairs)} photos have no labels, such as {missing[0]}; expected the "
                        "folder gtFine of gtFine_trainvaltest.zip")
    return pairs


def write_pair(out: Path, phase: str, number: int, photo: Path, labels: Path, size: int) -> None:
    """The pair in one file, and each side by itself. Labels are scaled without mixing their colours."""
    sides = {"A": read_image(photo, 3).resize((size, size), Image.Resampling.BICUBIC),
             "B": read_image(labels, 3).resize((size, size), Image.Resampling.NEAREST)}
    pair = Image.new("RGB", (2 * size, size))
    for place, (side, image) in enumerate(sides.items()):
        pair.paste(image, (place * size, 0))
        save(image, out / f"{phase}{side}" / f"{number}.png")
    save(pair, out / phase / f"{number}.png")


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


if __name__ == "__main__":
    main()
