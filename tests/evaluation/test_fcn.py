"""evaluate.py fcn: what the network learns, what it scores, and when it is trained again."""
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evaluation import fcn_command
from evaluation.fcn_score import fcn_score
from evaluation.label_pairs import open_pairs
from evaluation.scoring_net import MadeOf, ScoringNet, load_scoring_net
from evaluation.segmentation import train_net
from helpers.commands import ROOT
from helpers.results import write_picture, write_results
from metrics.palette import Palette

COLOURS = np.array([(250, 0, 0), (0, 250, 0), (0, 0, 250)], np.uint8)  # of the labels
SEEN = np.array([(120, 90, 60), (70, 130, 80), (150, 150, 160)])  # of the photos, before their grain
SIDE = 32
QUICK = "--size 32 --steps 25 --gpu_ids -1"


def town(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its labels, uint8 (SIDE, SIDE, 3): fields of 8 x 8 pixels."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, (4, 4)).repeat(8, 0).repeat(8, 1)
    return (SEEN[classes] + rng.normal(0, 12, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8), COLOURS[classes]


def write_towns(root: Path, labels: str = "B", first: int = 0) -> Path:
    for number in range(8):
        pair = town(first + number)
        write_picture(root / "train" / f"{number}.png", np.hstack(pair if labels == "B" else pair[::-1]))
    return root


def results(folder: Path, root: Path, fakes: Callable[[int], np.ndarray], **options: str) -> Path:
    """Results of labels -> photos. fakes: the fake photo of each of four rows."""
    rows = {str(n): {"real_A": town(100 + n)[1], "fake_B": fakes(n), "real_B": town(100 + n)[0]} for n in range(4)}
    return write_results(folder, rows, **{"direction": "BtoA", "dataroot": str(root)} | options)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A dataset with its network, and the scores of perfect and of shuffled photos."""
    tmp = tmp_path_factory.mktemp("fcn")
    root = write_towns(tmp / "towns")
    perfect = results(tmp / "perfect", root, lambda n: town(100 + n)[0])
    shuffled = results(tmp / "shuffled", root, lambda n: town(100 + (n + 1) % 4)[0])
    run(root, perfect, shuffled, f"--json {tmp / 'scores.json'}")
    return root, json.loads((tmp / "scores.json").read_text())


def run(root: Path, *words: object) -> None:
    fcn_command.main(["--dataroot", str(root), *QUICK.split(), *(w for word in words for w in str(word).split())])


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be trained."""
    monkeypatch.setattr("evaluation.fcn_score.train_net", lambda *args: pytest.fail("it was trained"))


@pytest.fixture
def towns(scored: tuple[Path, dict], tmp_path: Path) -> Path:
    """A copy of the dataset with its network."""
    root = write_towns(tmp_path / "towns")
    (root / "fcn_score.pth").write_bytes((scored[0] / "fcn_score.pth").read_bytes())
    return root


def test_real_photos_are_the_ceiling_and_other_photos_lie_below(scored):
    perfect, shuffled = scored[1]["scores"]
    for name in ("pixel_acc", "class_acc", "class_iou"):
        assert perfect["metrics"][name] == perfect["ceiling"][name] == shuffled["ceiling"][name]
        assert shuffled["metrics"][name]["value"] < perfect["ceiling"][name]["value"] - 0.2
    assert perfect["ceiling"]["pixel_acc"]["value"] > 0.8  # of three classes: 0.33 by chance
    assert perfect["ceiling"]["pixel_acc"]["n"] == 4
    assert scored[1]["network"] | {"fingerprint": ""} == {
        "fingerprint": "", "phase": "train", "labels": "B", "size": 32, "steps": 25, "seed": 0}


class SeesChannels(nn.Module):
    """Says of each pixel the class 0, 1 or 2 whose channel is the brightest."""

    mean = torch.zeros(1)

    def forward(self, photos: Tensor) -> Tensor:
        return photos


@pytest.mark.parametrize("labels, direction, kinds", [
    ("B", "BtoA", {"source": "real_A", "fake": "fake_B", "real": "real_B"}),
    ("B", "AtoB", {"source": "real_B", "fake": "fake_A", "real": "real_A"}),  # of a CycleGAN
    ("A", "AtoB", {"source": "real_A", "fake": "fake_B", "real": "real_B"}),
])
def test_scores_by_hand(tmp_path, labels, direction, kinds):
    label = np.zeros((4, 4, 3), np.uint8)
    label[:] = COLOURS[0]
    label[2:] = COLOURS[1]  # 8 pixels of class 0, 8 of class 1
    fake = label // 2  # seen alike
    fake[0] = (0, 0, 60)  # but 4 pixels of class 0, which are seen as class 2
    row = {kinds["source"]: label, kinds["fake"]: fake, kinds["real"]: label // 2 + 3}
    if "fake_A" in row:
        row["fake_B"] = label
    folder = write_results(tmp_path / "results", {"1": row}, direction=direction, dataroot=str(tmp_path))
    palette = Palette(["red", "green", "blue"], torch.from_numpy(COLOURS) / 255)
    scoring = ScoringNet(SeesChannels(), palette, MadeOf("", "train", labels, 4, 1, 0))
    score = fcn_score(folder, scoring, tmp_path)
    assert score.direction == {"A": "A->B", "B": "B->A"}[labels]
    assert {name: value.value for name, value in score.fakes.values.items()} == pytest.approx({
        "pixel_acc": 12 / 16,
        "class_acc": (4 / 8 + 8 / 8) / 2,
        "class_iou": (4 / 8 + 8 / 8 + 0 / 4) / 3})
    assert [value.value for value in score.reals.values.values()] == [1, 1, 1]


def test_a_photo_of_any_size_is_seen_at_the_size_of_the_network():
    palette = Palette(["red", "green", "blue"], torch.eye(3))
    photo = torch.zeros(1, 3, 6, 10)
    photo[:, 0, :, :5], photo[:, 2, :, 5:] = 1, 1
    painted = ScoringNet(SeesChannels(), palette, MadeOf("", "train", "B", 4, 1, 0)).painted(photo)
    assert torch.equal(painted, photo)


def test_the_second_call_loads_what_the_first_one_kept(scored, towns, tmp_path, untrained, capsys):
    perfect = results(tmp_path / "perfect", towns, lambda n: town(100 + n)[0])
    fcn_command.main(["--dataroot", str(towns), "--gpu_ids", "-1", "--json", str(tmp_path / "1.json"), str(perfect)])
    assert json.loads((tmp_path / "1.json").read_text())["scores"][0] == scored[1]["scores"][0]
    said = capsys.readouterr().out
    assert f"network: {towns / 'fcn_score.pth'}\nlabels: side B of the pairs, 3 classes\n" in said
    ceiling = next(line for line in said.splitlines() if "the ceiling" in line)
    assert f"{scored[1]['scores'][0]['ceiling']['pixel_acc']['value']:.4g}" in ceiling


@pytest.mark.parametrize("flags, reason", [
    ("--size 64", "with size 32, not 64"), ("--seed 1", "with seed 0, not 1"), ("--labels A", "with labels B, not A"),
    ("--palette PALETTE", "with another palette"),
])
def test_a_network_for_something_else_is_not_used(towns, tmp_path, untrained, failure, flags, reason):
    (tmp_path / "palette.txt").write_text("red 250 0 0\ngreen 0 250 0\nblue 0 0 200\n")
    folder = results(tmp_path / "results", towns, lambda n: town(n)[0])
    line = f"{folder} {flags.replace('PALETTE', str(tmp_path / 'palette.txt'))}"
    code, said = failure(lambda line: run(towns, line), line)
    assert code == 2 and f"{towns / 'fcn_score.pth'} was trained {reason}." in said
    assert "--overwrite trains it anew; --net FILE trains one more and keeps both" in said


def test_changed_pairs_are_noticed_and_overwrite_trains_anew(towns, tmp_path, failure):
    write_picture(towns / "train" / "3.png", np.hstack(town(50)))
    folder, before = results(tmp_path / "results", towns, lambda n: town(n)[0]), (towns / "fcn_score.pth").read_bytes()
    code, said = failure(lambda line: run(towns, line), str(folder))
    assert code == 2 and "was trained on other pairs, or these have changed since." in said
    assert (towns / "fcn_score.pth").read_bytes() == before
    run(towns, folder, "--overwrite --steps 1")
    fingerprint = open_pairs(str(towns), "train").fingerprint
    assert load_scoring_net(towns / "fcn_score.pth").made_of == MadeOf(fingerprint, "train", "B", 32, 1, 0)
    run(towns, folder, "--steps 1")


def test_the_fingerprint_is_that_of_the_pairs_wherever_they_lie(towns, tmp_path):
    elsewhere = write_towns(tmp_path / "moved")
    assert open_pairs(str(elsewhere), "train").fingerprint == open_pairs(str(towns), "train").fingerprint
    (elsewhere / "train" / "7.png").rename(elsewhere / "train" / "9.png")
    assert open_pairs(str(elsewhere), "train").fingerprint != open_pairs(str(towns), "train").fingerprint


def damaged(content: bytes, how: str, path: Path) -> None:
    if how == "numbers":
        kept = torch.load(path, weights_only=True)
        kept["weights"]["head.2.bias"][1] = torch.nan
        torch.save(kept, path)
    elif how == "weights":
        kept = torch.load(path, weights_only=True)
        del kept["weights"]["head.2.bias"]
        torch.save(kept, path)
    elif how == "something else":
        torch.save({"weight": torch.zeros(1)}, path)
    else:
        path.write_bytes({"cut": content[:len(content) // 2], "empty": b"", "text": b"<html>"}[how])


@pytest.mark.parametrize("how, reason", [
    ("cut", "is damaged, cut off, or no scoring network"), ("empty", "is damaged, cut off, or no scoring network"),
    ("text", "is damaged, cut off, or no scoring network"), ("something else", "holds no scoring network"),
])
def test_a_file_that_is_no_scoring_network_is_told_and_never_replaced(towns, tmp_path, untrained, failure, how, reason):
    path = towns / "fcn_score.pth"
    damaged(path.read_bytes(), how, path)
    before = path.read_bytes()
    folder = results(tmp_path / "results", towns, lambda n: town(n)[0])
    for flags in ("", "--overwrite"):
        code, said = failure(lambda line: run(towns, line), f"{folder} {flags}")
        assert code == 2 and said.startswith(f"error: {path} {reason}") and "--net FILE" in said
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["numbers", "weights"])
def test_a_scoring_network_with_something_wrong_is_told_and_can_be_replaced(towns, tmp_path, failure, how):
    path = towns / "fcn_score.pth"
    damaged(path.read_bytes(), how, path)
    folder = results(tmp_path / "results", towns, lambda n: town(n)[0])
    code, said = failure(lambda line: run(towns, line), str(folder))
    assert code == 2 and said.startswith(f"error: {path} is no whole scoring network")
    run(towns, folder, "--overwrite --steps 1")
    assert load_scoring_net(path).made_of.steps == 1


def test_a_dataset_that_cannot_be_written_to_asks_for_another_place(tmp_path, failure, monkeypatch):
    root = write_towns(tmp_path / "towns")
    folder = results(tmp_path / "results", root, lambda n: town(n)[0])
    with monkeypatch.context() as patch:
        patch.setattr("evaluation.fcn_command.os.access", lambda path, mode: path != root)
        code, said = failure(lambda line: run(root, line), str(folder))
        assert code == 2 and f"cannot be kept in {root}" in said and "--net FILE" in said
        run(root, folder, f"--net {tmp_path / 'net.pth'} --steps 1")
    assert load_scoring_net(tmp_path / "net.pth").made_of.steps == 1
    assert not (root / "fcn_score.pth").exists()


@pytest.mark.parametrize("options, message", [
    ({"direction": "AtoB"}, "holds translations A->B, and the FCN score is of photos made from labels, B->A"),
    ({"dataset_mode": "unaligned"}, "does not hold the real photos of its labels"),
    ({"dataroot": "elsewhere"}, "holds results of another dataset: --dataroot elsewhere"),
])
def test_results_that_have_no_score_are_told_before_anything_is_trained(tmp_path, untrained, failure, options, message):
    root = write_towns(tmp_path / "towns")
    folder = results(tmp_path / "results", root, lambda n: town(n)[0], **options)
    code, said = failure(lambda line: run(root, line), str(folder))
    assert code == 2 and said.startswith(f"error: {folder} {message}")


def test_labels_are_found_on_either_side(tmp_path, capsys):
    root = write_towns(tmp_path / "towns", labels="A")
    folder = results(tmp_path / "results", root, lambda n: town(n)[0], direction="AtoB")
    run(root, folder, "--steps 1")
    assert "labels: side A of the pairs, 3 classes" in capsys.readouterr().out
    (tmp_path / "palette.txt").write_text("red 250 0 0\nblue 0 0 250\n")
    run(root, folder, f"--steps 1 --palette {tmp_path / 'palette.txt'} --overwrite")
    assert "labels: side A of the pairs, 2 classes" in capsys.readouterr().out
    assert load_scoring_net(root / "fcn_score.pth").palette.names == ["red", "blue"]


@pytest.mark.parametrize("side, message", [
    (0, "no labels were found in the pairs of"), (1, "both sides of the pairs of"),
])
def test_pairs_without_one_side_of_labels_are_refused(tmp_path, untrained, failure, side, message):
    for number in range(4):
        write_picture(tmp_path / "towns" / "train" / f"{number}.png", np.hstack([town(number)[side]] * 2))
    folder = results(tmp_path / "results", tmp_path / "towns", lambda n: town(n)[0])
    code, said = failure(lambda line: run(tmp_path / "towns", line), str(folder))
    assert code == 2 and message in said and ("--palette FILE" in said if side == 0 else "--labels A or" in said)


def test_a_folder_without_pairs_is_refused(tmp_path, failure):
    code, said = failure(lambda line: run(tmp_path / "nothing", line), "results")
    assert code == 2 and f"--dataroot {tmp_path / 'nothing'} does not exist" in said and "Traceback" not in said


def test_edges_make_no_classes_when_labels_are_scaled(tmp_path):
    label = np.zeros((32, 32, 3), np.uint8)
    label[:, :15], label[:, 15:] = (200, 0, 0), (0, 0, 200)
    write_picture(tmp_path / "train" / "1.png", np.hstack([label, label]))
    palette = Palette(["red", "blue", "mixed"], torch.tensor([(200, 0, 0), (0, 0, 200), (100, 0, 100)]) / 255)
    (photo, classes), = open_pairs(str(tmp_path), "train").learned(palette, "B", 16)
    assert photo.shape == (3, 16, 16) and classes.shape == (16, 16)
    assert classes.tolist() == [[0] * 7 + [1] * 9] * 16  # pixel 7 looks at 15.5 of 32


def test_the_seed_decides_and_leaves_the_random_numbers_of_others_alone():
    photos, classes = (torch.from_numpy(np.stack(pile)) for pile in zip(*map(town, range(4)), strict=True))
    photos, classes = photos.permute(0, 3, 1, 2), classes.argmax(3).short()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (train_net(photos, classes, 3, 2, seed, torch.device("cpu")) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([value.flatten().float() for value in net.state_dict().values()])
               for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_help_answers_without_torch():
    code = ("import sys, evaluate\ntry: evaluate.main(['fcn', '--help'])\n"
            "finally: print('imported:', sorted({'torch', 'torchvision'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "usage: evaluate.py fcn" in done.stdout and "imported: []" in done.stdout
