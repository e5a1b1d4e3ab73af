"""What export.py refuses, and that nothing is left then."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import export
import models
from exporting import kinds, onnx_kind, torch_export_kind
from exporting.command_line import ExportOptions, read_line
from helpers.commands import ROOT
from helpers.images import write_image
from helpers.saved_runs import save_run
from options.schema import assemble
from runs.lock import locked

onnx = pytest.importorskip("onnx")
for library in ("onnxscript", "onnxruntime", "safetensors.torch"):
    pytest.importorskip(library)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure):
    """Runs export.py on checkpoints/run, with photos/ beside it; returns what it says on its way out."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "photos" / "1.png", 20, 17)

    def run(line: str) -> str:
        code, said = failure(lambda line: export.main(line.split()), line)
        assert code == 2
        return said.removeprefix("error: ").strip()
    return run


@pytest.mark.parametrize("line, said", [
    ("--to onnx", "--name is missing. For example: export.py --name maps --to onnx"),
    ("--name run", "--to is missing"),
    ("", "--name and --to are missing"),
    ("--name run --to onxx", "--to 'onxx' is not known (did you mean onnx?). Known: onnx, torch_export, torchscript, "
     "safetensors, classic, hub, web"),
    ("--name run --to onnx --epok 3", "--epok is not an option here (did you mean --epoch?)"),
    ("--name run --to onnx one two", "found one two beside the flags; expected at most one word"),
    ("--name run --to torchscript --precision fp16", "--precision fp16 is for --to onnx, and this is --to torchscript"),
    ("--name run --to classic --io uint8", "--io uint8 is for --to onnx, torch_export and torchscript"),
    ("--name run --to onnx --push me/it", "--push uploads the folder of --to hub, and this is --to onnx"),
    ("--name run --to onnx --private", "--private is for --push USER/REPO"),
    ("--name run --to onnx --onnxruntime_web x.tgz", "--onnxruntime_web belongs to --to web"),
    ("--name run --to torch_export --output a.onnx", "torch.export reads files whose names end in .pt2"),
    ("--name run --to onnx", "checkpoints/run; runs in"),
    ("--name run --to onnx --precision int4", "'int4' is not known (did you mean int8?). Known: fp32, fp16, int8"),
    ("--name run --to onnx --tolerance -1", "too small, expected at least 0"),
    ("--name run --to onnx --license cc0 --num_test 0", "too small, expected at least 1"),
])
def test_wrong_lines(refused, line, said):
    assert said in refused(line)
    assert not Path("exports").exists()


@pytest.mark.parametrize("kind, module, extra", [
    ("onnx", "onnx", "export"), ("onnx", "onnxscript", "export"), ("onnx", "onnxruntime", "export"),
    ("web", "onnx", "export"), ("safetensors", "safetensors", "export"), ("hub", "safetensors", "hub")])
def test_a_missing_library_is_named_with_its_extra(refused, monkeypatch, kind, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"{module}.torch", raising=False)
    said = refused(f"--name run --to {kind}")
    assert f"--to {kind} needs {module}, which cannot be imported" in said and f"pip install .[{extra}]" in said


@pytest.mark.parametrize("model", [name for name in models.names() if not models.find(name).in_one_pass])
def test_models_without_a_generator_in_one_pass(refused, model):
    save_run(Path("checkpoints/run"), nets=("G_A", "G_B"), model=model)
    assert (f"is a run of --model {model}, which has no generator that translates a picture by itself"
            in refused("--name run --to onnx --dataroot photos"))


def test_bytes_are_for_runs_of_8_bits(refused):
    save_run(Path("checkpoints/run"), input_range="uint16:0,4095", output_range="uint16:0,4095")
    line = "--name run --to torchscript --dataroot photos"
    assert ("--io uint8 is for pictures of 8 bits, and this run has --input_range uint16:0,4095; give --io values"
            in refused(f"{line} --io uint8"))
    said = refused(f"{line} --io uint8 --input_range 0,255")
    assert "this run has --output_range uint16:0,4095; give --io values" in said
    said = refused(f"{line} --io values --value_range percentile:1,99")
    assert "found in each picture anew (percentile); give --value_range LOW,HIGH, or --io unit" in said


def test_an_export_is_compared_on_real_pictures(refused):
    run = save_run(Path("checkpoints/run"))
    line = "--name run --to torchscript"
    assert f"{run} does not say which pictures it was trained on" in refused(line)
    assert "--dataroot nowhere does not exist: no pictures to compare" in refused(f"{line} --dataroot nowhere")
    rows = json.loads((run / "train_opt.json").read_text())
    rows |= {"dataroot": {"value": "gone", "source": "command line"},
             "dataset_mode": {"value": "aligned", "source": "model default"}}
    (run / "train_opt.json").write_text(json.dumps(rows))
    assert "the run's --dataroot gone does not exist" in refused(line)
    Path("bare").mkdir()
    assert "--dataroot bare has no pictures to compare the export on" in refused(f"{line} --dataroot bare")


def test_above_the_tolerance_what_lay_there_stays(refused, capsys):
    save_run(Path("checkpoints/run"))
    Path("exports").mkdir()
    old = Path("exports/run_AtoB_latest.pt")
    line = "--name run --to torchscript --dataroot photos"
    old.write_bytes(b"old")
    assert "exports/run_AtoB_latest.pt is there already; give another --output, or --overwrite" in refused(line)
    said = refused(f"{line} --overwrite --tolerance 1e-12 --io uint8")
    assert "above the tolerance of 1e-12, and was not kept" in said and "torchscript" in said
    assert [path.name for path in Path("exports").iterdir()] == [old.name] and old.read_bytes() == b"old"
    export.main(f"{line} --overwrite".split())
    assert sorted(os.listdir("exports")) == ["run_AtoB_latest.pt", "run_AtoB_latest.pt.card.md"]
    assert torch.jit.load(old)(torch.zeros(1, 3, 9, 11)).shape == (1, 3, 9, 11)


def test_an_export_that_answers_otherwise_is_refused(refused, monkeypatch):
    from exporting import torchscript_kind

    save_run(Path("checkpoints/run"))
    monkeypatch.setattr(torchscript_kind, "open", lambda target, export: lambda units: -export.translator(units))
    assert "differs from PyTorch by" in refused("--name run --to torchscript --dataroot photos --output out.pt")
    monkeypatch.setattr(torchscript_kind, "open", lambda target, export: lambda units: units * np.nan)
    assert "differs from PyTorch by nan" in refused("--name run --to torchscript --dataroot photos --output out.pt")
    assert sorted(os.listdir()) == ["checkpoints", "photos"]


def test_a_generator_larger_than_an_onnx_file_can_be(refused, monkeypatch):
    save_run(Path("checkpoints/run"))
    monkeypatch.setattr(onnx_kind, "MOST", 1000)
    said = refused("--name run --to onnx --dataroot photos")
    assert "GiB of weights, and an ONNX file holds 2; give --to torch_export" in said and not os.listdir("exports")


def test_noise_that_onnxruntime_leaves_out(refused, monkeypatch):
    """As of a graph that still has the operator Dropout, or another that it takes for nothing."""
    save_run(Path("checkpoints/run"), "resnet_6blocks", "batch", True)
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1, 3, "height", "width"]) for name in ("input", "output")]
    nodes = [onnx.helper.make_node("Identity", ["input"], ["output"])]
    silent = onnx.helper.make_model(onnx.helper.make_graph(nodes, "silent", ends[:1], ends[1:]),
                                    opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    monkeypatch.setattr(onnx_kind, "_graph", lambda export: silent)
    said = refused("--name run --to onnx --dataroot photos")
    assert "onnxruntime leaves out the dropout of this generator, which is its noise; give --eval" in said
    assert not os.listdir("exports")


def test_a_folder_of_others_is_never_replaced(refused):
    save_run(Path("checkpoints/run"))
    said = refused("--name run --to hub --dataroot photos --output photos --overwrite")
    assert "--output photos is no folder of an export, and is not replaced" in said and Path("photos/1.png").exists()
    Path("photos/README.md").write_text((ROOT / "README.md").read_text())  # which speaks of Bothways
    assert "is no folder of an export" in refused("--name run --to hub --dataroot photos --output photos --overwrite")
    assert "--output . is a folder that is there" in refused("--name run --to hub --dataroot photos --output .")


def test_an_export_that_something_was_added_to_is_not_replaced(refused):
    save_run(Path("checkpoints/run"))
    line = "--name run --to classic --dataroot photos --output out"
    export.main(line.split())
    assert "out is there already; give another --output, or --overwrite" in refused(line)
    export.main([*line.split(), "--overwrite"])
    Path("out/notes.txt").write_text("mine")
    said = refused(f"{line} --overwrite")
    assert "--output out holds notes.txt, which --to classic does not write, and is not replaced" in said
    assert Path("out/notes.txt").read_text() == "mine"
    said = refused("--name run --to hub --dataroot photos --output out --overwrite")
    assert "holds latest_net_G.pth, notes.txt, which --to hub does not write" in said


def test_a_card_of_others_is_never_replaced(refused):
    save_run(Path("checkpoints/run"))
    Path("out.pt.card.md").write_text("mine")
    said = refused("--name run --to torchscript --dataroot photos --output out.pt")
    assert "out.pt.card.md is there already" in said and Path("out.pt.card.md").read_text() == "mine"


def test_one_place_is_written_by_one_export_at_a_time(refused):
    save_run(Path("checkpoints/run"))
    with locked(Path(".out.pt.lock"), "out.pt is being written"):
        said = refused("--name run --to torchscript --dataroot photos --output out.pt")
    assert said == "out.pt is being written by another process or thread; wait for it, or stop it"
    assert sorted(os.listdir()) == ["checkpoints", "photos"]


def test_a_full_disk_is_said_and_leaves_nothing(refused, failure):
    resource = pytest.importorskip("resource")
    save_run(Path("checkpoints/run"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        code, said = failure(export.main, "--name run --to torchscript --dataroot photos --output out.pt".split())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1 and said.startswith("error: [Errno 27]")
    assert sorted(os.listdir()) == ["checkpoints", "photos"]


def test_pictures_of_one_colour_are_left_out(refused, capsys):
    save_run(Path("checkpoints/run"))
    Path("photos/1.png").rename("1.png")
    Image.new("RGB", (40, 30)).save("photos/0.png")
    line = "--name run --to torchscript --dataroot photos --output out.pt"
    assert "photos: 1 picture looked at, each of one colour, on which nothing can be compared" in refused(line)
    Path("1.png").rename("photos/1.png")
    export.main(line.split())  # of the black one an instance norm would compare its rounding alone
    assert "against PyTorch on 1 picture, values" in capsys.readouterr().out


def test_what_no_onnx_file_can_hold_is_refused(refused, monkeypatch):
    save_run(Path("checkpoints/run"))
    monkeypatch.setattr(onnx_kind, "MOST", 1000)
    said = refused("--name run --to onnx --dataroot photos --output out.onnx")
    assert "GiB of weights, and an ONNX file holds 2; give --to torch_export" in said and not Path("out.onnx").exists()


def test_a_folder_for_a_program_of_torch_export_is_no_wrong_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    torch_export_kind.refuse(read_line("--name run --to torch_export --output there".split(), "").view(ExportOptions))


@pytest.mark.parametrize("kind, output, said", [
    ("torchscript", "photos/1.png/a.pt", "photos/1.png is a file, where a folder is expected; give another place"),
    ("classic", "photos/1.png", "--output photos/1.png is no folder of an export, and is not replaced"),
    ("torchscript", "photos/1.png", "--output photos/1.png is no .pt file, and is not replaced"),
    ("classic", "photos/1.png/a", "photos/1.png is a file, where a folder is expected; give another place"),
])
def test_places_that_cannot_be(refused, kind, output, said):
    save_run(Path("checkpoints/run"))
    assert said in refused(f"--name run --to {kind} --dataroot photos --output {output} --overwrite")
    assert os.listdir("photos") == ["1.png"]


def test_pictures_are_those_the_run_was_trained_on(trained, capsys):
    trained("--model pix2pix --direction BtoA")
    export.main("--name run --to torchscript --num_test 3 --output there/".split())
    said = capsys.readouterr().out
    assert "on 3 pictures" in said and "export: there/run_BtoA_latest.pt" in said


def test_every_kind_is_in_the_help_which_needs_no_torch():
    code = ("import sys, export\ntry: export.main(sys.argv[1:])\n"
            "finally: print('torch' in sys.modules, 'onnx' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) < 30 and "--tolerance" not in done.stdout
    every = subprocess.run([sys.executable, "-c", code, "--to", "onnx", "--help"], cwd=ROOT, capture_output=True,
                           text=True)
    assert all(f"\n  --{name} " in every.stdout for name in assemble([ExportOptions]))
    assert done.returncode == 0 and done.stdout.endswith("False False\n")
    for name in kinds.names():
        assert f"\n  {name} " in done.stdout
        assert name == kinds.find(name).NAME
    assert {path.stem.removesuffix("_kind") for path in (ROOT / "exporting").glob("*_kind.py")} == set(kinds.names())


def test_a_save_that_lost_its_generator_names_the_saves_that_have_it(refused):
    run = save_run(Path("checkpoints/run"))
    (weights,) = run.glob("latest_net_G*.pth")
    weights.with_name("latest_net_D.pth").write_bytes(weights.read_bytes())
    weights.rename(run / "3_net_G.pth")
    said = refused("--name run --to safetensors --dataroot photos")
    assert "It holds no latest, only 3: give another --epoch" in said and "leave out --model" not in said
