"""Each disease is warned of once, and health is not."""
import pytest
import torch
from torch import Tensor

from models.contract import Translation
from runs.health import CHECKS, Health

ONE_WAY = Translation("real_A", "fake_B", "real_B", paired=True, G="G_GAN", D=("D_real", "D_fake"))
LOSSES = {"D_real": 0.5, "D_fake": 0.5, "G_GAN": 1.0}


def image(seed: int) -> Tensor:
    """A smooth random image, (1, 3, 32, 32) in [-1, 1]."""
    noise = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(noise, size=32, mode="bilinear")


def warnings(translation=ONE_WAY, losses=LOSSES, fake=None, target=None, checks=CHECKS + 3) -> list[str]:
    """What is said while images of a training go by. fake, target: from the source and its number to an image."""
    health, said = Health((translation,)), []
    for number in range(checks):
        source = image(number)
        images = {"real_A": source, "fake_B": fake(source, number) if fake else 0.5 * source,
                  "real_B": target(source, number) if target else 0.4 * source + 0.3}
        said += health.check(losses, images)
    return said


def test_a_healthy_training_is_left_alone():
    assert warnings() == []


def test_a_discriminator_that_wins_is_named_once():
    said = warnings(losses={"D_real": 0.001, "D_fake": 0.002, "G_GAN": 6.0})
    assert len(said) == 1
    assert said[0].startswith("warning: D_real + D_fake wins outright") and "--netD pixel" in said[0]


@pytest.mark.parametrize("loss, ill", [(0.018, True), (0.022, False)])
def test_how_low_the_loss_of_a_winner_is(loss, ill):
    assert bool(warnings(losses={"D_real": loss / 2, "D_fake": loss / 2, "G_GAN": 6.0})) is ill


@pytest.mark.parametrize("distance, ill", [(0.018, True), (0.022, False)])
def test_how_near_a_copy_is(distance, ill):
    assert bool(warnings(fake=lambda source, number: source + distance)) is ill


def test_a_negative_critic_is_no_winner():
    assert warnings(losses={"D_real": -3.0, "D_fake": -2.0, "G_GAN": 1.0}) == []


def test_a_copy_of_the_input():
    said = warnings(fake=lambda source, number: source + 0.001)
    assert len(said) == 1 and "fake_B is a copy of real_A" in said[0]


def test_a_copy_that_the_target_is_too_is_right():
    assert warnings(fake=lambda source, number: source, target=lambda source, number: source) == []


def test_mode_collapse():
    said = warnings(fake=lambda source, number: image(99) + 0.0001 * source)
    assert len(said) == 1 and "fake_B hardly depends on real_A (mode collapse)" in said[0]


def test_inverted_colours():
    said = warnings(fake=lambda source, number: -0.5 * source)
    assert len(said) == 1 and "inverted" in said[0]
    unpaired = Translation("real_A", "fake_B", "real_B", paired=False)
    assert len(warnings(unpaired, fake=lambda source, number: -0.5 * source)) == 1


def test_an_inversion_that_the_target_asks_for_is_right():
    assert warnings(fake=lambda source, number: -0.5 * source, target=lambda source, number: -0.6 * source) == []


def test_one_good_check_starts_the_count_anew():
    assert warnings(fake=lambda source, number: source if number != 5 else 0.5 * source, checks=CHECKS + 3) == []


def test_its_state_goes_on():
    first, second = Health((ONE_WAY,)), Health((ONE_WAY,))
    for number in range(CHECKS - 1):
        first.check(LOSSES, {"real_A": image(number), "fake_B": image(number), "real_B": image(50 + number)})
    second.load_state(first.state())
    last = {"real_A": image(9), "fake_B": image(9), "real_B": image(60)}
    assert len(second.check(LOSSES, last)) == 1
    assert second.state()["said"] == ["copying fake_B"]


def test_a_training_says_it_once_in_its_log(train, monkeypatch, capsys):
    monkeypatch.setattr("runs.health.CHECKS", 2)
    monkeypatch.setattr("runs.health._diagnose", lambda translation, checks: ["collapsed"])
    folder = train("--model pix2pix --print_freq 1 --n_epochs 2")
    line = "warning: fake_B hardly depends on real_A (mode collapse)"
    assert capsys.readouterr().out.count(line) == 1
    assert (folder / "loss_log.txt").read_text().count(line) == 1


def test_a_training_that_goes_on_goes_on_counting_and_does_not_say_it_again(train, monkeypatch):
    monkeypatch.setattr("runs.health.CHECKS", 6)
    monkeypatch.setattr("runs.health._diagnose", lambda translation, checks: ["collapsed"])
    line, said = "--model pix2pix --print_freq 1", []
    for epochs, how in ((1, ""), (2, "--continue_train"), (3, "--continue_train")):  # four checks each
        folder = train(f"{line} --n_epochs {epochs} {how}")
        said.append((folder / "loss_log.txt").read_text().count("mode collapse"))
    assert said == [0, 1, 1]
