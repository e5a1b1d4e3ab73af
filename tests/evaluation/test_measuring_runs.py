"""A run that is measured directly: the same numbers as its results have."""
import json
from pathlib import Path

import numpy as np

import evaluate
from helpers.commands import load_command
from helpers.images import write_image
from helpers.results import write_picture

QUICK = "--num_threads 0 --gpu_ids -1"


def numbers(path: Path) -> list[dict]:
    """What --json wrote, without what tells where the pictures were."""
    entries = json.loads(path.read_text())
    for entry in entries:
        del entry["reference"]
    return entries


def both_ways(tmp_path: Path, line: str, measuring: str) -> tuple[list[dict], list[dict]]:
    """The numbers of the run, and those of the results of a test by the same options."""
    evaluate.main(f"{line} {measuring} --json {tmp_path}/direct.json --csv {tmp_path}/direct.csv".split())
    assert not (tmp_path / "results").exists()  # it wrote no pictures
    load_command("test").main(line.split())
    folder, = (tmp_path / "results" / "run").iterdir()
    evaluate.main(f"{folder} {measuring} --json {tmp_path}/folder.json --csv {tmp_path}/folder.csv".split())
    assert (tmp_path / "direct.csv").read_text() == (tmp_path / "folder.csv").read_text()
    return numbers(tmp_path / "direct.json"), numbers(tmp_path / "folder.json")


def test_pairs(trained, dataroot, tmp_path):
    trained("--model pix2pix")
    line = f"--name run --dataroot {dataroot} {QUICK} --num_test 3 --aspect_ratio 1.5 --batch_size 2"
    direct, folder = both_ways(tmp_path, line, "--metrics mae,psnr,ssim")
    assert direct == folder
    assert direct[0]["images"] == 3 and direct[0]["metrics"].keys() == {"mae", "psnr", "ssim"}


def test_both_directions_without_pairs(trained, dataroot, tmp_path, monkeypatch):
    monkeypatch.setattr("metrics.self_features.MOST_STEPS", 2)
    trained("--model cycle_gan")
    write_image(dataroot / "testA" / "5.png", seed=99)  # one more than there are of B
    direct, folder = both_ways(tmp_path, f"--name run --dataroot {dataroot} {QUICK}",
                               "--metrics rec,kid --features self")
    assert direct == folder
    assert [(entry["fake"], entry["metrics"]["kid"]["n"], entry["metrics"]["kid"]["references"])
            for entry in direct] == [("fake_B", 5, 4), ("fake_A", 4, 5)]


def test_classes_of_labels_are_found_before_the_run_translates(trained, dataroot, tmp_path):
    trained("--model pix2pix")
    for number in range(1, 5):
        A = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        B = np.zeros((32, 32, 3), np.uint8)
        B[:4 * number] = 255, 0, 0
        write_picture(dataroot / "test" / f"{number}.png", np.hstack([A, B]))
    direct, folder = both_ways(tmp_path, f"--name run --dataroot {dataroot} {QUICK}", "--metrics pixel_acc,class_iou")
    assert direct == folder and "2 classes were found in real_B" in direct[0]["notes"][0]


def test_a_model_that_shows_no_truth(trained, dataroot, tmp_path, failure):
    trained("--model cycle_gan")
    line = f"--name run --model test --dataroot {dataroot}/testA {QUICK}"
    code, said = failure(lambda words: evaluate.main(words.split()), line)
    assert code == 2 and "mae: not measured of fake, as there are no pictures of real" in said


def test_flags_of_a_test_and_of_measuring_are_known_together(trained, dataroot, failure):
    trained("--model pix2pix")
    code, said = failure(lambda words: evaluate.main(words.split()),
                         f"--name run --dataroot {dataroot} {QUICK} --metrisc mae")
    assert code == 2 and "--metrisc is not an option here (did you mean --metrics?)" in said


def test_several_processes_are_refused(trained, dataroot, failure, monkeypatch):
    trained("--model pix2pix")
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, said = failure(lambda words: evaluate.main(words.split()), f"--name run --dataroot {dataroot} {QUICK}")
    assert code == 2 and "measures in one process" in said


def test_hidden_inputs_are_told_of_a_cycle_gan(trained, dataroot, monkeypatch, capsys):
    trained("--model cycle_gan")
    monkeypatch.setattr("metrics.hiding.HidingCheck.warning", lambda check: f"errs by {check.errors()[0]:.1f}")
    evaluate.main(f"--name run --dataroot {dataroot} {QUICK}".split())
    forth, back = capsys.readouterr().out.split("note: fake_B: errs by ")[1].split("  note: fake_A: errs by ")
    assert 0 < float(forth) < 255 and 0 < float(back.split()[0]) < 255


def test_images_that_cannot_be_read_are_told(trained, dataroot, capsys):
    trained("--model pix2pix")
    path = dataroot / "test" / "2.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2:len(content) // 2 + 9] = bytes(9)  # found when it is read
    path.write_bytes(content)
    evaluate.main(f"--name run --dataroot {dataroot} {QUICK} --skip_bad_images".split())
    said = capsys.readouterr().out
    assert f"  note: 1 images could not be read and were left out:\n  {path}" in said and "mae: " in said
