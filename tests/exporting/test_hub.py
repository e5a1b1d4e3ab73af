"""Pushing to the Hugging Face Hub and reading from it, against one on this machine."""
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import bothways
import export
import train
from helpers.commands import ROOT, TINY
from helpers.hub import TOKEN, Hub, running_hub
from helpers.images import write_image
from helpers.saved_runs import save_run
from runs.weight_files import read_weights

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")
pytest.importorskip("safetensors")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, an empty cache for it, and the login of ann."""
    monkeypatch.chdir(tmp_path)
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                            running.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture
def push(hub: Hub, tmp_path: Path) -> Callable[[str], Path]:
    """Pushes checkpoints/run by export.py; returns the folder that was pushed."""
    photo = write_image(tmp_path / "photos" / "secret_name.png", 36, 32)

    def run(line: str) -> Path:
        export.main(f"--name run --to hub --output out --dataroot {photo} {line}".split())
        return tmp_path / "out"
    return run


@pytest.mark.slow
def test_what_one_pushes_another_reads_with_an_empty_cache(hub, push, tmp_path):
    run = save_run(Path("checkpoints/run"), "resnet_6blocks", "batch", True)
    folder = push("--push ann/maps --license cc-by-4.0")
    files = hub.repos["ann/maps"].files
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == {
        name: content for name, content in files.items() if name != ".gitattributes"}
    assert files.keys() == {".gitattributes", "README.md", "config.json", "model.safetensors", "samples/1.png"}
    assert b"secret_name" not in b"".join(files.values())
    hub.asked.clear()
    code = ("import bothways, numpy, sys; G = bothways.load('hf://ann/maps', device='cpu'); "
            "numpy.save('there.npy', numpy.asarray(G(sys.argv[1])))")
    quiet = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "photos/secret_name.png")], check=True, env={
        **quiet, "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1"})
    wanted = bothways.load(run, device="cpu")(tmp_path / "photos/secret_name.png")
    np.testing.assert_array_equal(np.load("there.npy"), np.asarray(wanted))
    fetched = [asked.rpartition("/")[2] for asked in hub.asked if asked.startswith("GET /ann/maps/resolve/")]
    assert fetched == ["config.json", "model.safetensors"]  # nothing else, and no code


def test_a_training_that_begins_with_a_place_on_the_hub_remembers_the_commit(hub, push, dataroot, capsys):
    save_run(Path("checkpoints/run"), nets=("G_A", "G_B"))
    push("--direction BtoA --push ann/back")
    commit = hub.repos["ann/back"].newest
    line = f"--dataroot {dataroot} --name next --model cycle_gan --lr 0 {TINY} --init_from hf://ann/back"
    train.main(line.split())
    assert f"network G_B: from hf://ann/back@{commit}: " in capsys.readouterr().out
    begun, wanted = (read_weights(Path(f"checkpoints/{name}/latest_net_G_B.pth")) for name in ("next", "run"))
    assert all(torch.equal(begun[key], wanted[key]) for key in wanted)
    saved = json.loads(Path("checkpoints/next/train_opt.json").read_text())
    assert saved["init_from"] == {"value": f"hf://ann/back@{commit}", "source": "command line"}
    hub.asked.clear()
    train.main([*line.split(), "--continue_train", "--n_epochs", "2"])
    assert hub.asked == []  # what it began with is done with


def test_what_is_not_on_the_hub_is_said_before_the_data_are_looked_at(hub, failure):
    line = "--dataroot nowhere --name next --model pix2pix --gpu_ids -1 --init_from hf://ann/none"
    code, said = failure(train.main, line.split())
    assert code == 2 and said.startswith("error: hf://ann/none does not exist") and not Path("checkpoints").exists()


def test_a_revision_is_read_and_without_network_the_cache(hub, push, tmp_path, monkeypatch):
    save_run(Path("checkpoints/run"))
    push("--push ann/maps")
    first = hub.repos["ann/maps"].newest
    save_run(Path("checkpoints/other"), norm="none")
    place = "--push ann/maps --overwrite"
    export.main(f"--name other --to hub --output other --dataroot {tmp_path}/photos {place}".split())
    assert bothways.load("hf://ann/maps").opt.norm == "none"
    assert bothways.load(f"hf://ann/maps@{first}").opt.norm == "instance"
    assert bothways.load(Path("hf://ann/maps")).opt.norm == "none"
    hub.asked.clear()
    assert bothways.load(f"hf://ann/maps@{first}").opt.norm == "instance" and hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert bothways.load("hf://ann/maps").opt.norm == "none" and hub.asked == []
    with pytest.raises(bothways.MachineError, match="hf://ann/new cannot be reached.* not whole in the cache"):
        bothways.load("hf://ann/new")


@pytest.mark.parametrize("address, said", [
    ("hf://ann/none", "hf://ann/none does not exist, or is private and this machine is not logged in"),
    ("hf://ann/maps@v3", "hf://ann/maps@v3: there is no such revision; leave out @REVISION"),
    ("hf://ann", "'hf://ann' is no place on the Hub; expected hf://USER/REPO"),
    ("hf://ann/maps/model.safetensors", "is no place on the Hub"),
    ("hf://ann/pickles", "hf://ann/pickles holds no config.json with model.safetensors"),
    ("hf://ann/transformers", "hf://ann/transformers does not describe a generator of this toolkit"),
    ("hf://ann/tomorrow", "hf://ann/tomorrow has version 2 of bothways_config, and this toolkit reads version 1"),
    ("hf://ann/torn", "hf://ann/torn holds no config.json with model.safetensors"),
    ("hf://ann/gated", "hf://ann/gated asks for consent before it is read: give it on https://huggingface.co"),
])
def test_what_cannot_be_read_is_said(hub, address, said):
    harmful = pickle.dumps({"a": 1})
    hub.add("ann/maps", {})
    hub.add("ann/gated", {"config.json": b"{}"}).gated = True
    hub.add("ann/pickles", {"latest_net_G.pth": harmful, "pytorch_model.bin": harmful})
    hub.add("ann/transformers", {"config.json": b'{"model_type": "vit"}', "model.safetensors": bytes(99)})
    hub.add("ann/tomorrow", {"config.json": b'{"bothways_config": 2}', "model.safetensors": bytes(99)})
    hub.add("ann/torn", {"config.json": b'{"bothways_config": 1, "options": {}}'})
    with pytest.raises(bothways.UserError) as error:
        bothways.load(address)
    assert said in str(error.value)
    assert not any("pickles/resolve/main/" in asked and "config.json" not in asked for asked in hub.asked)
    assert not any("model.safetensors" in asked for asked in hub.asked if "torn" not in asked)  # it may be large


def test_a_pickle_in_the_place_of_the_weights_is_not_run(hub, tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)
    config = {"bothways_config": 1, "network": "G", "options": {"model": "test", "netG": "resnet_6blocks"}}
    hub.add("eve/maps", {"config.json": json.dumps(config).encode(), "model.safetensors": pickle.dumps(Harmful())})
    with pytest.raises(bothways.UserError, match="model.safetensors is a damaged safetensors file"):
        bothways.load("hf://eve/maps")
    assert not (tmp_path / "harm").exists()


def test_a_private_place_needs_a_login(hub, push, monkeypatch):
    save_run(Path("checkpoints/run"))
    push("--push ann/mine --private --samples 0")
    assert hub.repos["ann/mine"].private and "samples/1.png" not in hub.repos["ann/mine"].files
    assert bothways.load("hf://ann/mine").opt.ngf == 4
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "elsewhere")
    with pytest.raises(bothways.UserError, match="or is private and this machine is not logged in.* `hf auth login`"):
        bothways.load("hf://ann/mine")


def test_a_new_generator_takes_the_place_of_an_old_one_with_its_samples(hub, push):
    save_run(Path("checkpoints/run"))
    push("--push ann/maps")
    assert "samples/1.png" in hub.repos["ann/maps"].files
    push("--push ann/maps --overwrite --samples 0")
    assert "samples/1.png" not in hub.repos["ann/maps"].files and len(hub.repos["ann/maps"].commits) == 3


@pytest.mark.parametrize("line, token, said", [
    ("--push ann/maps", "", "--push ann/maps: this machine is not logged in. `hf auth login` logs in"),
    ("--push ann/maps", "hf_wrong", "--push ann/maps: the Hub does not know who asks"),
    ("--push maps", TOKEN, "--push maps is no place on the Hub; expected USER/REPO"),
    ("--push ann/old", TOKEN, "--push ann/old is there already; give another place, or --overwrite"),
    ("--push ann/old --overwrite --private", TOKEN, "--push ann/old is there already, and everybody may see it"),
    ("--private", TOKEN, "--private is for --push USER/REPO"),
])
def test_a_push_that_cannot_be_is_refused_before_the_work(hub, push, failure, monkeypatch, line, token, said):
    save_run(Path("checkpoints/run"))
    hub.add("ann/old", {"model.safetensors": b"theirs"})
    monkeypatch.setenv("HF_TOKEN", token)
    code, found = failure(push, line)
    assert code == 2 and found.startswith(f"error: {said}") and found.count("\n") == 1
    assert not Path("out").exists() and hub.repos.keys() == {"ann/old"} and len(hub.repos["ann/old"].commits) == 2


@pytest.mark.parametrize("line, code, said", [
    ("--push bob/maps", 2, "--push bob/maps: the Hub refuses this (403)"),
    ("--push ann/maps --license mine", 2, '--push ann/maps: Invalid metadata in README.md. - "license" must be one of'),
])
def test_a_push_that_the_hub_refuses_leaves_the_folder(hub, push, failure, line, code, said):
    save_run(Path("checkpoints/run"))
    found = failure(push, line)
    assert found[0] == code and found[1].splitlines()[-1].startswith(f"error: {said}")
    assert Path("out/model.safetensors").exists()
    assert "model.safetensors" not in [name for repo in hub.repos.values() for name in repo.files]
    push("--push ann/maps --overwrite")  # by the same line, mended; the place that was made is empty
    assert "model.safetensors" in hub.repos["ann/maps"].files


@pytest.mark.parametrize("answer", [500, 503])
def test_a_hub_that_fails_is_the_machine(hub, push, failure, monkeypatch, answer):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    save_run(Path("checkpoints/run"))
    hub.answer = answer
    code, said = failure(push, "--push ann/maps")
    assert code == 1 and said.startswith(f"error: --push ann/maps: the Hub answers {answer}")
    with pytest.raises(bothways.MachineError, match="hf://ann/maps cannot be reached, and is not whole in the cache"):
        bothways.load("hf://ann/maps")


def test_without_a_network_it_is_the_machine_too(hub, push, failure, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    save_run(Path("checkpoints/run"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    code, said = failure(push, "--push ann/maps")
    assert code == 1 and said.startswith("error: --push ann/maps: the Hub cannot be reached: ")
    with pytest.raises(bothways.MachineError, match="hf://ann/maps cannot be reached, and is not whole in the cache"):
        bothways.load("hf://ann/maps")


def test_a_cache_that_cannot_be_written(hub, push, tmp_path, monkeypatch):
    save_run(Path("checkpoints/run"))
    push("--push ann/maps")
    Path("file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(bothways.MachineError, match="^hf://ann/maps: .*Not a directory"):
        bothways.load("hf://ann/maps")


def test_a_machine_without_the_library(hub, push, failure, monkeypatch):
    save_run(Path("checkpoints/run"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, said = failure(push, "--push ann/maps")
    assert code == 2 and "--push needs huggingface_hub, which cannot be imported" in said
    assert said.endswith("pip install .[hub]\n")
    with pytest.raises(bothways.UserError, match="hf://ann/maps needs huggingface_hub.* pip install .\\[hub\\]"):
        bothways.load("hf://ann/maps")


def test_the_library_understands_the_card(hub, push):
    save_run(Path("checkpoints/run"))
    folder = push("--license cc-by-4.0")
    data = huggingface_hub.ModelCard.load(folder / "README.md").data
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-4.0", "bothways", "image-to-image")
