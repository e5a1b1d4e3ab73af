"""The papers' tables: what is trained for them, what stands in their cells, and that a small one is made end to end."""
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.commands import ROOT
from options.command_line import parse
from pages.tables_page import Sheet, tables_page
from train import COMMAND
from util.errors import UserError

sys.path.append(str(ROOT / "benchmarks"))

import paper_tables
import table_runs
from paper_systems import SYSTEMS, TABLES, TO_LABELS, TO_PHOTO
from table_runs import BUDGETS, Commands, Place, Run, RunFailed, claim, planned
from table_scores import Score, read_score, write_unpaired
from table_sheets import markdown, sheet

TABLE = {table.key: table for table in TABLES}
CYCLE_GAN, PIX2PIX = (SYSTEMS[name] for name in ("cycle_gan", "pix2pix"))
BOTH = (TO_PHOTO, TO_LABELS)


def place(out: Path, labels: str = "B") -> Place:
    return Place(out, Path("data"), labels, 200, BUDGETS["hour"])


def found(values: dict[str, list[float]], task: str = TO_PHOTO) -> dict[Run, dict[str, Score]]:
    """Scores of systems, a number for each seed: it is the per-pixel accuracy; the others are 0.1 and 0.2 less."""
    return {Run(SYSTEMS[name], BOTH if SYSTEMS[name].both_ways else (task,), seed):
            {task: Score((value, value - .1, value - .2), (.9, .8, .7) if task == TO_PHOTO else None, 40)}
            for name, own in values.items() for seed, value in enumerate(own)}


def test_published_numbers_stand_beside_mean_and_spread_of_ours():
    shown = sheet(TABLE["pix2pix_losses"], found({"l1": [.4, .5], "gan": [.3], "l1_cgan": [.6, .8]}))
    assert shown.header == ["losses", "per-pixel acc. (paper)", "per-pixel acc. (ours)", "per-class acc. (paper)",
                            "per-class acc. (ours)", "class IoU (paper)", "class IoU (ours)"]
    assert shown.rows == [
        ["L1", "0.42", "0.450 ± 0.071", "0.15", "0.350 ± 0.071", "0.11", "0.250 ± 0.071"],
        ["GAN", "0.22", "0.300", "0.05", "0.200", "0.01", "0.100"],
        ["cGAN", "0.57", "–", "0.22", "–", "0.16", "–"],
        ["L1 + GAN", "0.64", "–", "0.20", "–", "0.15", "–"],
        ["L1 + cGAN", "0.66", "0.700 ± 0.141", "0.23", "0.600 ± 0.141", "0.17", "0.500 ± 0.141"],
        ["Real photos: the ceiling", "0.80", "0.900", "0.26", "0.800", "0.21", "0.700"]]
    assert shown.notes == ["By class IoU, the best first. Paper: L1 + cGAN > L1 > GAN.",
                           "By class IoU, the best first. Ours: L1 + cGAN > L1 > GAN."]


def test_a_table_of_label_pictures_has_no_ceiling_and_tells_its_own_order():
    shown = sheet(TABLE["cyclegan_table5"], found({"gan_forward": [.5], "gan_alone": [.5], "cycle_gan": [.4]},
                                                  TO_LABELS))
    assert [row[0] for row in shown.rows] == ["Cycle alone", "GAN alone", "GAN + forward cycle",
                                              "GAN + backward cycle", "CycleGAN"]
    assert shown.rows[4] == ["CycleGAN", "0.58", "0.400", "0.22", "0.300", "0.16", "0.200"]
    assert shown.notes[1].endswith("Ours: GAN alone = GAN + forward cycle > CycleGAN.")


def test_scores_of_the_other_direction_are_not_taken():
    shown = sheet(TABLE["cyclegan_table3"], found({"cycle_gan": [.5], "simgan": [.4]}, TO_PHOTO))
    assert {cell for row in shown.rows for cell in row[2::2]} == {"–"}


@pytest.mark.parametrize("key, title, numbers", [
    ("cyclegan_table2", "BiGAN/ALI", (.19, .06, .02)), ("cyclegan_table3", "pix2pix", (.85, .40, .32)),
    ("cyclegan_table4", "GAN + forward cycle", (.55, .18, .12)), ("cyclegan_table5", "Cycle alone", (.10, .05, .02)),
    ("pix2pix_architectures", "U-Net (L1)", (.48, .18, .13)), ("pix2pix_patches", "286x286", (.42, .16, .11))])
def test_the_published_numbers_are_the_papers(key, title, numbers):
    assert {row.title: row.published for row in TABLE[key].rows}[title] == numbers


def test_shared_systems_are_trained_once_and_one_way_models_once_a_direction():
    names = [run.name for run in planned(TABLES, [0])]
    assert len(names) == len(set(names)) == 23
    assert [name for name in names if name.startswith(("cycle_gan", "simgan", "pix2pix", "l1_cgan"))] == [
        "simgan_photo_seed0", "cycle_gan_seed0", "pix2pix_photo_seed0", "simgan_labels_seed0", "pix2pix_labels_seed0",
        "l1_cgan_photo_seed0"]
    assert [run.name for run in planned(TABLES, [3, 7])] == [
        name.replace("seed0", f"seed{seed}") for seed in (3, 7) for name in names]


@pytest.mark.parametrize("labels, direction", [("A", "AtoB"), ("B", "BtoA")])
def test_every_training_is_a_command_line_that_train_understands(tmp_path, labels, direction):
    lines = {run.name: parse(COMMAND, place(tmp_path, labels).training(run)) for run in planned(TABLES, [5])}

    def of(name: str, *options: str) -> list[object]:
        values = lines[f"{name}_seed5"].replace()
        return [getattr(values, option) for option in options]

    assert of("cycle_gan", "direction", "lambda_A", "lambda_B", "lambda_identity", "seed") == [direction, 10, 10, 0, 5]
    assert of("cycle_alone", "lambda_gan", "lambda_A") == [0, 10]
    assert of("gan_alone", "lambda_A", "lambda_B") == [0, 0]
    assert of("gan_forward", "lambda_A", "lambda_B") == [10, 0]  # A is the labels, whose cycle it is
    assert of("gan_backward", "lambda_A", "lambda_B") == [0, 10]
    assert of("simgan_photo", "direction") == [direction]
    assert of("simgan_labels", "direction") == [{"AtoB": "BtoA", "BtoA": "AtoB"}[direction]]
    assert of("feature_gan_photo", "feature_weights", "crop_size", "load_size") == ["self", 64, 72]
    assert of("l1_photo", "lambda_gan", "netG", "crop_size") == [0, "unet_128", 128]
    assert of("cgan_photo", "lambda_L1", "unconditional_D") == [0, False]
    assert of("l1_gan_photo", "lambda_L1", "unconditional_D") == [100, True]
    assert of("encoder_decoder_l1_cgan_photo", "netG", "lambda_gan") == ["encoder_decoder_128", 1]
    assert of("patch_286_photo", "netD", "n_layers_D") == ["n_layers", 5]
    assert of("patch_1_photo", "netD") == ["pixel"]
    assert of("pix2pix_photo", "netG", "dataroot", "n_epochs", "n_epochs_decay") == ["resnet_6blocks", "data", 8, 7]
    assert of("cogan", "dataroot", "n_epochs") == [str(tmp_path / "unpaired"), 8]  # 3000 images of 200 pairs


def test_an_interrupted_folder_is_told_from_one_that_is_done(tmp_path):
    here, run = place(tmp_path), Run(CYCLE_GAN, BOTH, 0)
    assert here.state(run) == "missing"
    (tmp_path / "checkpoints" / "cycle_gan_seed0").mkdir(parents=True)
    assert here.state(run) == "begun"
    plan = paper_tables.plan_text(here, [run], {"cycle_gan": .1}, 1)
    assert "begun, about 5 min" in plan and "1 left" in plan  # 3000 steps of 0.1 s, and the start
    here.score_file(run).parent.mkdir()
    here.score_file(run).write_text("{}")
    assert here.state(run) == "done"
    assert "0 left" in paper_tables.plan_text(here, [run], {}, 1)


def test_a_folder_of_another_budget_is_refused(tmp_path):
    claim(place(tmp_path), "pairs")
    claim(place(tmp_path), "pairs")
    with pytest.raises(UserError, match=r"made with ngf 16, not 32\. .*--out"):
        claim(replace(place(tmp_path), budget=replace(BUDGETS["hour"], ngf=32)), "pairs")
    with pytest.raises(UserError, match="pairs pairs, not others"):
        claim(place(tmp_path), "others")


def test_a_run_that_fails_does_not_lose_the_others(tmp_path, monkeypatch, capsys):
    runs = [Run(CYCLE_GAN, BOTH, 0), Run(PIX2PIX, (TO_PHOTO,), 0)]
    done = []

    def do(self: Place, run: Run, commands: Commands) -> None:
        if run.system is CYCLE_GAN:
            raise RunFailed("train.py left with 1")
        done.append(run.name)

    monkeypatch.setattr(Place, "do", do)
    monkeypatch.setattr("table_scores.score", lambda *_: {TO_PHOTO: Score((.1, .2, .3), None, 4)})
    assert paper_tables.do_all(place(tmp_path), runs, None, 1) == {runs[0]: "failed: train.py left with 1"}
    assert done == ["pix2pix_photo_seed0"]
    assert "labels->photo 0.100 / 0.200 / 0.300" in capsys.readouterr().out


@pytest.mark.usefixtures("forks")
def test_a_command_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(RunFailed, match=r"train\.py left with 2: error: .*all of it: .*cycle_gan_seed0\.log"):
        Commands(1).call("train.py", ["--crop_sizes", "3"], tmp_path / "cycle_gan_seed0.log")


def test_trainings_end_with_the_program_that_started_them(tmp_path, monkeypatch):
    """One of two jobs is told to stop: the other is stopped as well, and the third does not begin."""
    (tmp_path / "sleep.py").write_text("import sys, time; open(sys.argv[1], 'w'); time.sleep(60); open('slept', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(table_runs, "ROOT", tmp_path)
    begun = [tmp_path / f"begun_{number}" for number in range(3)]

    def do(self: Place, run: Run, commands: Commands) -> None:
        if run.seed == 0:
            while not begun[1].exists():
                time.sleep(.01)
            raise KeyboardInterrupt
        commands.call("sleep.py", [str(begun[run.seed])], tmp_path / "log")

    monkeypatch.setattr(Place, "do", do)
    with pytest.raises(KeyboardInterrupt):
        paper_tables.do_all(place(tmp_path), [Run(CYCLE_GAN, BOTH, seed) for seed in range(3)], None, 2)
    assert [path.exists() for path in begun] == [False, True, False] and not Path("slept").exists()


@pytest.mark.parametrize("flags, said", [
    ("--only cyclegan", "'cyclegan', which is no system; expected some of cogan"),
    ("--pix2pix_size 64", "give 128 or 256"),
])
def test_wrong_flags_are_told_before_anything_is_done(tmp_path, capsys, flags, said):
    with pytest.raises(SystemExit) as left:
        paper_tables.main(["--dataroot", "none", "--out", str(tmp_path / "out"), *flags.split()])
    assert left.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_damaged_scores_are_told_by_their_file(tmp_path):
    (tmp_path / "one.json").write_text('{"labels->photo": {"values": [1, 2]}}')
    with pytest.raises(UserError, match=r"one\.json is damaged.*remove it"):
        read_score(tmp_path / "one.json")


def test_the_page_and_the_text_hold_the_cells_and_nothing_from_elsewhere():
    one = Sheet("key", "A & B", ["loss", "x"], [["<L1>", "0.1"]], ["said of it"], "images/key.png", 3)
    page = tables_page("Title", {"data": "toy"}, [one], {"run": "--flag"}).decode()
    assert "&lt;L1&gt;" in page and "<td>0.1</td>" in page and 'src="images/key.png"' in page
    assert "said of it" in page and "--flag" in page and "http" not in page
    text = markdown("Title", {"data": "toy"}, [one], {"run": "--flag"})
    assert "| loss | x |\n| --- | --- |\n| <L1> | 0.1 |\n\nsaid of it\n" in text
    assert "![A & B](images/key.png)" in text and "- run: `train.py --flag`" in text


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_a_small_table_is_made_and_the_next_call_does_only_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    toy = ["--out", "toy", "--size", "32", "--n_train", "4", "--n_test", "2"]
    subprocess.run([sys.executable, ROOT / "datasets/toy_maps.py", *toy], check=True, capture_output=True)
    line = "--dataroot toy --out out --budget quick --images 4 --fcn_steps 2 --only".split()

    def make(only: str, *more: str) -> list[str]:
        """What it says of each run."""
        with pytest.raises(SystemExit) as left:
            paper_tables.main([*line, only, *more])
        assert left.value.code == 0
        return [text for text in capsys.readouterr().out.splitlines() if "_seed0: " in text]

    assert make("cycle_gan", "--dry_run") == [] and not Path("out").exists()
    (said,) = make("cycle_gan")
    assert said.startswith("cycle_gan_seed0: labels->photo 0.") and "photo->labels" in said
    trained = Path("out/checkpoints/cycle_gan_seed0/latest_net_G_A.pth").stat().st_mtime_ns
    (said,) = make("cycle_gan,l1")
    assert said.startswith("l1_photo_seed0: labels->photo 0.")
    assert Path("out/checkpoints/cycle_gan_seed0/latest_net_G_A.pth").stat().st_mtime_ns == trained

    values = json.loads(Path("out/scores/cycle_gan_seed0.json").read_text())
    assert values[TO_PHOTO]["images"] == values[TO_LABELS]["images"] == 2
    assert all(0 <= value <= 1 for value in values[TO_LABELS]["values"])
    cells = " | ".join(f"{published} | {value:.3f}" for published, value in
                       zip(("0.58", "0.22", "0.16"), values[TO_LABELS]["values"], strict=True))
    text = Path("out/tables.md").read_text()
    assert " for 1 of 2 runs in the last call, 1 at a time\n" in text
    assert f"| CycleGAN | {cells} |" in text and "## pix2pix, architectures" in text
    assert sorted(path.name for path in Path("out/images").iterdir()) == [
        f"{key}.png" for key in ("cyclegan_table2", "cyclegan_table3", "cyclegan_table4", "cyclegan_table5",
                                 "pix2pix_architectures", "pix2pix_losses")]


def test_unpaired_piles_hold_the_pictures_of_all_pairs(dataroot, tmp_path):
    from evaluation.label_pairs import open_pairs
    from helpers.images import read_pixels

    write_unpaired(tmp_path / "piles", open_pairs(str(dataroot), "train"))
    for side, part in (("A", np.s_[:, :32]), ("B", np.s_[:, 32:])):
        files = sorted((tmp_path / "piles" / f"train{side}").iterdir())
        assert [file.name for file in files] == [f"{number:06d}.png" for number in range(1, 5)]
        assert np.array_equal(read_pixels(files[2]), read_pixels(dataroot / "train/3.png")[part])
