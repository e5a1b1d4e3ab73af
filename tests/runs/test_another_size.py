"""Going on with another --crop_size: the pool's images are of the old one."""
import json

import pytest

import train as command


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2])
def test_going_on_with_another_crop_size(batch_size: int, line, tmp_path, capsys):
    common = f"--model cycle_gan --pool_size 2 --batch_size {batch_size} --print_freq {batch_size}"
    command.main(line("run", common))
    command.main(line("run", f"{common} --continue_train --n_epochs 4 --crop_size 36"))
    assert "note: --crop_size was 32, is now 36" in capsys.readouterr().out
    rows = [json.loads(row) for row in (tmp_path / "checkpoints/run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["epoch"] == 5 and rows[-1]["losses"]["D_A"] > 0
