"""Files with several pages, frames or slices: which of them are images of their own."""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raster.reading import page_paths
from util.errors import UserError

THREADS = 8


def chosen_pages(files: list[Path], page: str) -> tuple[list[Path], list[str]]:
    """The paths of the pages that --page chooses of each file, in order; a notice where that is said of many.

    page: '1', the files themselves; another number, that page of each file with several; 'all'. Raises UserError for
    another word.
    """
    if page == "1":
        return files, []
    if page != "all" and not (page.isdecimal() and int(page)):
        raise UserError(f"--page {page} is no page; expected a number from 1 on, or all")
    with ThreadPoolExecutor(THREADS) as pool:
        pages = list(pool.map(_pages, files))
    several = [len(paths) for paths in pages if len(paths) > 1]
    if page == "all":
        return [path for paths in pages for path in paths], (
            [f"note: --page all: {sum(several)} pages of {len(several)} files are images of their own"]
            if several else [])
    number = int(page)
    short = [file for file, paths in zip(files, pages, strict=True) if 1 < len(paths) < number]
    if short:
        raise UserError(f"--page {page}: {len(short)} of {len(files)} files have fewer pages, such as {short[0]}; give "
                        "--page all or a lower number")
    return [paths[number - 1] if len(paths) > 1 else paths[0] for paths in pages], (
        [f"note: --page {page} is read of {len(several)} files with several pages"] if several else [])


def _pages(file: Path) -> list[Path]:
    """The paths of a file's pages; the file itself where it has one, or cannot be read, which the check will tell."""
    try:
        paths = page_paths(file)
    except UserError:
        return [file]
    return paths if len(paths) > 1 else [file]
