"""What a network answers becomes a picture like the one it was made from."""
import numpy as np
import pytest

from raster.picture import Header, Origin, Picture
from raster.results import native, range_of_results
from raster.value_range import BYTES, ValueRange
from raster.writing import ANY_TYPE

GEO = {33550: (10.0, 10.0, 0.0)}


def header(picture: Picture) -> Header:
    height, width, channels = picture.values.shape
    return Header((width, height), channels, picture.values.dtype, 1, picture.origin, picture.no_data)


def identity(picture: Picture, values_in: ValueRange) -> Picture:
    """The answer of a network that gives back what it sees."""
    unit, void = values_in.to_unit(picture.values), picture.void()
    if void is not None:
        unit[void] = -1
    return native(unit.transpose(2, 0, 1), values_in, header(picture), void)


def ramp(dtype: str, low: float, high: float, channels: int) -> Picture:
    """Values of the range, its ends among them, that float32 in [-1, 1] can tell apart."""
    whole = np.issubdtype(dtype, np.integer)
    count = int(min(high - low + 1, 4096)) if whole else 513
    values = np.linspace(low, high, count).round() if whole else np.linspace(low, high, count)
    values = np.resize(values, (8, -(-count // 8), channels)).astype(dtype)
    return Picture(values, Origin("TIFF", (300.0, 300.0), GEO))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
@pytest.mark.parametrize("dtype, low, high", [
    ("uint8", 0, 255), ("uint16", 0, 4095), ("uint16", 0, 65535), ("int16", -1000, 3000), ("int32", -70000, 70000),
    ("uint32", 5, 100000), ("int8", -128, 127), ("int64", 0, 1000), ("uint64", 0, 1000),
    ("float32", -1.0, 1.0), ("float32", 0.0, 1.0), ("float64", 0.0, 2.0), ("float16", 0.0, 1.0),
])
def test_an_identity_gives_the_values_back(dtype, low, high, channels):
    given = ramp(dtype, low, high, channels)
    made = identity(given, ValueRange(low, high, dtype))
    assert made.values.dtype == given.values.dtype and made.no_data is None and made.origin == given.origin
    if np.issubdtype(dtype, np.integer):
        np.testing.assert_array_equal(made.values, given.values)
    else:  # [-1, 1] in float32 has steps of 2**-24 near its ends
        np.testing.assert_allclose(made.values, given.values, rtol=0, atol=(high - low) * 2**-24)
    assert {np.dtype(dtype).name} <= set(ANY_TYPE)


@pytest.mark.parametrize("dtype, no_data, written", [
    ("int16", -9999, -9999.0), ("float32", -9999.0, -9999.0), ("uint16", 0, 0.0), ("float32", float("nan"), None),
    ("uint8", 255, 255.0),
])
def test_no_data_stays_no_data_and_nothing_else_becomes_it(dtype, no_data, written):
    values = np.full((4, 6, 2), 100, dtype)
    values[:, 3:] = 200
    values[1, 1] = no_data
    given = Picture(values, Origin("TIFF"), no_data)
    made = identity(given, ValueRange(0, 200 if no_data != 255 else 255, dtype))
    np.testing.assert_array_equal(made.void(), given.void())
    assert made.no_data == written
    np.testing.assert_array_equal(made.values[~given.void()], values[~given.void()])


@pytest.mark.parametrize("dtype, low, high, no_data, answer, neighbour", [
    ("uint8", 0, 255, 0, -1, 1), ("uint8", 0, 255, 255, 1, 254), ("uint8", -10, 5, 0, -1, 1),
    ("int16", -9999, 50, -9999, -1, -9998),
    ("float32", 0, 1, 0, -1, np.nextafter(np.float32(0), np.float32(1))),
])
def test_an_answer_that_is_the_no_data_value_becomes_its_neighbour(dtype, low, high, no_data, answer, neighbour):
    given = Picture(np.full((1, 3, 1), no_data, dtype), Origin("TIFF"), no_data)
    made = native(np.full((1, 1, 3), answer), ValueRange(low, high, dtype), header(given), [[True, False, False]])
    assert made.values.ravel().tolist() == [no_data, neighbour, neighbour] and made.no_data == no_data


def test_a_type_without_the_no_data_value_has_one_of_its_own():
    given = Picture(np.full((2, 2, 1), -9999.0, np.float32), Origin("TIFF"), -9999.0)
    void = np.array([[True, False], [False, False]])
    made = native(-np.ones((3, 2, 2)), BYTES, header(given), void)
    assert made.no_data == 0 and made.values[:, :, 0].tolist() == [[0, 1], [1, 1]]
    made = native(np.ones((3, 2, 2)), ValueRange(-5, 5, "int16"), header(given), void)
    assert made.no_data == -9999 and made.values[:, :, 1].tolist() == [[-9999, 5], [5, 5]]
    assert native(np.ones((1, 2, 2)), BYTES, header(Picture(given.values, given.origin))).no_data is None


def test_the_place_is_kept_where_the_size_is_and_transparency_where_the_channels_are():
    given = Picture(np.zeros((4, 6, 2), np.uint16), Origin("TIFF", (72.0, 72.0), GEO, alpha=True))
    values_in = ValueRange(0, 100, "uint16")
    assert native(np.zeros((2, 4, 6)), values_in, header(given)).origin == given.origin
    assert native(np.zeros((1, 4, 6)), values_in, header(given)).origin == Origin("TIFF", (72.0, 72.0), GEO)
    assert native(np.zeros((1, 6, 4)), values_in, header(given)).origin == Origin("TIFF")


def test_what_is_no_number_is_the_lowest_value_of_a_whole_type():
    given = Picture(np.zeros((1, 2, 1), np.uint16), Origin("TIFF"))
    made = native(np.array([[[np.nan, 1.0]]]), ValueRange(7, 9, "uint16"), header(given))
    assert made.values.ravel().tolist() == [7, 9]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_whole_numbers_do_not_turn_round(dtype):
    largest = np.iinfo(dtype).max
    made = ValueRange(0, largest, dtype).from_unit(np.ones(1), np.dtype(dtype))
    assert made.dtype == dtype and largest - 2048 <= made[0] <= largest


@pytest.mark.parametrize("asked, own, found", [
    ("", "uint16:0,4095", "uint16:0,4095"), ("auto", "uint8:0,255", "uint8:0,255"),
    ("percentile:1,99", "int16:3,7", "int16:3,7"), ("uint8:0,255", "uint16:0,4095", "uint8:0,255"),
    ("0,4095", "uint16:0,65535", "uint16:0,4095"), ("0,4095", "uint8:0,255", "float32:0,4095"),
    ("0,0.5", "uint8:0,255", "float32:0,0.5"), ("-1000,3000", "int16:0,100", "int16:-1000,3000"),
])
def test_the_range_of_results(asked, own, found):
    assert str(range_of_results(asked, ValueRange.parse(own, ""), "output_range")) == found
