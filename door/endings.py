"""How the bytes of a file tell its format, where nobody gives its name."""
import io

from PIL import Image

from raster.pillow_files import PILLOW_ERRORS
from util.errors import UserError

BEGINNINGS = {  # bytes at a place: the ending
    (0, b"\x93NUMPY"): ".npy", (0, b"PK\3\4"): ".npz", (0, b"II*\0"): ".tif", (0, b"MM\0*"): ".tif",
    (0, b"II+\0"): ".tif", (0, b"MM\0+"): ".tif", (128, b"DICM"): ".dcm", (344, b"n+1\0"): ".nii",
    (0, b"\x1f\x8b"): ".nii.gz", (0, b"\x1aE\xdf\xa3"): ".mkv", (4, b"ftypiso"): ".mp4", (4, b"ftypavc1"): ".mp4",
    (4, b"ftypmp4"): ".mp4", (4, b"ftypM4V"): ".m4v", (4, b"ftypqt"): ".mov", (8, b"AVI "): ".avi"}
USUAL = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "PPM": ".ppm"}


def ending_of(content: bytes) -> str:
    """The ending that a file with this content has, such as '.png'. UserError for what is no picture and no video."""
    for (place, beginning), ending in BEGINNINGS.items():
        if content[place:place + len(beginning)] == beginning:
            return ending
    try:
        with Image.open(io.BytesIO(content)) as image:
            return USUAL.get(str(image.format), f".{str(image.format).lower()}")
    except PILLOW_ERRORS:
        found = f"{len(content)} bytes that are no picture" if content else "nothing"
        raise UserError(f"there is {found}; expected the content of an image file") from None
