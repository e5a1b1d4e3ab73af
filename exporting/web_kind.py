"""A web page: one folder that runs the generator in a browser, with nothing from elsewhere."""
from __future__ import annotations

import json
import shlex
from pathlib import Path

from exporting import npm, onnx_kind
from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.metadata import metadata, modes
from exporting.ranges import ranges_of
from options.schema import width_and_height
from raster.value_range import ValueRange
from util.errors import UserError

NAME, ENDING, EXTRA, SEEDED = "web", "", "export", False
HERE = Path(__file__).with_name("web")
LOOK = Path(__file__).parents[1] / "pages" / "page.css"  # that of all pages
MODEL, DESCRIPTION = "model.onnx", "model.json"
RUNTIME = ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")  # the smallest set for WebGPU and WASM
PARTS = {"README.md", MODEL, DESCRIPTION, *RUNTIME, *(part.name for part in HERE.iterdir())}


def refuse(opt: ExportOptions) -> None:
    """UserError when a library is missing, or the package of the browser's runtime."""
    onnx_kind.refuse(opt)
    npm.package(opt.onnxruntime_web)


def tolerance(opt: ExportOptions) -> float:
    """That of its ONNX file."""
    return onnx_kind.tolerance(opt)


def write(export: Export, target: Path) -> None:
    """The folder: index.html and its parts, onnxruntime-web with its licence, model.onnx, and model.json, which says
    what it takes.

    UserError for a generator of what a browser does not show: other numbers of bands, other values than 0..255.
    """
    require_pictures(export)
    target.mkdir()
    for part in sorted(HERE.iterdir()):
        (target / part.name).write_bytes(part.read_bytes())
    (target / "page.css").write_bytes(LOOK.read_bytes() + (HERE / "page.css").read_bytes())
    npm.unpack(npm.package(export.opt.onnxruntime_web), {name: target / name for name in RUNTIME})
    onnx_kind.write(export, target / MODEL)
    description = describe(export, (target / MODEL).stat().st_size)
    (target / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def open(target: Path, export: Export) -> Function:
    """The folder's model, as the ONNX kind opens it."""
    return onnx_kind.open(target / MODEL, export)


def advice(place: Path) -> list[str]:
    """How large it is, and how it is opened."""
    sizes = {part.name: part.stat().st_size / 1e6 for part in place.iterdir()}
    runtime = sum(sizes[name] for name in RUNTIME)
    return [f"size: {sum(sizes.values()):.1f} MB, of which model {sizes[MODEL]:.1f} MB, onnxruntime-web {npm.VERSION} "
            f"{runtime:.1f} MB",
            f"open it: python -m http.server 8000 --bind 127.0.0.1 --directory {shlex.quote(str(place))}, "
            "then http://localhost:8000"]


def require_pictures(export: Export) -> None:
    """UserError when what goes in or comes out is no picture of 8 bits, gray or RGB."""
    told, ranges = metadata(export), ranges_of(export.translator.opt)
    for side, channels in (("input", told["input_nc"]), ("output", told["output_nc"])):
        if channels not in ("1", "3"):
            raise UserError(f"--to web shows pictures, gray (1 channel) or RGB (3), and this run has {channels} "
                            f"channels of {side}; give --to onnx")
    for flag, values in (("input_range", ranges.input), ("output_range", ranges.output)):
        if values is None or not _of_bytes(values):
            found = values or "percentile"
            raise UserError(f"--to web takes and gives pictures of 8 bits, whose values are 0 to 255, and this run has "
                            f"--{flag} {found}; give --to onnx")


def describe(export: Export, size: int) -> dict[str, object]:
    """What the page is told of the model. size: of its file, in bytes."""
    told, opt = metadata(export), export.translator.opt
    saved = f"iteration {opt.load_iter}" if opt.load_iter else f"epoch {opt.epoch}"
    facts = {"Model": f"{told['model']}, {told['netG']}, {told['direction']}, {saved}"}
    facts |= {name.replace("_", " ").capitalize(): mode for name, mode in modes(export.net).items()}
    width, height = width_and_height(opt.crop_size)
    return {"name": told["name"], "file": MODEL, "bytes": size, "input": int(told["input_nc"]),
            "side": [width, height],
            "noise": told.get("dropout", "").startswith("active"), "facts": facts}


def _of_bytes(values: ValueRange) -> bool:
    return (values.low, values.high) == (0, 255) and values.dtype in ("", "uint8")
