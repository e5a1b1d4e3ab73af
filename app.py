"""A page on this machine for looking at images, training and translating: python app.py ./datasets"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studio.home import Home
from studio.serving import LOOPBACK, Place, serve
from util.errors import UserError, exit_on


def main(argv: list[str] | None = None) -> None:
    """The command. It serves until Ctrl-C; exit code 2 when it cannot be started as asked, 1 for the machine."""
    args = parser().parse_args(sys.argv[1:] if argv is None else argv)
    with exit_on(UserError):
        for folder in args.folders:
            if not folder.is_dir():
                raise UserError(f"{folder} is not a folder; give folders of images, or none for ./datasets")
        home = Home(tuple(args.folders or [Path("datasets")]), args.checkpoints_dir, args.results_dir)
        serve(home, Place(args.host, args.port), args.password, args.open)


def parser() -> argparse.ArgumentParser:
    """The words of app.py."""
    result = argparse.ArgumentParser("app.py", description=__doc__, allow_abbrev=False)
    result.add_argument("folders", metavar="FOLDER", type=Path, nargs="*",
                        help="folders of images that the app may read, with all below them; default: ./datasets")
    result.add_argument("--checkpoints_dir", metavar="DIR", type=Path, default=Path("checkpoints"),
                        help="folder of the trained runs; default: ./%(default)s")
    result.add_argument("--results_dir", metavar="DIR", type=Path, default=Path("results"),
                        help="folder of the translations; default: ./%(default)s")
    result.add_argument("--port", metavar="N", type=int, help="default: 7860, or the next one that is free")
    result.add_argument("--host", metavar="ADDRESS", default=LOOPBACK,
                        help="address to listen on; default: %(default)s, which only this machine reaches. Any other "
                             "needs a password")
    result.add_argument("--password", action="store_true",
                        help="ask for a password now, which the page then asks for; where nobody can type, the "
                             "environment variable BOTHWAYS_PASSWORD gives it")
    result.add_argument("--open", action="store_true", help="open the page in the browser of this machine")
    return result


if __name__ == "__main__":
    main()
