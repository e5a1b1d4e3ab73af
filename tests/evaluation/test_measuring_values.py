"""Deep, float and many-band results are measured by their own values, not by the views of 8 bits."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate as command
from helpers.commands import TINY, load_command
from helpers.images import bands
from metrics import find
from metrics.base_metric import Tools
from metrics.measuring import Measuring
from models.template_model import TemplateModel
from raster.picture import Origin, Picture
from raster.writing import write_picture

TIFF = Origin("TIFF")


def write_pairs(root: Path, channels: int, no_data: float | None = None, dtype: str = "uint16") -> None:
    for number in (1, 2, 3):
        A, B = (bands(10 * number + side, channels, dtype) for side in (0, 1))
        if no_data is not None:
            A[4:9] = no_data
        for phase in ("train", "test", "val"):
            write_picture(root / f"{phase}A" / f"{number}.tif", Picture(A, TIFF, no_data))
            write_picture(root / f"{phase}B" / f"{number}.tif", Picture(B, TIFF))


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Trains on such pairs and measures a translation that is the input: in the results, and in the run directly."""
    import train

    monkeypatch.chdir(tmp_path)

    def measure(channels: int, metrics: str, no_data: float | None = None, line: str = "") -> list[dict]:
        write_pairs(tmp_path / "data", channels, no_data)
        train.main(f"--dataroot {tmp_path}/data --model template --input_nc {channels} --output_nc {channels} {TINY} "
                   f"--preprocess none --name run {line}".split())
        monkeypatch.setattr(TemplateModel, "translate", lambda self, batch: {
            "real_A": batch["A"], "fake_B": batch["A"], "real_B": batch["B"]})
        testing = f"--dataroot {tmp_path}/data --name run --num_threads 0 --gpu_ids -1"
        load_command("test").main(testing.split())
        found = []
        for what in ("results/run/test_latest", testing):
            command.main([*what.split(), "--metrics", metrics, "--json", "numbers.json"])
            found.append(json.loads(Path("numbers.json").read_text())[0])
        return found
    return measure


def truth(number: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(bands(10 * number + side, channels).astype(np.float64) / 4095 for side in (0, 1))


def value(one: dict, metric: str) -> float:
    return one["metrics"][metric]["value"]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_errors_are_those_of_the_values_in_the_files(numbers, channels, capsys):
    of_results, of_run = numbers(channels, "mae,psnr,ssim")
    pairs = [truth(number, channels) for number in (1, 2, 3)]
    mae = np.mean([255 * np.abs(a - b).mean() for a, b in pairs])
    psnr = np.mean([-10 * np.log10(((a - b)**2).mean()) for a, b in pairs])
    for one in (of_results, of_run):
        assert value(one, "mae") == pytest.approx(mae, rel=1e-5)
        assert value(one, "psnr") == pytest.approx(psnr, rel=1e-5)
        assert -0.1 < value(one, "ssim") < 1
    assert value(of_results, "mae") == pytest.approx(value(of_run, "mae"), rel=1e-6)


def test_pixels_without_data_are_left_out_of_means_and_said_of_others(numbers, capsys):
    of_results, of_run = numbers(2, "mae,psnr,ssim", no_data=0)
    known = np.ones((32, 32), bool)
    known[4:9] = False
    errors = []
    for number in (1, 2, 3):
        a, b = truth(number, 2)
        own = known & (bands(10 * number, 2) != 0).all(axis=2)
        errors.append((a - b)[own])
    for one in (of_results, of_run):
        assert value(one, "mae") == pytest.approx(np.mean([255 * np.abs(error).mean() for error in errors]), rel=1e-4)
        psnr = np.mean([-10 * np.log10((error**2).mean()) for error in errors])
        assert value(one, "psnr") == pytest.approx(psnr, rel=1e-4)
    said = capsys.readouterr().out
    assert "mae: pixels without data, of 3 samples, are left out" in said
    assert "ssim: pixels without data, of 3 samples, are black in both pictures and so count as equal" in said


def test_metrics_of_gray_and_rgb_are_refused_of_others_at_the_start(numbers, capsys):
    numbers(2, "mae,lpips,class_iou")
    said = capsys.readouterr().out
    assert ("lpips, class_iou: not measured of fake_B, as it looks at gray or RGB, and these pictures have 2 bands"
            in said)


def test_validations_measure_the_same_values(numbers, tmp_path, monkeypatch):
    forward = TemplateModel.translate
    numbers(2, "mae", line="--val_freq 1 --val_metrics mae")
    lines = [json.loads(line) for line in (tmp_path / "checkpoints/run/metrics.jsonl").read_text().splitlines()]
    (measured,) = [line["validation"]["mae"] for line in lines if "validation" in line]
    monkeypatch.setattr(TemplateModel, "translate", forward)
    load_command("test").main(f"--dataroot {tmp_path}/data --name run --num_threads 0 --gpu_ids -1 --phase val "
                              "--eval".split())
    command.main(["results/run/val_latest", "--metrics", "mae", "--json", "numbers.json"])
    assert value(json.loads(Path("numbers.json").read_text())[0], "mae") == pytest.approx(measured, rel=1e-5)


def test_a_folder_of_results_is_measured_by_its_values_against_another(numbers, tmp_path):
    of_results, _ = numbers(2, "mae")
    results = tmp_path / "results/run/test_latest"
    command.main(["--real", str(results), "--fake", str(results), "--metrics", "mae", "--json", "numbers.json"])
    assert value(json.loads(Path("numbers.json").read_text())[0], "mae") == pytest.approx(value(of_results, "mae"))


def test_a_sample_without_any_data_is_left_out():
    measuring = Measuring({"mae": find("mae")(Tools())})
    void = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    void[0], void[1, :, :2] = True, True
    measuring.add(["a", "b"], {"fake": torch.full((2, 3, 4, 4), 0.5), "real": torch.zeros(2, 3, 4, 4), "void": void})
    report = measuring.report()
    assert report.rows == {"b": {"mae": 127.5}}
    assert "1 samples hold no data at all and are left out" in report.notes
