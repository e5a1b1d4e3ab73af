"""Files with several pages, frames or slices: which of them are images of their own."""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raster.bad_image import BadImage
from raster.names import page_path, page_paths
from raster.reading import read_header
from util.errors import UserError

THREADS = 8
MOST = 1_000_000  # pages: their paths alone take 200 MB


def chosen_pages(files: Sequence[Path], page: str) -> tuple[Sequence[Path], list[str]]:
    """The paths of the pages that --page chooses of each file, in order; a notice where that is said of many.

    page: '1', the files themselves; another number, that page of each file with several; 'all'. Raises UserError for
    another word, for a page that is not there, and for more pages than can be listed.
    """
    if page == "1":
        return files, []
    if page != "all" and not (page.isdecimal() and int(page)):
        raise UserError(f"--page {page} is no page; expected a number from 1 on, or all")
    with ThreadPoolExecutor(THREADS) as pool:
        counts = dict(zip(files, pool.map(_count, files), strict=True))
    several = {file: count for file, count in counts.items() if count > 1}
    if page == "all":
        total = sum(several.values())
        if total > MOST:
            file = max(several, key=several.__getitem__)
            raise UserError(f"--page all: the files say that they have {total} pages, {file} alone {several[file]}, "
                            f"more than {MOST}; take that file out, or give --page 1")
        notices = [f"note: --page all: {total} pages of {len(several)} files are images of their own"]
        return [path for file, count in counts.items() for path in page_paths(file, count)], notices if several else []
    number = int(page)
    short = [file for file, count in several.items() if count < number]
    if short:
        raise UserError(f"--page {page}: {len(short)} of {len(files)} files have fewer pages, such as {short[0]}; give "
                        "--page all or a lower number")
    notices = [f"note: --page {page} is read of {len(several)} files with several pages"]
    return [page_path(file, number) if file in several else file for file in files], notices if several else []


def _count(file: Path) -> int:
    """How many pages a file says that it has; 1 where it cannot be read, which the check will tell."""
    try:
        return read_header(file, max_pixels=float("inf")).pages
    except BadImage:
        return 1
