"""The report of what a training began with."""
from pathlib import Path

from helpers.saved_runs import lively_generator, save_run
from networks.recognize import describe_weights
from runs.warm_start import init_from


def test_where_layers_have_other_numbers_the_report_says_why(tmp_path: Path):
    run = save_run(tmp_path / "run", "resnet_6blocks", "instance", dropout=False)
    (line,) = init_from(str(run), {"G": lively_generator("resnet_6blocks", "instance", True)}, describe_weights)
    assert "12 skipped (model.10.conv_block.5.weight, " in line
    there, _, here = line.partition("; the file is of ")[2].partition(", this network of ")
    assert there.endswith("--no_dropout True") and here.endswith("--no_dropout False")
    (line,) = init_from(str(run), {"G": lively_generator("resnet_6blocks", "instance", False)}, describe_weights)
    assert line.endswith(" tensors loaded")
