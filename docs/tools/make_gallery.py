"""Make the pictures of docs/gallery.md again, from the runs of `make demo`: `make gallery`.

They go to docs/gallery/ as small WebP files. Pages are photographed by chromium.
"""
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "gallery"
WORK = ROOT / "results" / "gallery"
TOY = "datasets/toy_maps"
TESTS = {"toy_pix2pix_AtoB": "results/toy_pix2pix_AtoB/test_latest",
         "toy_pix2pix_BtoA": "results/toy_pix2pix_BtoA/test_latest",
         "toy_cyclegan": "results/toy_cyclegan/test_latest_ema"}


def main() -> None:
    """All pictures."""
    for folder in TESTS.values():
        if not (ROOT / folder).is_dir():
            sys.exit(f"{folder} is not there: make demo makes it")
    if shutil.which("chromium") is None:
        sys.exit("the pages are photographed by chromium, which is not installed")
    shutil.rmtree(WORK, ignore_errors=True)
    OUT.mkdir(exist_ok=True)
    figures()
    giant()
    pages()
    print(f"{OUT}: {sum(file.stat().st_size for file in OUT.iterdir()) / 1000:.0f} kB")


def figures() -> None:
    """Both models side by side, both ways, and the noise of pix2pix."""
    compare = ["evaluate.py", "compare", TESTS["toy_cyclegan"], "--titles", "pix2pix,CycleGAN", "--names",
               "0001,0002,0003,0004"]
    python(*compare[:2], TESTS["toy_pix2pix_AtoB"], *compare[2:], "--output", WORK / "maps")
    python(*compare[:2], TESTS["toy_pix2pix_BtoA"], *compare[2:], "--fake", "fake_B,fake_A",
           "--output", WORK / "photos")
    for name in ("maps", "photos"):
        save(Image.open(WORK / name / "comparison.png"), name, width=640)
    python("test.py", "--dataroot", TOY, "--name", "toy_pix2pix_BtoA", "--samples", "4", "--num_test", "2",
           "--results_dir", WORK)
    images = WORK / "toy_pix2pix_BtoA" / "test_latest" / "images"
    labels = ("real_A", "fake_B", "fake_B_2", "fake_B_3", "fake_B_std")
    save(grid([[images / f"{number}_{label}.png" for label in labels] for number in ("0001", "0002")]), "samples")


def giant() -> None:
    """A photo of 2048 pixels a side, translated by tiles, made small."""
    photo, drawn = WORK / "giant.tif", WORK / "giant_map.tif"
    python("datasets/toy_maps.py", "--size", "128", "--giant", "2048", "--out", photo)
    python("test.py", "--name", "toy_pix2pix_AtoB", "--dataroot", photo, "--tile", "auto", "--output", drawn)
    save(grid([[photo, drawn]], side=360), "giant")


def pages() -> None:
    """The pages, as a browser shows them."""
    python("datasets/check.py", "@recipes/toy_pix2pix.txt", "--dataroot", TOY, "--page", WORK / "check")
    photograph(ROOT / "checkpoints/toy_cyclegan/web/index.html", "training_page", 1000)
    photograph(ROOT / TESTS["toy_cyclegan"] / "index.html", "results_page", 820)
    photograph(WORK / "check" / "index.html", "doctor_page", 720)


def python(*words: object) -> None:
    """One of our commands, in the project's folder."""
    subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, check=True)


def photograph(page: Path, name: str, height: int) -> None:
    """The first screen of a page, 1280 pixels wide."""
    picture = WORK / f"{name}.png"
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--window-size=1280,{height}", "--virtual-time-budget=3000", f"--screenshot={picture}",
                    page.resolve().as_uri()], check=True, capture_output=True)
    save(Image.open(picture), name, width=960)


def grid(rows: Sequence[Sequence[Path]], side: int = 128, gap: int = 4) -> Image.Image:
    """Square pictures in rows, on white."""
    sheet = Image.new("RGB", (len(rows[0]) * (side + gap) - gap, len(rows) * (side + gap) - gap), "white")
    for y, row in enumerate(rows):
        for x, path in enumerate(row):
            picture = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x * (side + gap), y * (side + gap)))
    return sheet


def save(picture: Image.Image, name: str, width: int = 10_000) -> None:
    """As docs/gallery/NAME.webp, at most so wide."""
    picture = picture.convert("RGB")
    picture.thumbnail((width, 10_000), Image.Resampling.LANCZOS)
    picture.save(OUT / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
