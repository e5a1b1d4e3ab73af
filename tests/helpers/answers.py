"""Answers of a study as its page saves them."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def row(fooled: bool, practice: bool = False, interrupted: bool = False) -> dict[str, Any]:
    """One answer; fooled: whether the fake was labelled real."""
    return {"practice": practice, "trial": 1, "real": "1.png", "fake": "2.png", "first": "real",
            "answer": "second" if fooled else "first", "time_ms": 700, "shown_ms": [1000, 1000],
            "interrupted": interrupted, "width": 256}


def write_answers(path: Path, rows: Sequence[dict[str, Any]], method: str = "ours", **more: Any) -> Path:
    """A file of answers; its session is called like the file. more: in place of what the page would write."""
    practice = sum(row["practice"] for row in rows)
    content = {"format": "real-or-fake answers 1", "session": path.stem, "method": method, "seed": 0,
               "same_input": False, "size": 256, "show_ms": 1000, "practice": practice, "trials": len(rows) - practice,
               "answers": list(rows), **more}
    path.write_text(json.dumps(content))
    return path
