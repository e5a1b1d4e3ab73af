"""What docs/python.md shows runs, from the first line to the last."""
import re

from helpers.commands import ROOT, TINY
from helpers.images import write_image
from helpers.lively import NOISY

SETTINGS = 'settings = {"n_epochs": 5, "n_epochs_decay": 5}'


def test_the_page_from_the_first_line_to_the_last(trained, dataroot, tmp_path, capsys):
    trained(NOISY).rename(tmp_path / "checkpoints" / "maps")
    (tmp_path / "datasets").mkdir()
    dataroot.rename(tmp_path / "datasets" / "facades")
    write_image(tmp_path / "photo.jpg", 60, 40)
    text = (ROOT / "docs" / "python.md").read_text()
    assert SETTINGS in text
    tiny = dict(zip(*[iter(TINY.replace("--", "").split())] * 2, strict=True))
    blocks = re.findall(r"```python\n(.*?)```", text.replace(SETTINGS, f"settings = {tiny}"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) > 5 and names["out"].size == (32, 32)
    for made in ("map.png", "out/map.tif", "out/large.tif", "checkpoints/facades/latest_net_G.pth"):
        assert (tmp_path / made).exists(), made
    assert names["fake_B"].shape == (1, 3, 32, 32) and names["y"].shape == (1, 3, 256, 256)
    said = capsys.readouterr().out
    assert "holds one generator, trained with --direction AtoB" in said and "\n2 {'D_real':" in said
