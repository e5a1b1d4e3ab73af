"""Which values of files are -1 and 1 to the network, as an export keeps them."""
from dataclasses import dataclass

import numpy as np

from options.groups import DataOptions
from raster.value_range import BYTES, ValueRange
from util.errors import UserError


@dataclass(frozen=True)
class Ranges:
    """input, output: of what goes in and comes out, each with its type; None: of each picture by itself, not known
    before.
    """

    input: ValueRange | None
    output: ValueRange | None


def ranges_of(opt: DataOptions) -> Ranges:
    """The ranges by which test.py would read and write. UserError for what is none."""
    given = _parse("input_range", opt.input_range) if opt.input_range else _parse("value_range", opt.value_range)
    made = _parse("output_range", opt.output_range or opt.value_range)
    return Ranges(given, made or given)


def require_known(ranges: Ranges, io: str) -> tuple[ValueRange, ValueRange]:
    """Both ranges, for an export that has them inside. UserError when one is not known, or no range of 8-bit pictures.
    """
    if ranges.input is None or ranges.output is None:
        raise UserError(f"--io {io} puts the range of values into the export, and this run's is found in each picture "
                        "anew (percentile); give --value_range LOW,HIGH, or --io unit")
    for flag, one in (("input_range", ranges.input), ("output_range", ranges.output)):
        if io == "uint8" and not (one.dtype in ("", "uint8") and one.low >= 0 and one.high <= 255):
            raise UserError(f"--io uint8 is for pictures of 8 bits, and this run has --{flag} {one}; give --io values, "
                            "which takes and gives those values as float, or --io unit")
    return ranges.input, ranges.output


def as_text(one: ValueRange | None) -> str:
    """As --input_range takes it; 'percentile' where each picture has its own."""
    return str(one) if one else "percentile"


def _parse(flag: str, text: str) -> ValueRange | None:
    """auto is what files of 8 bits have: a run that was trained on others has kept its ranges."""
    if text == "auto":
        return BYTES
    if text.startswith("percentile"):
        return None
    found = ValueRange.parse(text, flag)
    assert np.isfinite([found.low, found.high]).all()
    return found
