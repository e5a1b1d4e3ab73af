"""The kinds that take the weights alone: safetensors, classic, hub."""
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bothways
import export
import train
from exporting import classic_kind
from helpers.commands import TINY, load_command
from helpers.images import write_image
from helpers.saved_runs import lively_generator, save_run
from runs.safetensors_files import write_safetensors
from runs.weight_files import read_weights

safetensors = pytest.importorskip("safetensors.torch")

ANY = [("resnet_6blocks", "instance", False), ("resnet_6blocks", "batch", True), ("unet_128", "batch", True),
       ("unet_128", "instance", True)]


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_image(tmp_path / "photos" / "1.png", 37, 30)


@pytest.fixture
def exported(photo: Path, capsys: pytest.CaptureFixture):
    """Runs export.py on checkpoints/run; returns what it wrote and what it said."""
    def run(kind: str, line: str = "", output: str = "") -> tuple[Path, str]:
        place = output or {"safetensors": "out.safetensors", "classic": "out", "hub": "out"}[kind]
        capsys.readouterr()
        export.main(f"--name run --to {kind} --output {place} --dataroot {photo.parent} --overwrite {line}".split())
        return Path(place), capsys.readouterr().out
    return run


@pytest.mark.parametrize("kind", ["safetensors", "classic", "hub"])
@pytest.mark.parametrize("netG, norm, dropout", ANY)
def test_each_kind_answers_to_the_bit_as_its_run(exported, photo, kind, netG, norm, dropout):
    run = save_run(Path("checkpoints/run"), netG, norm, dropout)
    place, said = exported(kind)
    words = said.splitlines()[-6:] if kind == "classic" else said.splitlines()
    numbers = next(line for line in words if line.split()[:1] == [kind]).split()
    assert numbers[2:4] == ["0", "0"]  # the largest difference, and the mean
    more = {"netG": netG, "no_dropout": not dropout, "preprocess": "none"} if kind == "classic" else {}
    np.testing.assert_array_equal(bothways.load(place, device="cpu", **more)(photo),
                                  bothways.load(run, device="cpu")(photo))


@pytest.mark.parametrize("kind", ["safetensors", "hub"])
def test_a_way_back_a_mode_and_ranges_go_along(exported, tmp_path, kind):
    ranges = {"input_range": "uint16:0,4095", "output_range": "uint8:0,255", "input_nc": 1}
    run = save_run(Path("checkpoints/run"), "resnet_6blocks", "batch", nets=("G_A", "G_B"), **ranges)
    place, _ = exported(kind, "--direction BtoA --eval")
    opened, wanted = bothways.load(place), bothways.load(run, direction="BtoA", eval=True)
    assert opened.opt.eval and opened.opt.direction == "BtoA" and opened.opt.input_nc == 3
    assert opened.opt.output_range == "uint16:0,4095"
    values = np.random.default_rng(0).integers(0, 255, (16, 20, 3), np.uint8)
    made = opened(values)
    assert made.dtype == np.uint16 and made.shape == (16, 20, 1)
    np.testing.assert_array_equal(made, wanted(values))
    with pytest.raises(bothways.UserError, match="trained with --direction BtoA: it does not translate AtoB"):
        bothways.load(place, direction="AtoB")
    with pytest.raises(bothways.UserError, match="holds one generator, the latest G of its run; leave out --weights"):
        bothways.load(place, weights="ema")
    with pytest.raises(bothways.UserError, match="holds no 5, only latest"):
        bothways.load(place, epoch=5)


def test_what_stands_in_a_safetensors_file(exported):
    run = save_run(Path("checkpoints/run"), nets=("G_A", "G_B"))
    place, _ = exported("safetensors")
    with safetensors.safe_open(place, "pt") as file:
        about = json.loads(file.metadata()["bothways"])
    assert about["network"] == "G_A" and about["options"]["netG"] == "resnet_6blocks"
    kept = read_weights(run / "latest_net_G_A.pth")
    found = safetensors.load_file(place)
    assert found.keys() == kept.keys() and all(torch.equal(found[key], kept[key]) for key in kept)
    before = place.read_bytes()
    assert exported("safetensors")[0].read_bytes() == before  # the same weights, the same file


def test_the_classic_folder_holds_the_keys_and_nothing_else(exported):
    save_run(Path("checkpoints/run"), "unet_128", "batch", True)
    place, said = exported("classic", output="classic_maps")
    assert sorted(path.name for path in place.iterdir()) == ["README.md", "latest_net_G.pth"]
    state = torch.load(place / "latest_net_G.pth", weights_only=True)
    wanted = lively_generator("unet_128", "batch", True).state_dict()
    assert list(state) == list(wanted) and all(torch.equal(state[key], wanted[key]) for key in wanted)
    line = ("python test.py --model test --dataroot PICTURES --checkpoints_dir " f"{Path.cwd()} --name classic_maps "
            "--netG unet_128 --ngf 4 --norm batch --input_nc 3 --output_nc 3 --preprocess none --load_size 256 "
            "--crop_size 256")
    assert f"in the folder of the classic code: {line}\n" in said and line.replace(
        str(Path.cwd()), "CHECKPOINTS") in (place / "README.md").read_text()
    assert "note: With --preprocess none the classic code brings sides to multiples of 4 alone" in said


def test_our_own_test_understands_the_line_for_the_classic_code(exported, translate, photo):
    run = save_run(Path("checkpoints/run"), "resnet_6blocks", "batch", True)
    _, said = exported("classic", "--eval", output="classic_maps")
    words = said.partition("python test.py ")[2].splitlines()[0].replace("PICTURES", str(photo.parent)).split()
    load_command("test").main([*words, "--gpu_ids", "-1", "--num_threads", "0"])
    made = np.asarray(Image.open("results/classic_maps/test_latest/images/1_fake.png"))
    wanted = bothways.load(run, eval=True)(photo)
    np.testing.assert_array_equal(made, np.asarray(wanted))


@pytest.mark.parametrize("options, said", [
    ({"input_range": "uint16:0,4095", "output_range": "uint16:0,4095"},
     "note: This generator's input has the values uint16:0,4095 for -1 and 1. The classic code reads and writes"),
    ({"input_nc": 5}, "note: Pictures of 5 and 3 channels are none that the classic code reads"),
    ({"preprocess": "resize_and_crop", "load_size": "24,32", "crop_size": "24,32"},
     "note: The classic code knows squares alone"),
])
def test_what_differs_in_the_classic_code_is_said(exported, tmp_path, options, said):
    save_run(Path("checkpoints/run"), **options)
    for path in Path("photos").iterdir():
        path.unlink()
    values = np.random.default_rng(0).integers(0, 4096, (32, 32, options.get("input_nc", 3)), np.uint16)
    np.save("photos/1.npy", values)
    assert said in exported("classic", "--input_range uint16:0,4095" if "input_range" not in options else "")[1]


@pytest.mark.parametrize("options, said", [
    ({"netG": "encoder_decoder_128"}, "the classic code has no --netG encoder_decoder_128, only resnet_9blocks, "),
    ({"norm": "none"}, "the classic code has no --norm none, only batch, instance; --to safetensors, or another"),
])
def test_what_the_classic_code_has_not_is_refused_by_name(exported, failure, photo, monkeypatch, options, said):
    monkeypatch.setattr(classic_kind, "NORMS", {"batch": "batch", "instance": "instance"})
    save_run(Path("checkpoints/run"), **options)
    code, found = failure(export.main, f"--name run --to classic --dataroot {photo} --output out".split())
    assert code == 2 and said in found and not Path("out").exists()


@pytest.mark.parametrize("kind", ["safetensors", "hub"])
def test_a_training_begins_with_the_network_that_was_exported(exported, dataroot, kind, capsys):
    save_run(Path("checkpoints/run"), nets=("G_A", "G_B"))
    place, _ = exported(kind, "--direction BtoA")
    line = f"--dataroot {dataroot} --name next --model cycle_gan --init_from {place} --lr 0 {TINY}"
    train.main(line.split())
    said = capsys.readouterr().out
    begun, wanted = (read_weights(Path(f"checkpoints/{name}/latest_net_G_B.pth")) for name in ("next", "run"))
    file = place / "model.safetensors" if kind == "hub" else place
    assert f"network G_B: from {file}: {len(wanted)} tensors loaded\n" in said
    assert "network G_A: left at its initial value" in said
    assert all(torch.equal(begun[key], wanted[key]) for key in wanted)


def test_safetensors_of_another_program_begin_a_training(photo, dataroot, capsys):
    wanted = lively_generator("resnet_6blocks", "instance", False).state_dict()
    safetensors.save_file(wanted, "theirs_net_G_B.safetensors")
    line = f"--dataroot {dataroot} --name next --model cycle_gan --lr 0 {TINY} --init_from theirs_net_G_B.safetensors"
    train.main(line.split())
    begun = read_weights(Path("checkpoints/next/latest_net_G_B.pth"))
    assert all(torch.equal(begun[key], wanted[key]) for key in wanted)
    with pytest.raises(bothways.UserError, match="theirs_net_G_B.safetensors does not describe a generator of this"):
        bothways.load("theirs_net_G_B.safetensors")


def test_a_hub_folder_is_a_run_for_test_and_for_export(exported, photo, capsys):
    run = save_run(Path("checkpoints/run"))
    place, _ = exported("hub", output="checkpoints/hub")
    load_command("test").main(f"--dataroot {photo} --name hub --output out.png --gpu_ids -1".split())
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), np.asarray(bothways.load(run)(photo)))
    export.main(f"--name hub --to hub --output again --dataroot {photo}".split())
    assert (Path("again") / "model.safetensors").read_bytes() == (place / "model.safetensors").read_bytes()


def change_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    about = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in about.items() if value is not None}))


@pytest.mark.parametrize("harm, said", [
    (lambda folder: change_config(folder, bothways_config=2), "config.json has version 2 of bothways_config, and this"),
    (lambda folder: change_config(folder, bothways_config=None), "does not describe a generator of this toolkit"),
    (lambda folder: change_config(folder, sha256="0" * 64), "out/config.json was written for: its SHA-256 is another"),
    (lambda folder: change_config(folder, options=None), "config.json is damaged \\(KeyError\\('options'\\)\\)"),
    (lambda folder: change_config(folder, options={"ngf": [4]}), "config.json is damaged"),
    (lambda folder: (folder / "config.json").write_text("{"), "config.json is damaged"),
    (lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9]),
     "model.safetensors is a damaged safetensors file"),
    (lambda folder: shutil.copy(folder.parent / "checkpoints/other/latest_net_G.pth", folder / "model.safetensors"),
     "model.safetensors is a damaged safetensors file"),  # a pickle, though its weights would fit
])
def test_a_hub_folder_that_is_not_whole_is_refused(exported, tmp_path, harm, said):
    save_run(Path("checkpoints/run"))
    save_run(Path("checkpoints/other"))
    folder = tmp_path / exported("hub")[0]
    bothways.load("out")
    harm(folder)
    with pytest.raises(bothways.Error, match=said):
        bothways.load("out")


def test_weights_without_the_checksum_may_be_changed_on_purpose(exported, photo):
    save_run(Path("checkpoints/run"))
    place, _ = exported("hub")
    before = np.asarray(bothways.load(place)(photo))
    other = lively_generator("resnet_6blocks", "instance", False, seed=9).state_dict()
    safetensors.save_file(other, place / "model.safetensors")
    change_config(place, sha256=None)
    assert (np.asarray(bothways.load(place)(photo)) != before).any()


def test_samples_show_an_input_and_its_translation_or_nothing(exported, photo):
    run = save_run(Path("checkpoints/run"))
    place, said = exported("hub")
    shown = np.asarray(Image.open(place / "samples/1.png"))
    np.testing.assert_array_equal(shown, np.concatenate([np.asarray(Image.open(photo)), bothways.load(run)(photo)], 1))
    assert "![Input and translation](samples/1.png)" in (place / "README.md").read_text()
    assert "note: out/samples shows 1 picture to whoever gets the folder; --samples 0 leaves them out" in said
    place, said = exported("hub", "--samples 0")
    assert not (place / "samples").exists() and "samples" not in (place / "README.md").read_text() + said


def test_layers_that_are_shared_are_written_with_each_of_their_names(tmp_path):
    shared = torch.nn.Conv2d(3, 3, 1)
    write_safetensors(tmp_path / "net.safetensors", torch.nn.Sequential(shared, shared).state_dict(), {})
    found = read_weights(tmp_path / "net.safetensors")
    assert found.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert torch.equal(found["0.weight"], shared.weight) and torch.equal(found["1.weight"], shared.weight)
