"""Take a trained generator elsewhere: python export.py --name maps --to onnx"""
from __future__ import annotations

import sys

from exporting.command_line import ExportOptions, read_line
from options.parser import HelpAsked
from options.schema import OptionError
from util.errors import UserError, exit_on
from util.notices import say


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after an export that answers as PyTorch does, 2 for a wrong command line or run, or one
    that does not answer so, 1 for the machine.
    """
    with exit_on(UserError, OptionError, HelpAsked):
        opt = read_line(sys.argv[1:] if argv is None else argv, (__doc__ or "").splitlines()[0])
        from exporting.making import make  # torch comes only from here on: --help answers at once
        from exporting.pushing import push
        made = make(opt)
        say(f"{name.replace('_', ' ')}: {mode}" for name, mode in made.modes.items())
        print(made.parity.table())
        print(f"card: {made.card}")
        print(f"export: {made.place}")
        say(made.advice)
        if asked := opt.view(ExportOptions).push:
            print(f"pushed: {push(made.place, opt.view(ExportOptions))}; it is read as hf://{asked}")


if __name__ == "__main__":
    main()
