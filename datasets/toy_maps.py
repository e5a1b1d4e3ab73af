"""The built-in toy set: small towns seen twice, as an aerial photo (A) and as a street map (B).

    python datasets/toy_maps.py                     # 200 + 40 towns of 256x256 in datasets/toy_maps
    python datasets/toy_maps.py --size 64 --out /tmp/toy64
    python datasets/toy_maps.py --bits 16 --bands 2 --out /tmp/toy_deep     # or --float
    python datasets/toy_maps.py --giant 16384 --out /tmp/giant.tif

The folder: train/ and test/ hold pairs A|B; trainA/, trainB/, testA/, testB/ hold photos of the odd towns and maps of
the even ones; classes/ holds the class of each pixel; palette.txt the name of each class and its colour on the map, as
`evaluate.py --palette` reads them; toy_maps.json the settings.
With --bits 16, --float or --bands pictures are TIFF files, and pairs lie in train/A and train/B: the same towns, whose
values, rounded to 8 bits, are those of the plain set. --bits 16: 0..65535. --float: floating point, 0..1. --bands N:
the photo has N bands instead of red, green and blue: near infrared, red, green, blue, and from the fifth on ones that
show each class in a level of its own; the map keeps its three channels.
--giant SIDE writes one photo instead of a set, of many towns side by side, as a tiled BigTIFF, in little memory.
Every town is planned once (toy_town.py) and drawn twice (toy_pictures.py). The plain set needs numpy and pillow only,
the others tifffile too.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from toy_deep import draw_scene, stored
from toy_giant import BLOCK, InTheWay, giant, layout
from toy_pictures import MAP_COLOURS, SPLITS, draw_town
from toy_town import CLASSES

VERSION = 3  # raise it when the content changes, so that old folders are drawn anew
MADE_BY, SETTINGS, PALETTE = "datasets/toy_maps.py", "toy_maps.json", "palette.txt"


Picture = Image.Image | np.ndarray


class Refused(Exception):
    """The folder is not ours to write into; the message says what to do."""


def file_names(split: str, number: int, kind: str | None) -> tuple[str, ...]:
    """The files of one town: the pair, its classes, and its half of the unaligned set (odd: photo, even: map).

    kind: of the values of a deep set, None for the plain one. There the two sides of the pair are files of their own.
    """
    half = "A" if number % 2 else "B"
    classes = f"classes/{split}/{number:04d}.png"
    if kind is None:
        return f"{split}/{number:04d}.png", classes, f"{split}{half}/{number:04d}.png"
    name = f"{number:04d}.tif"
    return f"{split}/A/{name}", f"{split}/B/{name}", classes, f"{split}{half}/{name}"


def write_town(out: Path, split: str, number: int, settings: dict) -> None:
    """The files of one town in the folder `out`: those of `file_names`, with the values that the settings say."""
    seed, size, kind = settings["seed"], settings["size"], settings.get("values")
    pictures: list[Picture]
    if kind is None:
        photo, street_map, classes = draw_town(seed, split, number, size)
        pair = Image.new("RGB", (2 * size, size))
        pair.paste(photo, (0, 0))
        pair.paste(street_map, (size, 0))
        pictures = [pair, classes, photo if number % 2 else street_map]
    else:
        scene = draw_scene(seed, split, number, size, settings["bands"])
        A, B = stored(scene.photo, kind), stored(scene.street_map, kind)
        pictures = [A, B, scene.classes, A if number % 2 else B]
    for picture, name in zip(pictures, file_names(split, number, kind), strict=True):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        save(picture, out / name)


def save(picture: Picture, path: Path) -> None:
    if isinstance(picture, Image.Image):
        picture.save(path)
        return
    from tifffile import imwrite  # the plain set does without

    shape, how = layout(*picture.shape)
    imwrite(path, picture.reshape(shape), metadata=None, **how)


def write_palette(path: Path) -> None:
    """A line `name R G B` for each class."""
    lines = (" ".join(map(str, (name, *rgb))) for name, rgb in zip(CLASSES, MAP_COLOURS, strict=True))
    path.write_text("\n".join(lines) + "\n")


def all_files(settings: dict) -> set[str]:
    """What these settings write, of a folder of an earlier version too."""
    palette = {PALETTE} if settings["version"] >= 3 else set()
    return palette | {name for split in SPLITS for number in range(1, settings[f"n_{split}"] + 1)
                      for name in file_names(split, number, settings.get("values"))}


def read_settings(out: Path) -> dict | None:
    """The settings that a folder was made with; None for a new or empty one."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        found = json.loads((out / SETTINGS).read_text())
        if found["made_by"] == MADE_BY and all_files(found):
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise Refused(f"{out} holds something, but no {SETTINGS} by this script: it may be yours. "
                  "Give a new or empty folder: --out FOLDER")


def write_settings(out: Path, settings: dict) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")


def make(out: Path, settings: dict) -> bool:
    """Fill the folder; False where it already holds just this set. Deletes only what earlier settings wrote."""
    old, wanted = read_settings(out), all_files(settings)
    there = {name for name in wanted if (out / name).exists()}
    if old == {**settings, "complete": True} and there == wanted:
        return False
    written = all_files(old) if old else set()
    if there - written:
        raise Refused(f"{out / min(there - written)} is in the way and not from this script. "
                      "Move it, or give another folder: --out FOLDER")
    for name in written - wanted:
        (out / name).unlink(missing_ok=True)
    write_settings(out, {**settings, "complete": False})  # first, so that an interrupted run can be taken up
    for split in SPLITS:
        for number in range(1, settings[f"n_{split}"] + 1):
            write_town(out, split, number, settings)
    write_palette(out / PALETTE)
    write_settings(out, {**settings, "complete": True})
    return True


def parse(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The flags, checked; a wrong one ends the process with exit code 2."""
    parser = argparse.ArgumentParser(description="Draw the built-in toy set: aerial photos (A) and street maps (B).",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here / "toy_maps", help="folder; with --giant the file")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of one picture, 32 or more")
    parser.add_argument("--n_train", type=int, default=200, help="training towns, 2 or more")
    parser.add_argument("--n_test", type=int, default=40, help="held-out towns, 2 or more")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other towns; 0 or more")
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="of a value; 16: TIFF files")
    parser.add_argument("--float", action="store_true", help="floating point values in 0..1, in TIFF files")
    parser.add_argument("--bands", type=int, default=0, help="bands of a photo: near infrared, red, green, blue, ...; "
                        "0: red, green, blue")
    parser.add_argument("--giant", type=int, default=0, metavar="SIDE", help="write one photo of SIDE x SIDE pixels "
                        "instead, a multiple of --size; 0: the set")
    args = parser.parse_args(argv)
    for flag, least in (("size", 32), ("n_train", 2), ("n_test", 2), ("seed", 0), ("bands", 0), ("giant", 0)):
        if getattr(args, flag) < least:
            parser.error(f"--{flag} is {getattr(args, flag)}, expected {least} or more. Type for example: "
                         f"--{flag} {parser.get_default(flag)}")
    if args.float and args.bits == 16:
        parser.error("--float and --bits 16 are two types of values; leave out one of them")
    if args.giant and (args.giant % args.size or args.size % BLOCK):
        parser.error(f"--giant {args.giant} is made of towns of --size {args.size}: expected a multiple of that, which "
                     f"is a multiple of {BLOCK}. Type for example: --giant 1024 --size 256")
    if args.giant and args.out == parser.get_default("out"):
        args.out = here / "toy_giant.tif"
    return parser, args


def main(argv: list[str] | None = None) -> int:
    """The command. Exit code 0 when the set is there, 1 when it cannot be written, 2 for wrong flags or folders."""
    parser, args = parse(argv)
    settings = {"made_by": MADE_BY, "version": VERSION, "size": args.size, "n_train": args.n_train,
                "n_test": args.n_test, "seed": args.seed, "classes": list(CLASSES),
                "class_colours": [list(rgb) for rgb in MAP_COLOURS]}
    kind = "float32" if args.float else f"uint{args.bits}"
    if kind != "uint8" or args.bands:
        settings |= {"values": kind, "bands": args.bands}
    try:
        drawn = (giant(args.out, args.giant, args.size, args.seed, args.bands, kind) if args.giant else
                 make(args.out, settings))
    except (Refused, InTheWay) as refusal:
        parser.error(str(refusal))
    except OSError as error:
        print(f"{Path(sys.argv[0]).name}: could not write the set: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command starts over", file=sys.stderr)
        return 130
    towns = (f"a photo of {args.giant}x{args.giant}" if args.giant else
             f"{args.n_train} + {args.n_test} towns of {args.size}x{args.size}")
    print(f"{args.out}: {towns} {'written' if drawn else 'already there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
