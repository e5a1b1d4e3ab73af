"""What Pillow reads: JPEG, PNG, WebP, AVIF, GIF, BMP, PPM and more; colour of 16 bits with the help of others."""
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from raster.bad_image import MAX_PIXELS, naming, require_file, require_pixels
from raster.picture import Header, Origin, Picture, Size
from raster.turning import lies, turned
from shards.member import open_file, read_bytes, source

MODES = {1: "L", 3: "RGB"}
# What Pillow raises for damaged files: RuntimeError of AVIF and of codecs, TypeError of a TIFF without dimensions.
PILLOW_ERRORS = (OSError, ValueError, SyntaxError, RuntimeError, TypeError, EOFError, struct.error)
Image.MAX_IMAGE_PIXELS = None  # open_image has a limit of its own, which --max_pixels raises


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What the file says of its picture; what lies behind the header is not read. Raises BadImage."""
    with open_image(path, max_pixels, page) as image:
        return header_of(image)


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """The picture with all its channels: gray, gray and alpha, RGB or RGBA. Raises BadImage."""
    with open_image(path, max_pixels, page) as image:
        origin = _origin(image, _mode(image)[-1] == "A")
        if beyond_pillow(image):
            return Picture(np.ascontiguousarray(turned(_deep_values(path, image), _orientation(image))), origin)
        return Picture(plain_values(image), origin)


def values_of(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Iterator[np.ndarray]:
    """All values, in arrays of any shape; here a single one."""
    yield read_picture(path, page, max_pixels).values


def header_of(image: ImageFile.ImageFile) -> Header:
    """What an open file says, before it is decoded, which turns some formats."""
    mode = _mode(image)
    return Header(upright_size(image), len(mode), _dtype(image), count_pages(image), _origin(image, mode[-1] == "A"))


def plain_values(image: Image.Image) -> np.ndarray:
    """The values of an open image, upright, (H, W, C): palettes, CMYK and the like as gray, RGB or RGBA."""
    image = ImageOps.exif_transpose(image)
    values = np.array(image if _dtype(image) != np.uint8 else image.convert(_mode(image)))
    values = values.astype(_dtype(image), copy=False)  # of files from machines of the other kind
    return values.reshape(image.height, image.width, -1)


def upright(image: Image.Image, channels: int) -> Image.Image:
    """A new image: that of an open file, of 8 bits, as gray (channels=1) or RGB (3), upright by its EXIF orientation.

    Transparent pixels are laid over white; palettes, CMYK and gray are converted.
    """
    found = turned_upright(image, channels)
    return found.copy() if found is image else found


def turned_upright(image: Image.Image, channels: int) -> Image.Image:
    """As `upright`, without a copy where it can be done without: the image is changed and may be the result itself."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == MODES[channels] else image.convert(MODES[channels])


def upright_size(image: Image.Image) -> Size:
    """(width, height) in pixels after turning upright, from what has been read of the file so far."""
    # Newer versions of Pillow turn the size of a TIFF themselves, older ones do not: ask the file.
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    stored = (tags[256], tags[257]) if tags else image.size
    return stored[::-1] if lies(_orientation(image)) else stored


def count_pages(image: Image.Image) -> int:
    """How many pages or frames an open file has; what a phone keeps beside a photo (MPO) does not count."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def beyond_pillow(image: ImageFile.ImageFile) -> bool:
    """Whether the file has 16 bits a channel and Pillow would read the upper 8 alone, or scale what it reads."""
    if not image.tile:  # what is left to decode
        return False
    if image.format == "PNG":
        return image.mode in ("RGB", "RGBA", "LA") and ";16" in str(image.tile[0][3])
    return image.format == "PPM" and _largest_of_ppm(image.tile[0]) > 255


@contextmanager
def open_image(path: Path, max_pixels: float = MAX_PIXELS, page: int = 1) -> Iterator[ImageFile.ImageFile]:
    """The file with the header of that page or frame read. Raises BadImage, also for what is found while it is open."""
    with naming(path, *PILLOW_ERRORS):
        require_file(path)
        try:
            image = Image.open(source(path))
        except UnidentifiedImageError:
            raise ValueError("it is no image, or its header is damaged") from None
        with image:
            require_pixels(image.size, 1, max_pixels)
            if page > 1:
                seek(image, page)
                require_pixels(image.size, 1, max_pixels)
            yield image


def seek(image: ImageFile.ImageFile, page: int) -> None:
    """Open that page or frame, from 1. ValueError when there are fewer."""
    if page > count_pages(image):
        raise ValueError(f"it has {count_pages(image)} pages or frames, page {page} was asked for")
    image.seek(page - 1)


def _mode(image: Image.Image) -> str:
    """What the picture's channels are: L, LA, RGB or RGBA."""
    if isinstance(image, ImageFile.ImageFile) and image.tile and image.tile[0][3] == "LA;16B":
        return "LA"  # which Pillow makes RGBA
    gray = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    alpha = image.mode[-1] in "Aa" or (image.has_transparency_data and (_dtype(image) == np.uint8 or not gray))
    return ("L" if gray else "RGB") + "A" * alpha


def _dtype(image: Image.Image) -> np.dtype:
    if image.mode.startswith("I;16"):
        return np.dtype(np.uint16)
    if isinstance(image, ImageFile.ImageFile) and beyond_pillow(image):
        return np.dtype(np.uint16)
    return np.dtype({"I": np.int32, "F": np.float32}.get(image.mode, np.uint8))


def _orientation(image: Image.Image) -> int:
    return Image.Image.getexif(image).get(0x0112, 1)  # that of PNG images would decode them first


def _origin(image: Image.Image, alpha: bool) -> Origin:
    return Origin(str(image.format), resolution(image), alpha=alpha)


def resolution(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch across and down of an open file, after turning it upright."""
    given = image.info.get("dpi")
    if not isinstance(given, tuple) or len(given) != 2 or not all(0 < float(side) < np.inf for side in given):
        return None
    across, down = map(float, given)
    return (down, across) if lies(_orientation(image)) else (across, down)


def _largest_of_ppm(tile: ImageFile._Tile) -> int:
    if tile[0] == "raw":
        return 65535 if tile[3] == "I;16B" else 255
    return int(tile[3][-1]) if isinstance(tile[3], tuple) else 255


def _deep_values(path: Path, image: ImageFile.ImageFile) -> np.ndarray:
    """(H, W, C) uint16, as stored."""
    if image.format == "PPM":
        return _deep_ppm(path, image)
    try:
        from imagecodecs import png_decode  # an extra
    except ImportError:
        values = _png_by_torch(path)
    else:
        values = png_decode(read_bytes(path))
    clear = image.info.get("transparency")  # the one colour that is
    if not isinstance(clear, tuple):
        return values
    colours = values[..., :3]
    opacity = (colours != clear).any(axis=2, keepdims=True) * np.uint16(65535)
    return np.concatenate([colours, opacity], axis=2)


def _png_by_torch(path: Path) -> np.ndarray:
    import torch  # slow to import
    from torchvision.io import ImageReadMode, decode_image

    packed = torch.frombuffer(bytearray(read_bytes(path)), dtype=torch.uint8)
    return decode_image(packed, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()


def _deep_ppm(path: Path, image: ImageFile.ImageFile) -> np.ndarray:
    """The values as they lie behind the header; Pillow scales those of colour to 8 bits, and others to 16."""
    width, height = image.size
    channels = len(image.getbands())
    tile = image.tile[0]
    if tile[0] == "ppm_plain":
        largest = _largest_of_ppm(tile)
        if channels > 1:
            raise ValueError("it is a PPM in plain text with more than 8 bits a channel; save it as a raw one (P6)")
        return np.rint(np.asarray(image)[..., None] * (largest / 65535)).astype(np.uint16)
    with open_file(path) as file:
        file.seek(tile[2])
        content = file.read(2 * width * height * channels)
    values = np.frombuffer(content[:len(content) // 2 * 2], ">u2")
    if values.size < width * height * channels:
        raise ValueError(f"it holds {values.size} of {width * height * channels} values")
    return values.astype(np.uint16).reshape(height, width, channels)
