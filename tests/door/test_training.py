"""bothways.train: train.py by keywords, in this process."""
import os
import signal
import threading

import pytest

import bothways
from helpers.commands import TINY


def keywords(**more: object) -> dict:
    words = TINY.split()
    return {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)} | more


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_training_by_keywords(here, dataroot, capsys):
    done = bothways.train(**keywords(dataroot=dataroot, name="maps", model="pix2pix", print_freq=2, no_flip=True))
    assert (here / done.folder).samefile(here / "checkpoints" / "maps") and not done.stopped
    assert set(done.losses) == {"G_GAN", "G_L1", "D_real", "D_fake"} and done.losses["G_L1"] > 0
    assert '"no_flip": {\n  "value": true' in (done.folder / "train_opt.json").read_text()
    assert "End of epoch 1 / 1" in capsys.readouterr().out
    made = bothways.load(done.folder, device="cpu")(dataroot / "testA" / "1.png")
    assert made.size == (32, 32)
    with pytest.raises(bothways.UserError, match="already holds a run"):
        bothways.train(**keywords(dataroot=dataroot, name="maps", model="pix2pix"))
    with pytest.raises(bothways.OptionError, match="--n_epoch is not an option"):
        bothways.train(**keywords(dataroot=dataroot, name="maps", n_epoch=3))


def test_an_interrupted_training_is_saved_and_goes_on(here, dataroot, monkeypatch):
    from runs.stop import StopRequest

    asked, check = [], StopRequest.check

    def interrupted(self):
        asked.append(1)
        if len(asked) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        check(self)
    monkeypatch.setattr(StopRequest, "check", interrupted)
    options = keywords(dataroot=dataroot, name="maps", model="template")
    with pytest.raises(KeyboardInterrupt, match="maps is saved; continue_train=True goes on with it"):
        bothways.train(**options)
    assert (here / "checkpoints" / "maps" / "latest_state.pth").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert bothways.train(dataroot=dataroot, name="maps", continue_train=True).stopped == ""


def test_a_second_interrupt_leaves_the_training_but_not_the_process(here, dataroot, monkeypatch):
    from runs.stop import StopRequest

    def twice(self):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "check", twice)
        with pytest.raises(KeyboardInterrupt, match="stopped at once"):
            bothways.train(**keywords(dataroot=dataroot, name="maps", model="template"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert bothways.train(**keywords(dataroot=dataroot, name="maps", model="template", overwrite=True)).losses


def test_a_training_in_another_thread(here, dataroot):
    done = []
    thread = threading.Thread(target=lambda: done.append(
        bothways.train(**keywords(dataroot=dataroot, name="maps", model="template"))))
    thread.start()
    thread.join()
    assert (done[0].folder / "latest_net_G.pth").exists()
