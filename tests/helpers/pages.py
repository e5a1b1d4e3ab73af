"""Training pages without a training."""
import random
from pathlib import Path

from pages.training_page import TrainingPage

FACTS = {"model": "cycle_gan", "options <b>&": "lambda_A 10, " * 60}


def training_page(folder: Path, resume: bool = False) -> TrainingPage:
    return TrainingPage(folder, "facades", FACTS, image_width=96, resume=resume)


def train(page: TrainingPage, epochs: range, save_every: int = 1) -> Path:
    """Five values of each loss and a row of pictures an epoch, the same for the same epoch."""
    for epoch in epochs:
        values = random.Random(epoch)
        for step in range(5):
            page.add_losses(epoch - 1 + step / 5, {"G_L1": 100 * values.random(), "D_real": values.random()})
        page.add_pictures(epoch, [(label, f"epoch{epoch:03d}_{label}.png") for label in ("real_A", "fake_B")])
        if epoch % save_every == 0:
            page.save()
    return page.save()
