"""bothways.load: the pixels of test.py, for every kind of picture, from any thread, anywhere, without a word."""
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bothways
from helpers.commands import ROOT
from helpers.images import read_pixels, write_image
from helpers.lively import CYCLE, LIVELY, NOISY
from pages.pictures import to_pictures
from raster.value_range import BYTES


def fakes(folder: Path, label: str) -> dict[str, np.ndarray]:
    return {path.name.removesuffix(f"_{label}.png"): read_pixels(path)
            for path in folder.glob(f"images/*_{label}.png")}


@pytest.mark.parametrize("line, flags, options, label, side", [
    (NOISY, "--model test", {}, "fake", "testA"), (NOISY, "--model test --seed 3", {"seed": 3}, "fake", "testA"),
    (NOISY, "--model test --eval", {"eval": True}, "fake", "testA"),
    (NOISY, "--model test --preprocess none --batch_size 2", {"preprocess": "none", "batch_size": 2}, "fake", "testA"),
    (CYCLE, "", {}, "fake_B", "testA"), (CYCLE, "", {"direction": "BtoA"}, "fake_A", "testB"),
    (f"{CYCLE} --no_dropout false", "", {}, "fake_B", "testA"),
    (f"{CYCLE} --no_dropout false", "", {"direction": "BtoA"}, "fake_A", "testB"),
])
def test_the_pixels_are_those_of_the_command(load, translate, dataroot, line, flags, options, label, side):
    G = load(line, **{name: value for name, value in options.items() if name != "batch_size"})
    root = dataroot / side
    folder = translate(f"{flags} --dataroot {root}" if "test" in flags else flags)
    made = G([root / f"{number}.png" for number in range(1, 5)], options.get("batch_size", 1))
    for number, image in enumerate(made, start=1):
        np.testing.assert_array_equal(np.asarray(image), fakes(folder, label)[str(number)])
    assert np.asarray(made[0]).std() > 10


def test_colorization_is_shown_in_rgb(load, translate, dataroot, photo):
    G = load(f"--model colorization {LIVELY}", preprocess="none")
    folder = translate(f"--dataroot {dataroot.rename(dataroot.with_name('colours'))} --phase testA --preprocess none")
    for number, expected in fakes(folder, "fake_B_rgb").items():
        image = G(dataroot.with_name("colours") / "testA" / f"{number}.png")
        assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1
        np.testing.assert_array_equal(np.asarray(image), expected)
    assert G(torch.zeros(3, 20, 21)).shape == (3, 20, 21)
    with pytest.raises(bothways.UserError, match="answers colours without the lightness"):
        G.translate_file(photo, "made.tif", tile=32)


def test_noise_is_a_function_of_the_seed_alone(load, dataroot):
    G = load(NOISY)
    files = [dataroot / "testA" / f"{number}.png" for number in range(1, 5)]
    in_order = [np.asarray(G(file)) for file in files]
    state = torch.get_rng_state()
    torch.manual_seed(99)
    for file, expected in list(zip(files, in_order, strict=True))[::-1]:
        np.testing.assert_array_equal(np.asarray(G(file)), expected)
    torch.manual_seed(99)
    drawn = torch.rand(3)
    torch.manual_seed(99)
    G(files[0])
    assert torch.equal(torch.rand(3), drawn)
    torch.set_rng_state(state)
    assert (np.asarray(load(NOISY, seed=1)(files[0])) != in_order[0]).any()


def test_translating_changes_nothing(load, photo, tmp_path):
    G = load(NOISY, preprocess="none")  # with batch norm in training mode
    before = {name: value.clone() for name, value in G.engine.model.nets.state_dict().items()}
    assert any("running_mean" in name for name in before)
    first = np.asarray(G(photo))
    G.translate_file(photo, tmp_path / "made.png")
    np.testing.assert_array_equal(np.asarray(G(photo)), first)
    assert all(torch.equal(value, before[name]) for name, value in G.engine.model.nets.state_dict().items())


def test_a_file_that_changed_is_looked_at_anew(load, tmp_path):
    G = load(CYCLE, preprocess="none")
    values = np.random.default_rng(0).random((32, 32, 3))
    np.save(tmp_path / "deep.npy", (values * 65535).astype(np.uint16))
    G.translate_file(tmp_path / "deep.npy", tmp_path / "made.npy")
    np.save(tmp_path / "deep.npy", (values * 4095).astype(np.uint16))
    np.testing.assert_array_equal(G(tmp_path / "deep.npy"), G((values * 4095).astype(np.uint16)))


def test_it_can_be_sent_to_another_process(load, photo):
    G = load(NOISY)
    copied = pickle.loads(pickle.dumps(G))
    np.testing.assert_array_equal(np.asarray(copied(photo)), np.asarray(G(photo)))
    assert copied.device == G.device and len(pickle.dumps(G)) < 100_000


@pytest.mark.parametrize("line, threads", [(NOISY, 8), (CYCLE, 8)])
def test_eight_threads_give_the_pixels_of_one(load, photo, line, threads):
    G = load(line)
    pictures = [np.asarray(Image.open(write_image(photo.with_name(f"{number}.png"), seed=number)))
                for number in range(16)]
    alone = [G(picture) for picture in pictures]
    with ThreadPoolExecutor(threads) as pool:
        for one, other in zip(alone, pool.map(G, pictures), strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_kind_of_picture_comes_back_as_its_kind(load, photo):
    G = load(CYCLE)
    image = Image.open(photo)
    expected = np.asarray(G(photo))
    assert isinstance(G(photo), Image.Image) and expected.shape == (32, 32, 3)
    for given in (str(photo), photo.read_bytes(), image):
        made = G(given)
        assert isinstance(made, Image.Image) and made.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(made), expected)
    made = G(np.asarray(image))
    assert isinstance(made, np.ndarray) and made.dtype == np.uint8
    np.testing.assert_array_equal(made, expected)
    several = G([photo, np.asarray(image), image])
    assert [type(one) for one in several] == [type(G(photo)), np.ndarray, type(G(image))]


def test_gray_arrays_become_what_the_generator_takes(load, photo):
    gray = np.asarray(Image.open(photo).convert("L"))
    G = load(CYCLE)
    np.testing.assert_array_equal(G(gray), G(gray[:, :, None].repeat(3, axis=2)))
    one = load(f"{CYCLE} --input_nc 1 --output_nc 1 --lambda_identity 0")
    assert one(gray).shape == (32, 32) and one(gray[:, :, None]).shape == (32, 32, 1)
    assert one(Image.fromarray(gray)).mode == "L"
    np.testing.assert_array_equal(one(np.asarray(Image.open(photo))), one(gray)[:, :, None])


@pytest.mark.parametrize("height, width", [(32, 32), (33, 47), (5, 7)])
def test_tensors_of_any_size_keep_it(load, height, width):
    G = load(CYCLE)
    x = torch.rand(3, 3, height, width) * 2 - 1
    made = G(x)
    assert made.shape == x.shape and made.dtype == torch.float32 and made.abs().max() <= 1
    torch.testing.assert_close(G(x[1]), made[1], rtol=0, atol=1e-5)
    assert G(x[1].double()).dtype == torch.float64
    (net,) = G.engine.model.nets.values()
    if (height, width) == (32, 32):
        with torch.no_grad():
            torch.testing.assert_close(made, net(x), rtol=0, atol=1e-5)


def test_several_of_one_size_are_translated_at_once(load, photo, monkeypatch):
    G = load(CYCLE, preprocess="none")
    pictures = [np.zeros((32, 32, 3), np.uint8)] * 5 + [np.zeros((36, 32, 3), np.uint8)] * 2
    seen, whole = [], G.engine.translate
    monkeypatch.setattr(G.engine, "translate", lambda batch: seen.append(batch["A"].shape) or whole(batch))
    assert len(G(pictures, batch_size=3)) == 7
    assert [(shape[0], shape[2]) for shape in seen] == [(3, 32), (2, 32), (2, 36)]
    with pytest.raises(bothways.Error, match="batch_size 0 is too small"):
        G(pictures, batch_size=0)


def test_neither_a_word_nor_the_working_directory(trained, tmp_path, photo):
    run = trained(NOISY)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = ("import sys, bothways\nassert 'torch' not in sys.modules\n"
            f"G = bothways.load({str(run)!r}, device='cpu')\nG.translate_file({str(photo)!r}, 'out/made.png')\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["made.png", "out"]
    np.testing.assert_array_equal(read_pixels(elsewhere / "out" / "made.png"),
                                  np.asarray(bothways.load(run, device="cpu")(photo)))


@pytest.mark.parametrize("line, options, said", [
    (NOISY, {"direction": "BtoA"}, "holds one generator, trained with --direction AtoB: it does not translate BtoA"),
    (NOISY, {"evil": True}, "--evil is not an option here (did you mean --eval?)"),
    (NOISY, {"epoch": 7}, "It holds no 7, only 1, latest"), (NOISY, {"weights": "ema"}, "trained without --ema"),
    (NOISY, {"netG": "unet_128"}, "--netG unet_128 does not fit the trained run"),
    (NOISY, {"device": "cuda:99"}, "device 'cuda:99' is not there"), (NOISY, {"dataroot": "x"}, "leave it out"),
])
def test_what_cannot_be_loaded_is_said(trained, line, options, said):
    with pytest.raises(bothways.Error) as error:
        bothways.load(trained(line), **{"device": "cpu", **options})
    assert said in str(error.value)


def test_a_run_without_such_a_generator_is_said(trained):
    with pytest.raises(bothways.UserError, match="is a run of --model cogan, which has no generator that translates a"):
        bothways.load(trained("--model cogan"), device="cpu")


def test_no_run_is_said_with_those_there_are(trained):
    run = trained(NOISY)
    with pytest.raises(bothways.UserError, match="there is no run .*/other; runs in .*: run"):
        bothways.load(run.with_name("other"))


@pytest.mark.parametrize("given, said", [
    (3, "int is nothing that can be translated"), ([None], "NoneType is nothing"),
    (np.zeros((2, 3, 4, 5)), "no picture; expected (H, W) or (H, W, C)"), (b"no picture", "no picture"),
    (torch.zeros(4, 8, 8), "has 4 channels, and the generator takes 3"), (torch.zeros(8, 8), "no picture; expected"),
    ("missing.png", "missing.png"), ("a\0b.png", "null byte"),
    (Image.new("RGB", (0, 3)), "0x3 pixels is no picture"), (np.zeros((8, 8, 5), np.uint8), "has 5 channels"),
])
def test_what_is_no_picture_is_said(load, given, said):
    with pytest.raises(bothways.UserError) as error:
        load(CYCLE)(given)
    assert said in str(error.value)


def test_what_was_loaded_can_be_seen(load):
    G = load(CYCLE, direction="BtoA")
    assert G.run.name == "run" and G.device.type == "cpu"
    for word in ("G_B of", str(G.run), "BtoA", "resnet_6blocks", "3 to 3 channels"):
        assert word in repr(G)


def test_torch_hub_finds_it(trained, photo):
    run = trained(CYCLE)
    G = torch.hub.load(str(ROOT), "translator", run=run, device="cpu", source="local")
    np.testing.assert_array_equal(np.asarray(G(photo)), np.asarray(bothways.load(run, device="cpu")(photo)))


def test_bytes_are_rounded_as_pages_round_them():
    unit = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    unit[0, 0] = (torch.arange(256 * 256).view(256, 256) % 511) / 255 - 1  # where halves are
    (expected,) = to_pictures(unit)
    made = BYTES.from_unit(unit[0].permute(1, 2, 0).numpy(), np.dtype(np.uint8))
    np.testing.assert_array_equal(made, expected)


def test_a_file_in_tiles(load, tmp_path, capsys):
    source = write_image(tmp_path / "large.png", 149, 93, seed=3)
    G, done = load(CYCLE, preprocess="none"), []
    capsys.readouterr()
    G.translate_file(source, tmp_path / "out" / "made.tif", tile=32, progress=lambda *now: done.append(now))
    assert done[-1][0] == done[-1][1] and len(done) > 3 and capsys.readouterr().out == ""
    made, whole = read_pixels(tmp_path / "out" / "made.tif").astype(int), np.asarray(G(source))
    assert np.abs(made - whole).max() <= 1 and made.shape == (93, 149, 3)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["made.tif"]
    for tile, norm, said in ((33, "exact", "no side of a tile"), (32, "best", "tile_norm 'best' is not known")):
        with pytest.raises(bothways.UserError, match=said):
            G.translate_file(source, tmp_path / "other.tif", tile=tile, tile_norm=norm)
    with pytest.raises(bothways.UserError, match="is an input itself"):
        G.translate_file(source, source, tile=32)
