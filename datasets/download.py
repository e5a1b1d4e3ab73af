"""Bring a published dataset or a released generator here: python datasets/download.py horse2zebra

Without a name it lists all of them. An archive that lies in the folder already is unpacked, not downloaded again.
"""
import argparse
import gzip
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.download import Unreachable, fetch
from util.errors import UserError, exit_on

HERE = Path(__file__).resolve().parent
SERVER = "http://efrosgans.eecs.berkeley.edu"


@dataclass(frozen=True)
class Collection:
    """Files of one kind. place: on the server; ending: of a file; about: in a line; models: generators, not images."""

    place: str
    ending: str
    about: str
    names: tuple[str, ...]
    models: bool = False


COLLECTIONS = {
    "cyclegan": Collection(
        "cyclegan/datasets", ".zip", "two piles of images, for --model cycle_gan",
        ("ae_photos", "apple2orange", "cezanne2photo", "facades", "horse2zebra", "iphone2dslr_flower", "maps",
         "monet2photo", "summer2winter_yosemite", "ukiyoe2photo", "vangogh2photo")),
    "pix2pix": Collection(
        "pix2pix/datasets", ".tar.gz", "pairs, for --model pix2pix",
        ("edges2handbags", "edges2shoes", "facades", "maps", "night2day")),
    "cyclegan-models": Collection(
        "cyclegan/pretrained_models", ".pth", "generators, for test.py --model test --no_dropout",
        ("apple2orange", "cityscapes_label2photo", "cityscapes_photo2label", "facades_label2photo",
         "facades_photo2label", "horse2zebra", "iphone2dslr_flower", "map2sat", "monet2photo", "orange2apple",
         "sat2map", "style_cezanne", "style_monet", "style_ukiyoe", "style_vangogh", "summer2winter_yosemite",
         "winter2summer_yosemite", "zebra2horse"), models=True),
    "pix2pix-models": Collection(
        "pix2pix/models-pytorch", ".pth", "generators, for test.py --model test --netG unet_256",
        ("day2night", "edges2shoes", "facades_label2photo", "map2sat", "sat2map"), models=True),
}
CITYSCAPES = ("Cityscapes may not be passed on: register at https://www.cityscapes-dataset.com, download "
              "gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip, unpack both, and run "
              "python datasets/prepare_cityscapes.py")


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 when it is there, 2 for a wrong name or an unfit archive, 1 when the server is down."""
    parser = argparse.ArgumentParser("download.py", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="what to bring, such as horse2zebra or pix2pix/maps; left out: a list")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of datasets (default: %(default)s)")
    parser.add_argument("--checkpoints_dir", type=Path, default=Path("checkpoints"),
                        help="folder of runs, for released generators (default: ./%(default)s)")
    parser.add_argument("--server", default=SERVER, help="a mirror with the same folders (default: %(default)s)")
    args = parser.parse_args(argv)
    with exit_on(UserError):
        if args.name is None:
            print(listing())
            return
        kind, name = choose(args.name)
        collection = COLLECTIONS[kind]
        url = f"{args.server.rstrip('/')}/{collection.place}/{name}{collection.ending}"
        print(bring_model(url, args.checkpoints_dir / f"{name}_pretrained") if collection.models
              else bring_dataset(url, args.out, name))


def listing() -> str:
    """Everything that can be brought."""
    return "\n".join(f"{kind}: {collection.about}\n  {'  '.join(collection.names)}"
                     for kind, collection in COLLECTIONS.items()) + f"\n\n{CITYSCAPES}"


def choose(asked: str) -> tuple[str, str]:
    """The collection and the name in it. UserError when there is none, or several of that name."""
    kind, _, name = asked.rpartition("/")
    if name == "cityscapes":
        raise UserError(CITYSCAPES)
    found = [(own, name) for own, collection in COLLECTIONS.items() if name in collection.names and kind in ("", own)]
    sets = [pair for pair in found if not COLLECTIONS[pair[0]].models]
    if len(found) == 1 or len(sets) == 1:  # a bare name means the images
        return (sets or found)[0]
    if found:
        raise UserError(f"{asked} is the name of several: {', '.join('/'.join(pair) for pair in found)}; give one of "
                        "these")
    raise UserError(f"{asked!r} is not known. Known:\n{listing()}")


def bring_dataset(url: str, out: Path, name: str) -> str:
    """The images of `url` in out/name; says what was done. UserError when that folder is there or the archive bad."""
    target, archive = out / name, out / url.rpartition("/")[2]
    if target.exists():
        raise UserError(f"{target} is there already; move it away, or give another --out")
    if not archive.exists():
        download(url, archive)
    unpacked = out / f".{name}.unpacking"
    shutil.rmtree(unpacked, ignore_errors=True)  # what a killed command left
    try:
        unpack(archive, unpacked)
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise
    inner = unpacked / name
    (inner if inner.is_dir() else unpacked).rename(target)
    shutil.rmtree(unpacked, ignore_errors=True)
    archive.unlink()
    return f"{target}: {sum(path.is_file() for path in target.rglob('*'))} files"


def bring_model(url: str, folder: Path) -> str:
    """The generator of `url` as a run's latest; says how to use it. UserError when the run is there."""
    target = folder / "latest_net_G.pth"
    if target.exists():
        raise UserError(f"{target} is there already; move it away, or give another --checkpoints_dir")
    download(url, target)
    return f"{target}: python test.py --model test --name {folder.name} --dataroot FOLDER"


def download(url: str, path: Path) -> None:
    """Bring a file, with a bar. UserError, which says what to do, when the server does not give it."""
    with tqdm(unit="B", unit_scale=True, desc=path.name) as bar:
        def told(done: int, size: int | None) -> None:
            bar.total = size
            bar.update(done - bar.n)
        try:
            fetch(url, path, told)
        except Unreachable as error:
            raise Unreachable(
                f"{error}. Run the same command later: it goes on from what has come. Or get {path.name} elsewhere "
                f"(search for mirrors by its name; --server takes one with the same folders), put it to {path}, and "
                "run the command again") from None


def unpack(archive: Path, into: Path) -> None:
    """All files of a zip or tar archive. UserError when it is damaged, or would write beside the folder."""
    into.mkdir(parents=True)
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                _refuse_escapes(archive, zipped.namelist())
                zipped.extractall(into)  # checks the sum of each file
        else:
            with gzip.open(archive) as packed:
                while packed.read(1 << 20):  # to its end, where the checksum is: tarfile does not look at it
                    pass
            with tarfile.open(archive) as tarred:
                tarred.extractall(into, filter="data")
    except tarfile.FilterError as error:
        raise UserError(f"{archive} would write outside of its folder ({error}): it is not what was published; delete "
                        "it") from None
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(f"{archive} is damaged ({error}); delete it and run the command again") from None


def _refuse_escapes(archive: Path, names: Iterable[str]) -> None:
    for name in names:
        path = Path(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{archive} would write outside of its folder ({name}): it is not what was published; "
                            "delete it")


if __name__ == "__main__":
    main()
