"""Gray images with more than 8 bits: which values become black and white, alike for all images of a side.

A microscope's 12 bits in a file of 16 would be nearly black otherwise, and a scale of each file's own would hide which
image is the brighter one.
"""
from collections.abc import Mapping
from pathlib import Path

from data.base_dataset import BaseDataset
from data.integrity import Look
from util.errors import UserError

CAMERAS = (8, 10, 12, 14, 16)  # bits that cameras and scanners have
DARK = 1 << 14  # colour without a value as large as this has lost most of its levels


def choose_bits(dataset: BaseDataset, looks: Mapping[Path, Look]) -> list[str]:
    """Tell the dataset how many bits its deep images use: those of the source side, and the others.

    That is what --input_bits and --output_bits say, or else the fewest that hold every value. Returns notices.
    Raises UserError for colour images with 16 bits of which only the lower ones are used.
    """
    _refuse_dark_colour(looks)
    sources, notices = set(dataset.sources()), []
    for flag, asked, side in (("input_bits", dataset.opt.input_bits, looks.keys() & sources),
                              ("output_bits", dataset.opt.output_bits, looks.keys() - sources)):
        deep = {path: look.largest for path in sorted(side) if (look := looks[path]).gray and look.largest is not None}
        if not deep:
            continue
        largest = int(max(deep.values()))
        bits = _valid(flag, asked) or next(bits for bits in CAMERAS if largest < 1 << bits)
        dataset.bits |= dict.fromkeys(deep, bits)
        dataset.bits_used[flag] = bits
        beyond = (f"; larger values, up to {largest}, become 255" if largest >= 1 << bits else
                  f". The largest is {largest}")
        notices.append(f"note: {len(deep)} of {len(side)} images have 16 bits, such as {next(iter(deep))}: values from "
                       f"0 to {(1 << bits) - 1} become 0 to 255{beyond} (--{flag} {bits})")
    return notices


def _valid(flag: str, bits: int) -> int:
    if bits and bits < 8:
        raise UserError(f"--{flag} {bits} is too small; expected 8 to 16, or 0 to count what the images use")
    return bits


def _refuse_dark_colour(looks: Mapping[Path, Look]) -> None:
    deep = {path: look.largest for path, look in looks.items() if not look.gray and look.largest is not None}
    if deep and (largest := int(max(deep.values()))) < DARK:
        raise UserError(f"{len(deep)} colour images have 16 bits a channel, such as {min(deep)}, but no value above "
                        f"{largest} of 65535. Of colour the upper 8 bits are read, so they would be nearly "
                        "black; save them with 8 bits a channel")
