"""Anything may lie where a weight file should: it is named and refused, and code in it is never run."""
import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.images import write_image
from networks.discriminators import DISCRIMINATORS
from networks.generators import GENERATORS

EXPECTED = "expected a state_dict (names to tensors) saved with torch.save\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1134\n"
PICKLE = "is a pickle, cut off or not written by torch.save; code in it is not run"
Fail = Callable[[], str]


def build(netG: str = "resnet_6blocks", ngf: int = 4, norm: str = "instance",
          input_nc: int = 3, output_nc: int = 3) -> nn.Module:
    return GENERATORS[netG].build(input_nc, output_nc, ngf, norm, False)


def saved(content: object, **how: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def torch_script() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # it is deprecated; such files are around all the same
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 8, 8)), buffer)
    return buffer.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"model.1.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def zip_that_begins_before_the_file() -> bytes:
    content = zip_of_text()
    place = content.rindex(b"PK\5\6") + 12  # how long its directory says that it is
    return content[:place] + struct.pack("<L", 1_000_000) + content[place + 4:]


def zip_of_text() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return buffer.getvalue()


@pytest.fixture(params=["with options", "without options"])
def path(request, tmp_path, monkeypatch) -> Path:
    """Where a run keeps the weights of its generator, a resnet_6blocks of ngf 4, beside its options or without any."""
    monkeypatch.chdir(tmp_path)
    folder = Path("checkpoints/run")
    folder.mkdir(parents=True)
    if request.param == "with options":
        options = {"netG": "resnet_6blocks", "ngf": 4, "norm": "instance", "no_dropout": True}
        rows = {name: {"value": value, "source": "command line"} for name, value in options.items()}
        (folder / "train_opt.json").write_text(json.dumps(rows))
    return folder / "latest_net_G.pth"


@pytest.fixture
def refusal(path, translate, tmp_path, failure) -> Fail:
    """Translates with what lies at `path`; returns how that was refused."""
    photo = write_image(tmp_path / "photos" / "x.png")

    def run() -> str:
        code, said = failure(translate, f"--model test --dataroot {photo} --load_size 32 --crop_size 32")
        assert code == 2 and "Traceback" not in said
        assert not (tmp_path / "results").exists()
        return said
    return run


@pytest.mark.parametrize("content, what", [
    (saved(build().state_dict())[:3000], "is damaged, cut off, or no weight file at all (RuntimeError)"),
    (saved(build().state_dict())[:-100], "is damaged, cut off, or no weight file at all (RuntimeError)"),
    (saved(build().state_dict(), _use_new_zipfile_serialization=False)[:3000], PICKLE),
    (LFS.encode(), "is a text file that begins with 'version https://git-lfs.github.com/spec/v1\\noid sha256:4d7a\\ns' "
                   "(a Git LFS pointer: `git lfs pull` fetches what it stands for)"),
    (b"<!DOCTYPE html>\n<title>404</title>", "is a web page (HTML), perhaps of a download that failed"),
    (b"\xef\xbb\xbf<html>", "is a web page (HTML), perhaps of a download that failed"),
    (torch_script(), "is a TorchScript program, whose code is not run; where it was made, save its weights alone"),
    (saved(build()),
     "holds a whole pickled object (networks.generators.ResnetGenerator), whose code could do anything"),
    (zip_of_text(), "is a zip archive of 'readme.txt'"),
    (zip_that_begins_before_the_file(), "is damaged, cut off, or no weight file at all (RuntimeError)"),
    (pickle.dumps({"a": 1}), PICKLE),
    (saved([torch.zeros(1)]), "holds a list"),
    (saved({"model.1.weight": 3}), "holds a dict of model.1.weight"),
    (saved({"model.1.weight": torch.zeros(3, device="meta")}), "holds a dict of model.1.weight"),
    (saved({"model.1.weight": torch.zeros(3).to_sparse()}), "holds a dict of model.1.weight"),
    (b"", "is empty"),
], ids=["cut", "end cut", "legacy cut", "lfs", "html", "html with BOM", "torchscript", "module", "zip",
        "zip with an impossible directory", "pickle", "list", "number", "meta", "sparse", "empty"])
def test_what_is_no_state_dict_is_named(path, refusal, recwarn, content, what):
    path.write_bytes(content)
    said = refusal()
    assert recwarn.list == []
    assert said.startswith(f"error: {path} {what}")
    assert said.endswith(EXPECTED) and said.count("\n") == 1


@pytest.mark.parametrize("content, what", [
    (safetensors()[:-2], "is a damaged safetensors file (Error while deserializing header"),
    (safetensors(), "does not fit the network of these options|is not a generator of this toolkit"),
])
def test_safetensors_that_are_damaged_or_of_another_network_are_named(path, refusal, content, what):
    path.write_bytes(content)
    said = refusal()
    assert any(said.startswith(f"error: {path} {one}") for one in what.split("|"))


class Harmful:
    """Makes the folder `harm` when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("content", [
    pickle.dumps(Harmful()), pickle.dumps(Harmful(), protocol=0),
    saved(Harmful()), saved({"model.1.weight": Harmful()}),
    saved({"model.1.weight": Harmful()}, _use_new_zipfile_serialization=False),
    saved({**build().state_dict(), "x": Harmful()}),
], ids=["pickle", "protocol 0", "torch", "torch in a dict", "legacy torch", "beside weights"])
def test_code_in_a_file_is_never_run(path, refusal, content):
    path.write_bytes(content)
    said = refusal()
    assert "whose code could do anything and is not run" in said or PICKLE in said
    assert not Path("harm").exists()
    with suppress(RuntimeError):
        torch.load(path, weights_only=False)  # runs it, so that this test would notice
    assert Path("harm").is_dir()


def test_a_folder_in_place_of_the_file(path, refusal):
    path.mkdir()
    assert refusal() == f"error: {path} cannot be read (Is a directory); {EXPECTED}"


@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED: root may read every file")
def test_a_file_that_may_not_be_read(path, refusal):
    path.write_bytes(saved(build().state_dict()))
    path.chmod(0)
    assert refusal() == f"error: {path} cannot be read (Permission denied); {EXPECTED}"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="NOT TESTED: needs /proc of Linux")
def test_a_file_that_fails_while_it_is_read(path, refusal):
    path.symlink_to("/proc/self/mem")  # opens, and its first page cannot be read
    assert refusal() == f"error: {path} cannot be read (Input/output error); {EXPECTED}"


def test_a_link_to_nothing(path, refusal):
    path.symlink_to("gone.pth")
    assert "a link to gone.pth, which is not there" in refusal()


def test_a_pipe(path, refusal):
    os.mkfifo(path)
    assert refusal() == f"error: {path} is a pipe, a socket or a device; {EXPECTED}"


def test_an_archive_that_unpacks_to_much_more_is_not_unpacked(path, refusal):
    whole, bomb = zipfile.ZipFile(io.BytesIO(saved({"model.1.weight": torch.zeros(1_000_000)}))), io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in whole.infolist():
            archive.writestr(entry.filename, whole.read(entry))
    assert torch.load(io.BytesIO(bomb.getvalue()), weights_only=True)["model.1.weight"].shape == (1_000_000,)
    path.write_bytes(bomb.getvalue())
    said = refusal()
    assert f"{path} is a zip archive of {len(bomb.getvalue())} bytes that unpacks to 400" in said
    assert said.endswith(EXPECTED)


def test_quantised_weights(path, refusal):
    with warnings.catch_warnings(action="ignore"):
        weight = torch.quantize_per_tensor(torch.zeros(4, 3, 7, 7), 0.1, 0, torch.qint8)
        path.write_bytes(saved({"model.1.weight": weight}))
    assert refusal().startswith(f"error: {path} holds quantised tensors (model.1.weight); expected the weights of")


@pytest.mark.parametrize("net, what", [
    (DISCRIMINATORS["basic"](3, 4, 3, "instance"), "it is a discriminator"),
    (DISCRIMINATORS["pixel"](3, 4, 3, "instance"), "it is a discriminator"),
    (nn.Linear(2, 2), "its keys (weight, bias, ...) are not those of a resnet or unet generator"),
])
def test_another_kind_of_network(path, refusal, net, what):
    path.write_bytes(saved(net.state_dict()))
    assert what in refusal()


def run_with(path: Path, refusal: Fail, net: nn.Module) -> str:
    path.write_bytes(saved(net.state_dict()))
    return refusal()


@pytest.mark.parametrize("path", ["with options"], indirect=True)
@pytest.mark.parametrize("other, difference", [
    ({"netG": "unet_128", "norm": "batch"}, "model.1.weight: the file has nothing, the network [4, 3, 7, 7]"),
    ({"netG": "resnet_9blocks"}, "model.16.weight: the file has nothing, the network [16, 8, 3, 3]"),
    ({"ngf": 8}, "model.1.weight: the file has [8, 3, 7, 7], the network [4, 3, 7, 7]"),
    ({"norm": "batch"}, "model.1.bias: the file has nothing, the network [4]"),
    ({"input_nc": 1}, "model.1.weight: the file has [4, 1, 7, 7], the network [4, 3, 7, 7]"),
    ({"output_nc": 1}, "model.23.weight: the file has [1, 4, 7, 7], the network [3, 4, 7, 7]"),
], ids=str)
def test_another_generator_than_the_options_say(path, refusal, other, difference):
    said = run_with(path, refusal, build(**other))
    assert said.startswith(f"error: {path} does not fit the network of these options:\n")
    assert f"  {difference}\n" in said
    in_the_file = next(line for line in said.splitlines() if line.startswith("in the file: "))
    options = {"netG": "resnet_6blocks", "ngf": 4, "norm": "instance", "input_nc": 3, "output_nc": 3}
    for name, value in (options | other).items():
        assert f"--{name} {value}" in in_the_file


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_not_finite(path, refusal, number):
    state = build().state_dict()
    state["model.4.bias"][2] = number
    path.write_bytes(saved(state))
    said = refusal()
    assert said.startswith(f"error: {path}: of the 8 numbers in model.4.bias, 1 are NaN or infinite")
    assert "holds: " in said
