"""The pictures of a study: where they lie, and how real and fake ones are prepared alike."""
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data.folders import IMAGE_ENDINGS, describe_tree, list_images
from pages.results_folder import read_results
from raster.reading import read_header
from raster.view import read_image
from util.errors import UserError
from util.names import without_ending


@dataclass(frozen=True)
class Picture:
    """name: the file below its folder, as the answers tell it; input: what the picture shows, so that two pictures of
    one input are known."""

    path: Path
    name: str
    input: str


def is_results(folder: Path) -> bool:
    """Whether test.py wrote the folder."""
    return (folder / "names.json").is_file()


def as_results(folder: Path) -> Path:
    """The results folder whose pictures lie in `folder`, else `folder`."""
    return folder.parent if folder.name == "images" and is_results(folder.parent) else folder


def find_pictures(folder: Path, label: str) -> list[Picture]:
    """The pictures called `label`, such as fake_B, of a results folder; all images of another folder.

    UserError, naming the folder, when there are none.
    """
    folder = as_results(folder)
    if is_results(folder):
        return _labelled(folder, label)
    paths = list_images(folder)
    if not paths:
        found = f"found:\n{describe_tree(folder)}" if folder.exists() else "it does not exist"
        raise UserError(f"no images in {folder}; {found}\nexpected: a folder of images ({' '.join(IMAGE_ENDINGS)}), or "
                        "one that test.py wrote, such as results/NAME/test_latest")
    names = [path.relative_to(folder) for path in paths]
    return [Picture(path, name.as_posix(), without_ending(name).as_posix())
            for path, name in zip(paths, names, strict=True)]


def _labelled(folder: Path, label: str) -> list[Picture]:
    shown = read_results(folder)
    if label not in shown.labels or not shown.names:
        raise UserError(f"{folder} holds no {label}, only {', '.join(shown.labels) or 'no pictures'}; give a folder of "
                        "images instead, or another --translation")
    files = [(f"{name}_{label}.png", name) for name in shown.names]
    return [Picture(folder / "images" / file, file, name) for file, name in files]


def prepare(path: Path, size: int) -> bytes:
    """The image as lossless WebP of size x size pixels. BadImage, naming the file, when it cannot be read.

    Real and fake pictures go the same way: read alike, stretched to the square by the same filter, encoded alike.
    """
    image = read_image(path, channels=3).resize((size, size), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def giveaways(reals: Iterable[Picture], fakes: Iterable[Picture]) -> list[str]:
    """In what the files of real and fake pictures differ, so that people might tell them apart by it."""
    kinds = [_kinds(pictures) for pictures in (reals, fakes)]
    return [f"{what} ({_some(real)} and {_some(fake)})"
            for what, real, fake in zip(("format", "size"), *kinds, strict=True) if real != fake]


def _kinds(pictures: Iterable[Picture]) -> tuple[set[str], set[str]]:
    """The formats and the sizes of their files."""
    formats, sizes = set(), set()
    for picture in pictures:
        header = read_header(picture.path)
        formats.add(header.origin.format)
        sizes.add("{}x{}".format(*header.size))
    return formats, sizes


def _some(words: set[str]) -> str:
    first = sorted(words)[:3]
    return ", ".join(first) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
