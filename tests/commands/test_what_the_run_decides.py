"""Testing and going on take from the run what its weights mean, how images are sampled and, when going on, all else."""
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data
import models
import train as train_command
from helpers.images import read_pixels, write_image, write_pairs
from helpers.trainings import fingerprint, same

MODEL = '''
from models.template_model import TemplateModel
from options.schema import Group, option

class MineModel(TemplateModel):
    class SharedOptions(Group):
        """mine"""
        depth: int = option(1, "how often the network is applied", structure=True)
        gain: float = option(1.0, "not marked")

    class TrainOptions(TemplateModel.TrainOptions):
        """mine in training"""
        critic: str = option("small", "of training only", choices=("small", "large"), structure=True)

    shared_defaults = {"dataset_mode": "aligned", "no_dropout": True}

    def translate(self, batch):
        fake = batch["A"]
        for _ in range(self.opt.depth):
            fake = self.nets["G"](fake)
        return {"real_A": batch["A"], "fake_B": fake, "real_B": batch["B"]}
'''
DATASET = '''
from data.template_dataset import TemplateDataset
from options.schema import option

class MineDataset(TemplateDataset):
    class ExtraOptions(TemplateDataset.ExtraOptions):
        """mine"""
        rotate: int = option(0, "quarter turns of B", sampling=True)

    def sample(self, index, rng):
        sample = super().sample(index, rng)
        return sample | {"B": sample["B"].rot90(self.opt.rotate, (1, 2))}
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """--model mine and --dataset_mode mine, each with marked options of its own."""
    for package, name, text in ((models, "mine_model", MODEL), (data, "mine_dataset", DATASET)):
        folder = tmp_path / "own" / package.__name__
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield
    for module in ("models.mine_model", "data.mine_dataset"):
        sys.modules.pop(module, None)


@pytest.fixture
def go_on(capsys: pytest.CaptureFixture) -> Callable[[str], str]:
    """Runs train.py with nothing but --name, --continue_train and `line`; returns what it printed."""
    def run(line: str = "") -> str:
        capsys.readouterr()
        train_command.main(f"--name run --gpu_ids -1 --continue_train {line}".split())
        return capsys.readouterr().out
    return run


def saved(file: Path) -> dict[str, dict]:
    return json.loads(file.read_text())


OWN = "--model mine --dataset_mode mine --depth 2 --gain 3 --critic large --rotate 1 --brightness 0.25"
SOURCE = "trained run (checkpoints/run/train_opt.json)"


def test_a_test_takes_what_a_model_and_a_dataset_of_ones_own_have_marked(mine, train, translate, dataroot):
    train(OWN)
    folder = translate("--num_test 1")
    rows = saved(folder / "test_opt.json")
    for name, value in {"model": "mine", "dataset_mode": "mine", "depth": 2, "rotate": 1, "brightness": 0.25}.items():
        assert rows[name] == {"value": value, "source": SOURCE}
    assert rows["gain"] == {"value": 1.0, "source": "default"} and "critic" not in rows
    turned = np.rot90(np.asarray(Image.open(dataroot / "test" / "1.png").resize((32, 32), Image.Resampling.BICUBIC)))
    np.testing.assert_allclose(read_pixels(folder / "images" / "1_real_B.png").astype(int), turned, atol=1)


def test_a_test_may_sample_in_another_way_but_not_change_the_structure(mine, train, translate, failure):
    train(OWN)
    rows = saved(translate("--rotate 3 --num_test 1") / "test_opt.json")
    assert rows["rotate"] == {"value": 3, "source": "command line"}
    code, said = failure(translate, "--depth 1")
    assert code == 2
    assert "--depth 1 does not fit the trained run, which has depth 2 (checkpoints/run/train_opt.json)" in said


def test_going_on_fixes_the_structure_of_a_model_of_ones_own(mine, train, go_on, failure):
    folder = train(OWN)
    before = saved(folder / "train_opt.json")
    go_on("--n_epochs 2 --rotate 3")
    after = saved(folder / "train_opt.json")
    assert after["rotate"] == {"value": 3, "source": "command line"}
    for name in ("depth", "gain", "critic", "brightness", "dataroot", "model"):
        assert after[name] == {"value": before[name]["value"], "source": SOURCE}
    for flags, said in (("--critic small", "--critic: large in the run, small here"),
                        ("--depth 1", "--depth: 2 in the run, 1 here"),
                        ("--dataset_mode template", "--dataset_mode: mine in the run, template here")):
        code, found = failure(go_on, f"--n_epochs 3 {flags}")
        assert code == 2 and said in found


def test_the_name_alone_goes_on_to_the_bits_of_a_whole_training(train, dataroot, tmp_path):
    line = "--model cycle_gan --lambda_A 3 --n_epochs 2 --print_freq 1 --pool_size 2 --lr 0.01 --no_html --batch_size 2"
    whole = fingerprint(train(f"{line} --name whole").with_name("whole"))
    with pytest.raises(SystemExit) as left:
        train(f"{line} --name parts --max_minutes 0.00001")
    assert left.value.code == 75
    train_command.main("--name parts --continue_train --gpu_ids -1".split())  # without --max_minutes, to its end
    assert same(whole, fingerprint(tmp_path / "checkpoints" / "parts"))


def test_what_is_given_replaces_the_run_s_and_is_said_with_both_values(train, go_on, tmp_path):
    folder = train("--model pix2pix --lambda_L1 7 --print_freq 3")
    before = saved(folder / "train_opt.json")
    (tmp_path / "more.txt").write_text("--lr 0.001")
    said = go_on("--n_epochs 2 --lambda_L1 9 @more.txt")
    assert re.findall(r"note: (--.*)", said) == [
        "--lambda_L1 was 7.0, is now 9.0", "--lr was 0.0002, is now 0.001", "--n_epochs was 1, is now 2"]
    after = saved(folder / "train_opt.json")
    changed = {name for name in before if after[name]["value"] != before[name]["value"]}
    assert changed == {"lambda_L1", "lr", "n_epochs", "continue_train", "overwrite"}
    assert after["lr"]["source"] == "@more.txt" and after["print_freq"] == {"value": 3, "source": SOURCE}


def test_options_that_say_how_to_go_on_are_not_taken_over(train, go_on, capsys):
    folder = train("--model template --verbose --epoch_count 1 --suffix {ngf}").with_name("run_4")
    for name in ("name", "suffix", "gpu_ids", "overwrite", "verbose"):
        assert saved(folder / "train_opt.json")[name]["source"] == "command line"
    capsys.readouterr()
    train_command.main("--name run_4 --gpu_ids -1 --continue_train --n_epochs 2".split())
    after = saved(folder / "train_opt.json")
    assert (after["name"]["value"], after["suffix"], after["verbose"], after["overwrite"]) == (
        "run_4", *({"value": value, "source": "default"} for value in ("", False, False)))


def test_resume_auto_takes_the_run_s_options_where_it_goes_on(train, capsys, failure):
    folder = train("--model template --ngf 6")
    train_command.main("--name run --gpu_ids -1 --resume auto --n_epochs 2".split())
    assert saved(folder / "train_opt.json")["ngf"] == {"value": 6, "source": SOURCE}
    code, said = failure(lambda line: train_command.main(line.split()), "--name other --resume auto")
    assert code == 2 and "--dataroot is missing" in said


def test_going_on_without_a_run_names_those_there_are(train, failure):
    train("--model template")
    code, said = failure(lambda line: train_command.main(line.split()), "--name rum --continue_train")
    assert code == 2
    assert "checkpoints/rum holds neither a state nor weights to go on from; runs in checkpoints: run." in said


def test_a_classic_run_goes_on_by_its_name(train, go_on):
    folder = train("--model pix2pix --lambda_L1 7")
    for file in ("train_opt.json", "latest_state.pth"):
        (folder / file).unlink()
    assert "going on from the weights" in go_on()
    assert saved(folder / "train_opt.json")["lambda_L1"] == {
        "value": 7.0, "source": "trained run (checkpoints/run/train_opt.txt)"}


@pytest.mark.parametrize("row, said", [
    ({"value": "cut"}, "the run was trained with --model cut, which is not known here"),
    ({"value": ["cut"]}, "train_opt.json is damaged (['cut'] is no value of an option)"),
])
def test_a_model_that_is_not_here_any_more(train, translate, go_on, failure, row, said):
    file = train("--model template") / "train_opt.json"
    file.write_text(json.dumps(saved(file) | {"model": row}))
    for command in (go_on, translate):
        code, found = failure(command, "")
        assert code == 2 and said in found


def test_wandb_that_is_missing_is_noticed_before_anything_begins(train, failure, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    code, said = failure(train, "--model template --use_wandb --dataroot nowhere")
    assert code == 2 and "--use_wandb needs the wandb package" in said and "pip install wandb" in said
    assert not (tmp_path / "checkpoints").exists()


# test.py: which model, which dataset

def labels(folder: Path) -> set[str]:
    return set(json.loads((folder / "names.json").read_text())["labels"])


def test_the_model_comes_from_the_run(train, translate):
    train("--model cycle_gan")
    folder = translate("")
    assert labels(folder) == {"real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"}
    assert saved(folder / "test_opt.json")["model"] == {"value": "cycle_gan", "source": SOURCE}


def test_a_dataset_mode_of_the_run_that_does_not_fit_gives_way_to_the_model_s(train, translate, tmp_path, capsys):
    train("--model pix2pix --dataset_mode unaligned")
    rows = saved(translate("--num_test 1") / "test_opt.json")
    assert rows["dataset_mode"] == {"value": "unaligned", "source": SOURCE}
    write_pairs(tmp_path / "pairs" / "test", 2)
    capsys.readouterr()
    rows = saved(translate(f"--dataroot {tmp_path}/pairs --overwrite") / "test_opt.json")
    assert rows["dataset_mode"] == {"value": "aligned", "source": "model default"}
    assert (f"note: the run's --dataset_mode unaligned finds no images in --dataroot {tmp_path}/pairs; "
            "--dataset_mode aligned is tried, as pix2pix has it") in capsys.readouterr().out


def test_model_test_asks_what_was_meant(train, translate, dataroot, failure):
    train("--model pix2pix")
    code, said = failure(translate, "--model test")
    assert code == 2 and f"--dataroot {dataroot} looks like a dataset with parts: test/, testA/, testB/" in said
    assert f"For one of them give --dataroot {dataroot}/testA." in said
    assert "The run was trained with --model pix2pix: leave out --model" in said
    code, said = failure(translate, f"--model test --dataroot {dataroot}/test")
    assert code == 2 and "are twice as wide as high, such as 1.png: they look like pairs A|B" in said
    code, said = failure(translate, f"--model test --dataroot {dataroot}/test/2.png")
    assert code == 2 and "twice as wide as high" in said
    for root in ("", "/test"):  # --dataset_mode single insists
        line = f"--model test --dataset_mode single --num_test 1 --dataroot {dataroot}{root} --overwrite"
        assert labels(translate(line)) == {"real", "fake"}


def test_model_test_translates_a_pile_without_a_question(train, translate, tmp_path):
    train("--model pix2pix")
    for number, size in enumerate(((32, 32), (64, 32), (40, 32))):  # one of them is as wide as a pair
        write_image(tmp_path / "pile" / "sub" / f"{number}.png", *size)
    assert len(list((translate(f"--model test --dataroot {tmp_path}/pile") / "images").iterdir())) == 6


@pytest.mark.parametrize("trained, flags, said", [
    ("cycle_gan", "--model pix2pix", "It is a run of --model cycle_gan, not pix2pix: leave out --model"),
    ("cycle_gan", "--epoch 7", "It holds no 7, only 1, 2, latest: give another --epoch"),
    ("pix2pix", "--model test --dataset_mode single --epoch 7", "It holds no 7, only 1, 2, latest: give another"),
    ("pix2pix", "--load_iter 9", "It holds no iter_9, only 1, 2, latest"),
])
def test_a_wrong_model_or_epoch_says_what_the_run_is(train, translate, failure, trained, flags, said):
    train(f"--model {trained} --n_epochs 2 --save_epoch_freq 1")
    code, found = failure(translate, flags)
    assert code == 2 and said in found
