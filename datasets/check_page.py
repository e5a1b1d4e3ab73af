"""The page of datasets/check.py: suspicious images first, then samples as the trainer sees them."""
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from data.base_dataset import BaseDataset
from data.findings import Finding
from data.report import Report
from pages.contact_sheet import ContactSheet, Told
from pages.page import Pictures
from pages.pictures import save_picture, to_pictures
from raster.view import read_image
from util.errors import UserError
from util.files import write_atomically

WIDTH = 256  # CSS pixels of a picture
SIDE = 384  # pixels that a thumbnail has at most
SAMPLES = 12  # of a split
GROUPS = 12  # of a finding
IN_A_GROUP = 6
MARK = "check.json"
ORDER = ("swapped", "unrelated", "leakage", "near_leakage")  # suspicious pairs first


def require_place(folder: Path) -> None:
    """UserError when the folder holds something that is not an earlier page of this command."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / MARK).exists():
        raise UserError(f"--page {folder} holds something else; give a new or empty folder")


def write_page(report: Report, folder: Path) -> Path:
    """Write the page, replacing an earlier one, and the report beside it as check.json."""
    require_place(folder)
    write_atomically(folder / MARK, json.dumps(report.as_dict(), indent=2) + "\n")  # first: it says whose folder it is
    shutil.rmtree(folder / "images", ignore_errors=True)
    told = [Told(finding.severity, finding.text, finding.advice, str(number) if _shown(finding) else "")
            for number, finding in enumerate(report.findings)]
    facts = {"folder": report.dataroot, "layout": report.layout}
    facts |= {name: ", ".join(f"{side.images} images {label}" for label, side in split.sides.items())
              for name, split in report.splits.items()}
    sheet = ContactSheet(folder, f"{Path(report.dataroot).absolute().name}: the dataset", facts, told, WIDTH)
    numbered = [(number, finding) for number, finding in enumerate(report.findings) if _shown(finding)]
    for number, finding in sorted(numbered, key=lambda pair: pair[1].kind not in ORDER):
        _add_finding(sheet, str(number), finding, report)
    for name, split in report.splits.items():
        _add_samples(sheet, name, split.dataset)
    return sheet.save()


def _shown(finding: Finding) -> bool:
    return bool(finding.files) and finding.kind != "unreadable"


def _add_finding(sheet: ContactSheet, anchor: str, finding: Finding, report: Report) -> None:
    """The first groups of a finding's files, each group beside each other."""
    root = Path(report.dataroot)
    ranges = {path: known for split in report.splits.values() for path, known in split.dataset.ranges.items()}
    more = len(finding.files) - GROUPS
    sheet.add_section(anchor, finding.text, f"the first {GROUPS} of {len(finding.files)}" if more > 0 else "")
    for number, group in enumerate(finding.files[:GROUPS]):
        names = [os.path.relpath(path, root) for path in group[:IN_A_GROUP]]
        left_out = f" and {len(group) - IN_A_GROUP} more" if len(group) > IN_A_GROUP else ""
        pictures: Pictures = []
        for place, (path, name) in enumerate(zip(group, names, strict=False)):
            file = f"{anchor}_{number}_{place}.png"
            try:
                _save(sheet, file, np.asarray(read_image(path, 3, ranges.get(path))))
            except UserError:  # more pixels than the default allows, say; the row tells its name
                continue
            pictures.append((name, file))
        sheet.add_row(f"{names[0]}{left_out}", pictures, f"{anchor}-{number}")


def _add_samples(sheet: ContactSheet, split: str, dataset: BaseDataset) -> None:
    """Some samples, from all over the split, cropped and mirrored as in training."""
    count = min(SAMPLES, len(dataset))
    sheet.add_section(split, f"{split}: {count} of {len(dataset)} samples", "as the trainer sees them: scaled, cropped "
                      "and mirrored" if dataset.preprocess.augment else "as a test sees them")
    for number in range(count):
        index = number * len(dataset) // count
        try:
            sample = dataset.complete(dataset.sample(index, random.Random(index)))
        except UserError:  # smaller than the crop: among the findings
            continue
        pictures: Pictures = []
        for side in dataset.gives:
            if sample[side].shape[0] in (1, 3):  # the two channels of colour alone are no picture
                file = f"{split}_{index}_{side}.png"
                _save(sheet, file, to_pictures(sample[side][None])[0])
                pictures.append((side, file))
        names = dict.fromkeys(os.path.relpath(sample[key], dataset.root) for key in ("A_paths", "B_paths")
                              if key in sample)
        sheet.add_row("  ".join(names), pictures, f"{split}-{index}")


def _save(sheet: ContactSheet, file: str, pixels: np.ndarray) -> None:
    """uint8 (H, W, 3) as a thumbnail in the page's folder."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    save_picture(sheet.folder / "images" / file, np.asarray(image))
