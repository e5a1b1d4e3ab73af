"""The kinds that take the graph: ONNX, torch.export, TorchScript. Real exports of tiny generators."""
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import export
from data.pixels import mirrored
from exporting.command_line import read_line
from exporting.making import open_export
from exporting.translation import PictureNorm, noise_off, reflection, translation, with_plain_norms
from helpers.commands import ROOT
from helpers.saved_runs import save_run

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZES = [(1, 32, 32), (3, 37, 45), (1, 130, 23), (2, 128, 128), (1, 9, 129)]  # batch, height, width


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes checkpoints/run, and photos/: two pictures of the bits that are asked for."""
    monkeypatch.chdir(tmp_path)

    def write(*how, bits: int = 8, **options) -> Path:
        rng = np.random.default_rng(0)
        Path("photos").mkdir()
        for number, size in enumerate([(33, 40), (30, 31)]):
            if bits == 8:
                Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(f"photos/{number}.png")
            else:
                np.save(f"photos/{number}.npy", rng.integers(0, 4096, (*size, options["input_nc"]), np.uint16))
        return save_run(tmp_path / "checkpoints" / "run", *how, **options)
    return write


def main(line: str) -> None:
    export.main(f"--name run --dataroot photos {line}".split())


def opened(line: str):
    return open_export(read_line(f"--name run --dataroot photos {line}".split(), ""))


def session(path: str, graph: "onnx.ModelProto | None" = None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = graph.SerializeToString() if graph else path
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def picture(batch: int, height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(height)) * 2 - 1


def one_by_one(translator, x: Tensor) -> Tensor:
    return torch.cat([translator(one[None]) for one in x])


def largest(one: Tensor | np.ndarray, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((torch.as_tensor(one) - other).abs().max())


@pytest.mark.parametrize("multiple, fewest", [(4, 2), (128, 1)])
def test_the_reflection_of_a_graph_is_that_of_test_py(multiple, fewest):
    for length in (1, 2, 5, 64, 127, 128, 129):
        found = reflection(torch.empty(1, 1, 3, length), 3, multiple, fewest)
        whole = max(-(-length // multiple), fewest) * multiple
        np.testing.assert_array_equal(found, mirrored(length, 0, whole))


@pytest.mark.parametrize("netG, norm, dropout", [
    ("resnet_6blocks", "instance", False), ("resnet_6blocks", "batch", True), ("resnet_6blocks", "syncbatch", False),
    ("resnet_6blocks", "instance", True),
    ("unet_128", "batch", True), ("unet_128", "instance", True)])
@pytest.mark.parametrize("mode", ["", "--eval"])
def test_the_module_answers_as_the_run_at_any_size(run, netG, norm, dropout, mode):
    run(netG, norm, dropout)
    given = opened(f"--to torchscript {mode}")
    module = translation(given)
    for size in SIZES:
        x = picture(*size)
        with torch.no_grad():
            if size[0] == 1:  # with its noise
                torch.manual_seed(0)
                assert largest(module(x), given.translator(x)) < 1e-4
            with noise_off(module), noise_off(given.net):
                assert largest(module(x), one_by_one(given.translator, x)) < 1e-4


@pytest.mark.slow
def test_onnx_takes_any_size_and_any_batch_in_a_plain_session(run, capsys):
    run("unet_128", "instance")
    main("--to onnx --output unet.onnx")
    translator, file = opened("--to onnx").translator, session("unet.onnx")
    for size in SIZES:
        x = picture(*size)
        assert largest(file.run(None, {"input": x.numpy()})[0], one_by_one(translator, x)) < 1e-3
    about = file.get_modelmeta().custom_metadata_map
    assert about["name"] == "run" and about["model"] == "pix2pix" and about["direction"] == "AtoB"
    assert about["input_range"] == "uint8:0,255" and about["io"] == "unit" and about["sizes"] == "any"
    assert about["padding"] == "by reflection to multiples of 128, at least 128; cropped back"
    assert str(Path.cwd()) not in Path("unet.onnx").read_bytes().decode("latin-1")
    assert "site-packages" not in Path("unet.onnx").read_bytes().decode("latin-1")
    said = capsys.readouterr().out
    assert "on 2 pictures" in said and "export: unet.onnx" in said and Path("unet.onnx.card.md").is_file()


@pytest.mark.slow
def test_noise_in_onnx_of_16_bits(run, capsys):
    run("resnet_6blocks", "batch", True)
    main("--to onnx --output noise.onnx --precision fp16")
    said = capsys.readouterr().out
    assert "dropout: active" in said and "batch norm: statistics of each picture" in said
    graph = onnx.load("noise.onnx")
    masks = [node.output[0] for node in graph.graph.node if node.output[0].endswith("_factors")]
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in masks)
    x = picture(1, 128, 128).numpy()
    file = session("", graph)
    one, *factors = file.run(None, {"input": x})
    assert len(factors) == 6 and np.abs(one - file.run(None, {"input": x})[0]).max() > 0.01
    for mask in factors:
        assert set(np.unique(mask)) == {0, 2} and abs((mask == 0).mean() - 0.5) < 0.03
    assert (factors[0] != factors[1]).any()
    assert file.get_modelmeta().custom_metadata_map["dropout"] == "active: noise, as in test.py"
    assert file.get_inputs()[0].type == "tensor(float)" and Path("noise.onnx").stat().st_size < 300_000


def test_gray_of_few_values_goes_through_programs_of_any_device(run):
    run("resnet_6blocks", "none", input_nc=1, output_nc=1, input_range="uint8:0,100", output_range="uint8:0,60")
    main("--to torchscript --output gray.pt --io uint8")  # half a level of so few is more than one of 256
    program, translator = torch.jit.load("gray.pt"), opened("--to torchscript").translator
    given = np.asarray(Image.open("photos/0.png").convert("L"))[None, :, :, None]
    made = program(torch.from_numpy(given.copy())).numpy()
    assert made.dtype == np.uint8 and made.shape == (1, 33, 40, 1) and made.max() <= 60
    assert np.abs(made[0].astype(int) - np.asarray(translator(given[0])).reshape(33, 40, 1)).max() <= 1
    assert 'value="cpu"' not in str(program.inlined_graph)  # where it runs is where its weights and pictures are


def test_a_norm_that_is_shared_is_replaced_wherever_it_stands():
    norm = torch.nn.BatchNorm2d(3)
    net = with_plain_norms(torch.nn.Sequential(norm, norm))
    assert [type(part) for part in net._modules.values()] == [PictureNorm, PictureNorm]


def run_example(number: int) -> None:
    """Runs a Python example of docs/export.md in a process that knows nothing of the toolkit."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)
    (example,) = [text for text in examples if ("onnxruntime" in text, "torch.jit" in text)[number]]
    alone = f"{example}\nimport sys\nassert 'exporting' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-c", alone], check=True)


@pytest.mark.slow
def test_onnx_in_int8_takes_values_of_two_bands_of_12_bits(run, capsys):
    ranges = {"input_range": "uint16:0,4095", "output_range": "float32:-1000,3000", "input_nc": 2, "output_nc": 1}
    run("resnet_6blocks", "batch", bits=12, **ranges)
    main("--to onnx --output values.onnx --io values --precision int8 --eval --tolerance 1.5")
    assert {node.op_type for node in onnx.load("values.onnx").graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert Path("values.onnx").stat().st_size < 350_000
    assert "statistics of the training" in capsys.readouterr().out
    values = np.load("photos/0.npy")
    (made,) = session("values.onnx").run(None, {"input": values.transpose(2, 0, 1)[None].astype(np.float32)})
    wanted = opened("--to onnx --eval").translator(values)[:, :, 0]
    assert wanted.dtype == np.float32 and made.shape == (1, 1, 33, 40)
    assert np.abs(made[0, 0] - wanted).mean() < 200  # of 4000, by weights that are noise


@pytest.mark.slow
@pytest.mark.parametrize("netG, norm, kinds", [  # ONNX is made of the graph of torch_export: see the others above
    ("unet_128", "batch", ("torch_export", "torchscript")), ("resnet_6blocks", "batch", ("torchscript",)),
    ("resnet_6blocks", "instance", ("torch_export", "torchscript")), ("unet_128", "instance", ("torchscript",))])
def test_programs_of_torch_have_the_noise_of_a_seed(run, capsys, netG, norm, kinds):
    run(netG, norm, True)
    translator, extra = opened("--to torchscript --seed 5").translator, {"metadata.json": ""}
    for kind in kinds:
        file = "maps.pt2" if kind == "torch_export" else "maps.pt"
        main(f"--to {kind} --output {file} --seed 5")
        row = capsys.readouterr().out.split(f"{kind} ")[1].split()
        assert row[0] == "fp32" and float(row[1]) < 1e-4
        if kind == "torchscript":
            program = torch.jit.load(file, _extra_files=extra)
        else:
            program = torch.export.load(file, extra_files=extra).module()
            assert not any("device" in node.kwargs for node in program.graph.nodes)
        for size in SIZES:
            x = picture(*size)
            torch.manual_seed(5)
            made = program(x)
            if size[0] == 1:
                assert largest(made, translator(x)) < 1e-4
            assert made.shape == x.shape and not torch.equal(made, program(x))
        assert json.loads(extra["metadata.json"])["norm"] == norm
    if (netG, norm) == ("unet_128", "batch"):
        run_example(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_pictures_of_bytes_and_colours_give_the_bytes_of_test_py(run, kind):
    run("unet_128", "none", model="colorization", dataset_mode="colorization", input_nc=1, output_nc=2)
    main(f"--to {kind} --output maps.onnx --io uint8")
    given = np.stack([np.asarray(Image.open("photos/0.png"))] * 2)
    if kind == "onnx":
        (made,) = session("maps.onnx").run(None, {"input": given})
    else:
        made = torch.jit.load("maps.onnx")(torch.from_numpy(given)).numpy()
    wanted = np.asarray(opened("--to onnx").translator(given[0]))
    assert made.dtype == np.uint8 and made.shape == (2, 33, 40, 3)
    assert np.abs(made[0].astype(int) - wanted).max() <= 1 and (made[0] == wanted).mean() > 0.99
    np.testing.assert_array_equal(made[0], made[1])
    if kind == "onnx":
        Image.fromarray(given[0]).save("photo.jpg", format="png")
        run_example(0)
        np.testing.assert_array_equal(np.asarray(Image.open("map.png")), made[0])
