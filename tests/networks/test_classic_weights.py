"""Weight files of the classic implementation, dropped into a run's folder with and without its options."""
import ast
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.commands import ROOT
from helpers.images import answer_by_hand, read_pixels, write_image, write_pairs
from networks.discriminators import DISCRIMINATORS
from networks.generators import GENERATORS
from networks.layers import NORMS, init_weights
from networks.recognize import recognize_generator
from runs.weight_files import read_weights
from util.errors import UserError

pytestmark = pytest.mark.slow

KINDS = [(netG, norm) for netG in GENERATORS for norm in NORMS]


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def build(netG: str, norm: str, dropout: bool, input_nc: int = 3, output_nc: int = 3) -> nn.Module:
    """A generator that answers with more than gray, its batch norms with statistics of their own."""
    torch.manual_seed(1)
    gain = {"none": 2.0 if "encoder" not in netG else 2.5}.get(norm, 1.0)  # without skips less comes through
    net = init_weights(GENERATORS[netG].build(input_nc, output_nc, 4, norm, dropout), "xavier", gain)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
    return net


def drop(state: dict[str, Tensor], name: str = "latest_net_G") -> Path:
    """Put a weight file into the run's folder."""
    folder = Path("checkpoints/run")
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / f"{name}.pth")
    return folder


def assert_answers(folder: Path, net: nn.Module, input_nc: int = 3) -> None:
    """The result x of the folder is what `net` makes of it."""
    given = read_pixels(folder / "images" / "x_real.png")
    expected = answer_by_hand(net, given if input_nc == 3 else given[:, :, 0])
    got = read_pixels(folder / "images" / "x_fake.png").astype(int)
    np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), atol=1)
    assert got.std() > 10


# Without any options

@pytest.mark.parametrize("netG, norm", KINDS)
@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("input_nc, output_nc", [(1, 3), (3, 1)])
def test_a_generator_is_recognized_by_its_weights(netG, norm, dropout, input_nc, output_nc):
    net = GENERATORS[netG].build(input_nc, output_nc, 4, norm, dropout)
    expected = {"netG": netG, "ngf": 4, "norm": "batch" if norm == "syncbatch" else norm,  # the same weights
                "input_nc": input_nc, "output_nc": output_nc}
    if netG.startswith("resnet"):  # a U-Net's keys are the same with dropout
        expected["no_dropout"] = not dropout
    assert recognize_generator(net.state_dict()) == expected


@pytest.mark.parametrize("netG, norm", KINDS)
@pytest.mark.parametrize("dropout, input_nc, output_nc", [(True, 1, 3), (False, 3, 1)])
def test_a_dropped_weight_file_answers_as_it_did(translate, tmp_path, netG, norm, dropout, input_nc, output_nc):
    net = build(netG, norm, dropout, input_nc, output_nc)
    drop(net.state_dict())
    side = max(32, GENERATORS[netG].min_size)
    write_image(tmp_path / "photos" / "x.png", side, side)
    # the weights of a U-Net do not tell that it has no dropout, the user has to
    flag = "--eval" if dropout else "" if netG.startswith("resnet") else "--no_dropout"
    folder = translate(f"--model test --dataroot photos --preprocess none {flag}")
    assert_answers(folder, net.train(not dropout), input_nc)


@pytest.mark.parametrize("netG, flag, said", [
    ("unet_128", "", True), ("unet_128", "--no_dropout", False), ("unet_128", "--eval", False),
    ("resnet_6blocks", "", False),
])
def test_what_is_assumed_of_the_dropout_of_a_bare_unet_is_said(translate, tmp_path, capsys, netG, flag, said):
    drop(build(netG, "batch", True).state_dict())
    write_image(tmp_path / "photos" / "x.png", 128, 128)
    translate(f"--model test --dataroot photos --preprocess none {flag}")
    assert ("note: checkpoints/run/latest_net_G.pth is a U-Net, whose weights do not show whether it was trained with "
            "dropout: assumed with; --no_dropout true says otherwise" in capsys.readouterr().out) == said


def early(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """As saved before 2018, when instance norms carried statistics."""
    for name, module in net.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            state |= {f"{name}.running_mean": torch.ones(module.num_features),
                      f"{name}.running_var": torch.ones(module.num_features),
                      f"{name}.num_batches_tracked": torch.tensor(7)}
    return state


def parallel(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """As saved from DataParallel."""
    return {f"module.{key}": value for key, value in state.items()}


@pytest.mark.parametrize("netG, side", [("resnet_6blocks", 32), ("unet_128", 128)])
@pytest.mark.parametrize("history", [(early,), (parallel,), (early, parallel)])
def test_weights_with_stale_keys_and_prefixes(translate, tmp_path, netG, side, history):
    net = build(netG, "instance", False)
    state = dict(net.state_dict())
    for change in history:
        state = change(state, net)
    assert state.keys() != net.state_dict().keys()
    drop(state)
    write_image(tmp_path / "photos" / "x.png", side, side)
    assert_answers(translate("--model test --dataroot photos --preprocess none --eval"), net)


def test_batch_norms_keep_their_statistics_under_a_prefix():
    net = build("resnet_6blocks", "batch", False)
    drop(parallel(net.state_dict(), net))
    read = read_weights(Path("checkpoints/run/latest_net_G.pth"))
    assert read.keys() == net.state_dict().keys()
    assert torch.equal(read["model.2.running_mean"], net.state_dict()["model.2.running_mean"])


def test_one_side_of_a_cycle_gan_is_taken_by_direction(translate, tmp_path):
    forth, back = (build("resnet_6blocks", "instance", False, *nc) for nc in ((3, 1), (1, 3)))
    drop(forth.state_dict(), "latest_net_G_A")
    drop(back.state_dict(), "latest_net_G_B")
    write_image(tmp_path / "photos" / "x.png")
    line = "--model test --dataroot photos --preprocess none"
    assert_answers(translate(line), forth)
    assert_answers(translate(f"{line} --direction BtoA --overwrite"), back, input_nc=1)


def test_a_flag_against_the_weights_is_refused_with_both_values(translate, tmp_path, failure):
    drop(build("resnet_6blocks", "instance", False).state_dict())
    code, said = failure(translate, f"--model test --dataroot {tmp_path} --netG resnet_9blocks")
    assert code == 2
    assert ("--netG resnet_9blocks does not fit the trained run, which has netG resnet_6blocks "
            "(checkpoints/run/latest_net_G.pth); leave out --netG") in said


# With the options of the classic implementation

CLASSIC_2018 = """\
----------------- Options ---------------
                crop_size: 128                           \t[default: 256]
                direction: BtoA                          \t[default: AtoB]
                 input_nc: 3                            \x20
                  isTrain: True                          \t[default: None]
         max_dataset_size: inf                          \x20
                     netG: unet_128                      \t[default: unet_256]
                      ngf: 4                             \t[default: 64]
               no_dropout: True                          \t[default: False]
                     norm: instance                      \t[default: batch]
                output_nc: 3                            \x20
                   suffix:                              \x20
----------------- End -------------------
"""
CLASSIC_2017 = """\
------------ Options -------------
fineSize: 128
input_nc: 3
max_dataset_size: inf
ngf: 4
no_dropout: True
norm: instance
output_nc: 3
which_direction: BtoA
which_model_netG: unet_128
-------------- End ----------------
"""


@pytest.mark.parametrize("name, text", [("train_opt.txt", CLASSIC_2018), ("opt.txt", CLASSIC_2017)])
def test_the_classic_options_beside_the_weights_are_read(translate, tmp_path, name, text):
    net = build("unet_128", "instance", False)
    (drop(net.state_dict()) / name).write_text(text)
    write_pairs(tmp_path / "pairs" / "test", 1, 128)
    images = translate("--model pix2pix --dataroot pairs") / "images"  # neither a direction nor --eval nor a size
    right = np.split(read_pixels(tmp_path / "pairs" / "test" / "1.png"), 2, axis=1)[1]
    np.testing.assert_array_equal(read_pixels(images / "1_real_A.png"), right)
    expected = answer_by_hand(net, right).astype(int)
    np.testing.assert_allclose(read_pixels(images / "1_fake_B.png").astype(int), expected, atol=1)


def test_our_own_classic_text_is_read(train, translate):
    folder = train("--model pix2pix --direction BtoA --no_dropout")
    first = (translate("--model pix2pix") / "images" / "1_fake_B.png").read_bytes()
    (folder / "train_opt.json").unlink()
    assert (translate("--model pix2pix") / "images" / "1_fake_B.png").read_bytes() == first


# What is no weight file

class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("content, message", [
    (b"", "is empty; expected a state_dict"),
    (b"\n<!DOCTYPE html><html>404</html>", "is a web page (HTML), perhaps of a download that failed"),
    (b"version https://git-lfs.github.com/spec/v1", "is a text file that begins with 'version https://git-lfs"),
    (b"hello there", "is a text file that begins with 'hello there'"),
    (b"\0" * 100, "is damaged, cut off, or no weight file at all"),
    (nn.Conv2d(1, 1, 1), "holds a whole pickled object (torch.nn.modules.conv.Conv2d)"),
    ({"model.1.weight": Harmful()}, f"holds a whole pickled object ({os.mkdir.__module__}.mkdir)"),
    (torch.zeros(3), "holds a Tensor; expected a state_dict"),
    ({}, "holds a dict of nothing; expected a state_dict"),
    ({"epoch": 3, "state_dict": {}}, "holds a dict of epoch, state_dict; expected a state_dict"),
    ({"weight": torch.zeros(3)},
     "is not a generator of this toolkit: its keys (weight, ...) are not those of a resnet"),
    *[(discriminator(3, 4, 3, "batch").state_dict(), "is not a generator of this toolkit: it is a discriminator")
      for discriminator in DISCRIMINATORS.values()],
], ids=lambda value: value[:25] if isinstance(value, str) else "")
def test_what_is_no_weight_file_is_named(translate, tmp_path, failure, content, message):
    folder = drop({})
    path = folder / "latest_net_G.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    code, said = failure(translate, f"--model test --dataroot {tmp_path}")
    assert code == 2
    assert said.startswith(f"error: {path} {message}") and said.count("\n") == 1
    assert not Path("harm").exists()


def test_a_weight_file_that_was_cut_off():
    folder = drop(build("resnet_6blocks", "batch", False).state_dict())
    path = folder / "latest_net_G.pth"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="is damaged, cut off, or no weight file at all"):
        read_weights(path)


def test_weights_of_another_network_are_refused_with_the_differences(train, translate, failure):
    folder = train("--model pix2pix")
    drop(build("resnet_6blocks", "instance", True).state_dict())
    code, said = failure(translate, "--model pix2pix")
    assert code == 2 and f"{folder.relative_to(Path.cwd())}/latest_net_G.pth does not fit the network" in said
    assert "  model.2.weight: the file has nothing, the network [4]\n" in said and "more" in said


def test_a_folder_without_a_generator_says_what_it_holds(translate, tmp_path, failure):
    drop({}, "latest_net_D")
    code, said = failure(translate, f"--model test --dataroot {tmp_path}")
    assert code == 2
    assert "no generator of epoch latest to load. checkpoints/run holds: latest_net_D.pth. Give --epoch" in said


def test_no_file_is_ever_loaded_with_code():
    """torch.load runs what a file says unless weights_only=True."""
    rooms = [folder for folder in ROOT.glob("[!.]*/") if folder.name != "tests"]  # not .venv, which is large
    files = [*ROOT.glob("*.py"), *(path for room in rooms for path in room.rglob("*.py"))]
    loads = [(path, call) for path in files
             for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(call, ast.Call) and ast.unparse(call.func) in ("torch.load", "pickle.load", "pickle.loads")]
    safe = [path for path, call in loads if "weights_only=True" in map(ast.unparse, call.keywords)]
    assert safe == [path for path, _ in loads]
    assert ROOT / "runs" / "weight_files.py" in safe
