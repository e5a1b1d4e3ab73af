"""A training step against the same written out with torch alone."""
import copy

import torch
import torch.nn.functional as F

from helpers.commands import TINY
from helpers.engines import start, take_step


def test_steps_of_the_template_are_those_of_adam():
    """--lr, --beta1, --lambda_regression and the second momentum, 0.999, against torch.optim.Adam."""
    source = torch.Generator().manual_seed(1)
    images = torch.rand(4, 2, 1, 3, 32, 32, generator=source, dtype=torch.float64)
    batches = [{"A": A, "B": B} for A, B in images]
    engine = start(f"--model template {TINY} --no_dropout --lr 0.003 --beta1 0.8 --lambda_regression 4")
    net = engine.model.nets.double()["G"]
    by_hand = copy.deepcopy(net)
    adam = torch.optim.Adam(by_hand.parameters(), 0.003, (0.8, 0.999))
    for batch in batches:
        report = take_step(engine, batch)
        loss = 4 * F.l1_loss(by_hand(batch["A"]), batch["B"])
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert (report.losses["G"] - loss).abs() < 1e-12
    assert (net(batches[0]["A"]) - by_hand(batches[0]["A"])).abs().max() < 1e-12
