"""The numbers on the terminal."""
from collections.abc import Sequence

from evaluation.measuring import Measured
from metrics.base_metric import Metric
from metrics.measuring import Value

HEAD = """\
mean absolute error against the truth, in gray levels (0 to 255), of the translation and of two simple answers:
the input itself, and the mean image of the target domain; share of the better one's error (less is better)"""


def table(measured: Sequence[Measured]) -> str:
    """Everything that was measured, as text: the errors beside those of simple answers, then every metric, and what
    they mean."""
    parts = [_simple_answers([one for one in measured if one.answers]), *map(_block, measured), _legend(measured)]
    return "\n\n".join(part for part in parts if part)


def number(value: float | None, digits: int = 4) -> str:
    """`value` with so many digits that count; '-' where there is none."""
    return "-" if value is None else f"{value:#.{digits}g}".rstrip(".")


def with_interval(value: Value) -> str:
    """'24.31 [23.90, 24.70]'; without the interval where there is none."""
    return " ".join([number(value.value), interval(value)]).rstrip()


def interval(value: Value) -> str:
    """'[23.90, 24.70]', or '' where there is none."""
    return "" if value.low is None or value.high is None else f"[{number(value.low)}, {number(value.high)}]"


def meaning(name: str, metric: Metric) -> str:
    """What a metric says, with its unit: 'psnr: peak signal-to-noise ratio to the truth (dB)'."""
    return f"{name}: {metric.about}" + (f" ({metric.unit})" if metric.unit else "")


def _simple_answers(measured: Sequence[Measured]) -> str:
    if not measured:
        return ""
    width = max(5, *(len(one.result) for one in measured))
    lines = [HEAD, f"{'model':<{width}}  direction  images  translated  copy of input  mean image  share of better"]
    for one in measured:
        assert one.answers
        errors = [_gray_levels(error) for error in (one.answers.error, one.answers.copy_error, one.answers.mean_error)]
        lines.append(f"{one.result:<{width}}  {one.direction.arrow:<9}  {one.samples:>6}  {errors[0]:>10}  "
                     f"{errors[1]:>13}  {errors[2]:>10}  {one.answers.share:>15}")
    return "\n".join(lines)


def _gray_levels(error: float | None) -> str:
    return "-" if error is None else f"{error:.2f}"


def _block(measured: Measured) -> str:
    """A direction's metrics, a line each; the head says what the fakes were compared with."""
    rows = [("metric", "value", "95% interval", "better", "images", "references")]
    for name, value in measured.report.values.items():
        rows.append((name, number(value.value), interval(value) or "-", measured.metrics[name].better, str(value.n),
                     str(value.references) if value.references else "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head = " ".join(filter(None, [measured.result, measured.direction.arrow]))
    lines = [f"{head}: {measured.direction.name}, references: {measured.reference}"]
    lines += ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
              for row in rows]
    return "\n".join([*lines, *(f"  note: {notice}" for notice in measured.notices)])


def _legend(measured: Sequence[Measured]) -> str:
    kinds = {name: metric for one in measured for name, metric in one.metrics.items()}
    return "\n".join(meaning(name, metric) for name, metric in kinds.items())
