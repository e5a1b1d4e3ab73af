"""Whether an image file is there as a whole, found out without decoding it where its format allows."""
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from data.readers import open_image, upright_size
from data.transforms import Size

TAIL = 4096  # bytes; cameras and editors may append something to the image


def inspect_image(path: Path) -> Size:
    """(width, height) in pixels, upright, of a file that holds a whole image.

    Reads its header and looks for the end that the format prescribes; decodes it only where that decides nothing.
    Raises BadImage.
    """
    with open_image(path) as image:
        size = upright_size(image)  # before it is decoded, which turns some formats
        if not ENDS.get(image.format, _no_end)(path, image):
            image.load()
        return size


def _tail(path: Path, begin: int = 0) -> bytes:
    """The last TAIL bytes of the file, but nothing before `begin`."""
    with path.open("rb") as file:
        file.seek(max(begin, path.stat().st_size - TAIL))
        return file.read()


def _jpeg_end(path: Path, image: Image.Image) -> bool:
    return b"\xff\xd9" in _tail(path, image.fp.tell())  # the header before may hold a thumbnail, which ends alike


def _png_end(path: Path, image: Image.Image) -> bool:
    return b"IEND\xaeB`\x82" in _tail(path)


def _webp_end(path: Path, image: Image.Image) -> bool:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8)[4:], "little") + 8 <= path.stat().st_size


def _tiff_end(path: Path, image: Image.Image) -> bool:
    if image.tag_v2.get(259) == 7:  # JPEG: its tables lie elsewhere
        return False
    strips, tiles = (273, 279), (324, 325)  # where each begins, and its bytes
    for begins, counts in ((image.tag_v2.get(begin), image.tag_v2.get(count)) for begin, count in (strips, tiles)):
        if isinstance(begins, tuple) and isinstance(counts, tuple):
            return max(map(sum, zip(begins, counts, strict=False))) <= path.stat().st_size and min(counts) > 0
    return False


def _no_end(path: Path, image: Image.Image) -> bool:
    return False


ENDS: dict[str | None, Callable[[Path, Image.Image], bool]] = {
    "JPEG": _jpeg_end, "PNG": _png_end, "WEBP": _webp_end, "TIFF": _tiff_end}
