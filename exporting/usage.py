"""How an export is used: a few lines for its card."""
from __future__ import annotations

import shlex
from pathlib import Path

from exporting import classic_kind, samples, web_kind
from exporting.contract import Export, Kind
from exporting.metadata import LAYOUTS
from exporting.pictures import counted


def usage(export: Export, kind: Kind, place: Path) -> str:
    """Markdown. place: where the export lies; only its name is told."""
    name = place.name
    if kind.NAME == "classic":
        return "\n\n".join(["In the folder of the classic code, where `CHECKPOINTS` is the folder of this one:",
                            _code("bash", classic_kind.command(export, place, "CHECKPOINTS")),
                            *classic_kind.differences(export)])
    if kind.NAME == "hub":
        where = f"hf://{export.opt.push}" if export.opt.push else name
        return (_python("import bothways", f'G = bothways.load("{where}")', 'G("photo.png").save("translated.png")')
                + f"\n\nA training begins with these weights by `train.py --init_from {where}`. No code is fetched or "
                  "run.")
    if kind.NAME == "safetensors":
        return (_python("import bothways", f'G = bothways.load("{name}")', 'G("photo.png").save("translated.png")')
                + f"\n\nA training begins with these weights by `train.py --init_from {name}`. Without Bothways, "
                  "`safetensors.torch.load_file` gives the tensors, and the entry `bothways` of the header's metadata "
                  "what they belong to.")
    layout = f"x: {LAYOUTS[export.opt.io]}"
    if kind.NAME == "onnx":
        return _python("import onnxruntime", f'session = onnxruntime.InferenceSession("{name}")',
                       f'output, = session.run(None, {{"input": x}})  # {layout}')
    if kind.NAME == "torch_export":
        return _python("import torch", f'G = torch.export.load("{name}").module()', f"output = G(x)  # {layout}")
    if kind.NAME == "torchscript":
        return _python("import torch", f'G = torch.jit.load("{name}")', f"output = G(x)  # {layout}")
    serve = _code("bash", f"python -m http.server 8000 --bind 127.0.0.1 --directory {shlex.quote(name)}")
    return f"{serve}\n\nand open http://localhost:8000."


def advice(export: Export, kind: Kind, place: Path) -> list[str]:
    """What the user should be told at once, in lines."""
    if kind.NAME == "classic":
        return ["in the folder of the classic code: "
                + classic_kind.command(export, place, str(place.resolve().parent)),
                *(f"note: {said}" for said in classic_kind.differences(export))]
    if kind.NAME == "web":
        return web_kind.advice(place)
    shown = len(samples.names(export)) if kind.NAME == "hub" else 0
    return [f"note: {place / samples.FOLDER} shows {counted(shown)} to whoever gets the folder; --samples 0 leaves "
            "them out"] if shown else []


def _python(*lines: str) -> str:
    return _code("python", "\n".join(lines))


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
