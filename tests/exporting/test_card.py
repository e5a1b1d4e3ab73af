"""What a card says, and what it does not say."""
import json
import os
from pathlib import Path

import pytest

import export
from door.asking import ask_for_run
from door.translator import open_translator
from exporting.facts import Facts, gather
from helpers.images import write_image
from helpers.saved_runs import save_run

yaml = pytest.importorskip("yaml")

STEP = {"epoch": 3, "images": 20, "total": 60, "losses": {"G_GAN": 0.25, "D_real": float("nan")}}
METRICS = {"psnr": {"value": 21.5, "unit": "dB", "about": "peak signal to noise", "better": "higher"},
           "fid": {"value": None, "unit": "", "about": "not measured", "better": "lower"}}


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_image(tmp_path / "photos" / "1.png", 32, 32)


def facts_of(run: Path, **keywords: object) -> Facts:
    return gather(open_translator(ask_for_run(run, keywords), "cpu"))


def add_log(run: Path) -> None:
    validation = {"epoch": 2, "validation": {"ssim": 0.5}}
    (run / "metrics.jsonl").write_text(f"{json.dumps(STEP)}\n{json.dumps(validation)}\n" '{"epoch": 3, "ima')


def add_results(name: str, rows: list[tuple[str, dict]], folder: str = "test_latest") -> Path:
    path = Path("results", name, folder, "metrics.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"fake": fake, "images": 7, "metrics": metrics} for fake, metrics in rows]))
    return path


def front(card: str) -> dict:
    _, head, text = card.split("---\n", 2)
    return yaml.safe_load(head) | {"text": text}


def test_what_a_run_knows_of_itself(photo):
    run = save_run(Path("checkpoints/maps"), "unet_128", "batch", True, nets=("G_A", "G_B"),
                   dataroot="/home/ann/secret project/maps", lambda_A=5.0, num_threads=9, display_freq=3,
                   feature_weights="/home/ann/weights.pth", init_from="hf://ann/old@v1", input_range="uint16:0,1023",
                   output_range="uint8:0,255")
    add_log(run)
    add_results("maps", [("fake_B", METRICS), ("fake_A", {"psnr": {"value": 9.0}})])
    facts = facts_of(run)
    assert (facts.name, facts.model, facts.direction, facts.network) == ("maps", "cycle_gan", "AtoB", "G_A")
    assert (facts.netG, facts.norm, facts.dropout, facts.eval, facts.parameters) == (
        "unet_128", "batch", True, False, sum(p.numel() for p in open_translator(ask_for_run(run, {}), "cpu")
                                               .engine.model.nets["G_A"].parameters()))
    assert (facts.input_range, facts.output_range) == ("uint16:0,1023", "uint8:0,255")
    assert (facts.dataset, facts.epoch, facts.seen, facts.images) == ("maps", 3, 60, 20)
    assert facts.losses == {"G_GAN": 0.25} and facts.validation == {"ssim": 0.5}
    assert facts.given["lambda_A"] == 5.0 and facts.given["init_from"] == "hf://ann/old@v1"
    assert facts.given["feature_weights"] == "weights.pth"
    assert not {"dataroot", "num_threads", "display_freq"} & facts.given.keys()
    assert [(number.name, number.value, number.on) for number in facts.results] == [
        ("psnr", 21.5, "7 images of the phase test")]
    rows = json.loads((run / "train_opt.json").read_text()) | {
        "lambda_B": {"value": 10.0}, "norm": {"value": "batch"}, "max_dataset_size": {"value": "inf"}}
    adopted = {name: row | {"source": "trained run (train_opt.json)"} for name, row in rows.items()}
    (run / "train_opt.json").write_text(json.dumps(adopted))
    went_on = facts_of(run).given
    assert went_on["lambda_A"] == 5.0 and went_on["norm"] == "batch"
    assert not {"lambda_B", "max_dataset_size"} & went_on.keys()
    assert not {"dataroot", "num_threads", "display_freq"} & went_on.keys()
    back = facts_of(run, direction="BtoA")
    assert (back.network, back.input_range) == ("G_B", "uint8:0,255")
    assert [number.value for number in back.results] == [9.0]


def test_numbers_of_other_weights_are_not_told(photo):
    run = save_run(Path("checkpoints/maps"))
    add_results("maps", [("fake_B", METRICS)], "test_5")
    older = add_results("maps", [("fake_B", METRICS)], "test_latest")
    os.utime(older, (0, 0))
    assert facts_of(run).results == ()
    os.utime(older)
    assert len(facts_of(run).results) == 1


def test_a_weight_file_alone_has_a_card(photo, capsys):
    pytest.importorskip("safetensors.torch")
    run = save_run(Path("checkpoints/maps"))
    (run / "train_opt.json").unlink()
    export.main(f"--name maps --to safetensors --output out.safetensors --dataroot {photo}".split())
    card = front(next(Path().glob("out*.card.md")).read_text())
    assert card["license"] == "unknown" and card["tags"] == ["bothways", "image-to-image", "resnet"]
    assert "trained on a dataset that its run does not name with a model that its run does not name" in card["text"]
    assert "Its run has no log." in card["text"] and "Whoever exported it named no licence" in card["text"]


def test_the_card_of_a_hub_folder(photo, tmp_path):
    pytest.importorskip("safetensors.torch")
    run = save_run(Path("checkpoints/run_1"), "resnet_6blocks", "batch", True, dataroot=f"{tmp_path}/my|maps*",
                   lambda_L1=10.0)
    add_log(run)
    add_results("run_1", [("fake_B", METRICS)])
    export.main(f"--name run_1 --to hub --output out --dataroot {photo} --license mit --eval".split())
    card = Path("out/README.md").read_text()
    said = front(card)
    assert said["license"] == "mit" and said["library_name"] == "bothways"
    assert said["pipeline_tag"] == "image-to-image" and said["metrics"] == ["psnr"]
    (index,) = said["model-index"]
    assert index["name"] == "run_1" and index["results"][0]["metrics"] == [
        {"type": "psnr", "name": "peak signal to noise", "value": 21.5}]
    text = said["text"]
    assert text.startswith("\n# run\\_1, A to B\n")
    assert str(tmp_path) not in card and "my\\|maps\\*" in text  # the dataset's name, never its place
    assert 'G = bothways.load("out")' in text and "`train.py --init_from out`" in text
    assert "| In | 3 channels; the values 0 and 255 of uint8 are -1 and 1 |" in text
    assert "| Dropout | off (--eval) |" in text and "| Batch norm | statistics of the training (--eval) |" in text
    assert "`--lambda_L1 10.0`" in text and "| Last losses | G_GAN 0.250 |" in text
    assert "In the training's last validation: ssim 0.5000." in text
    assert "| psnr | 21.5 dB | peak signal to noise |" in text
    assert "| Compared with PyTorch | on 1 picture: largest difference 0, mean 0" in text
    assert "## Licence\n\nmit\n" in text and "Dropout is noise here" not in text
