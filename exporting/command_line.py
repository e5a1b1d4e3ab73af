"""What export.py is asked for: a run, a kind, a place."""
from collections.abc import Mapping, Sequence

from exporting import kinds
from options.parser import HelpAsked, build_parser, options_used_most, read_words, refuse_unknown
from options.schema import Group, Option, OptionError, Options, assemble, option


class RunToExport(Group):
    """the run"""

    name: str = option(None, "name of the run, whose folder is CHECKPOINTS_DIR/NAME", required=True, common=True)
    checkpoints_dir: str = option("./checkpoints", "folder of all runs")
    epoch: str = option("latest", "which saved epoch: a number, latest, or best")
    load_iter: int = option(0, "which saved iteration, if above 0", least=0)
    weights: str = option("raw", "which weights: raw, or ema, the running means of a training with --ema",
                          choices=("raw", "ema"))
    direction: str = option("", "which way of a CycleGAN; left out: the one it was trained in",
                            choices=("", "AtoB", "BtoA"))
    eval: bool = option(False, "no dropout, and the trained statistics of batch norm. Left out, both are as in test.py "
                        "without it: dropout is noise, a batch norm takes the statistics of each picture by itself")
    no_dropout: bool = option(False, "the generator was trained without dropout; of use where a run has no saved "
                              "options. Left out: as in the run")
    value_range: str = option("", "which values are black and white, as in test.py; left out: as in the run")
    input_range: str = option("", "the same of input images alone")
    output_range: str = option("", "the same of output images")
    seed: int = option(0, "of the noise with which the export is compared with PyTorch", least=0, most=2**63 - 1)


class ExportOptions(RunToExport):
    """the export"""

    to: str = option(None, "what to write; a wrong name lists them all", required=True, common=True)
    output: str = option("", "the file, or folder, to write; also as a word by itself. Left out: "
                         "exports/NAME_DIRECTION_EPOCH with the ending of the kind", common=True)
    overwrite: bool = option(False, "replace what lies there")
    io: str = option("unit", "what goes in and comes out of onnx, torch_export and torchscript: unit is float "
                     "(N,C,H,W) in [-1,1]; values is float (N,C,H,W) in the values of the run's files, such as 0..255; "
                     "uint8 is pictures (N,H,W,C)", choices=("unit", "values", "uint8"), common=True)
    precision: str = option("fp32", "of --to onnx: fp16 halves the file; int8 quarters it, its scales found on the "
                            "run's pictures", choices=("fp32", "fp16", "int8"), common=True)
    tolerance: float = option(0.0, "largest difference from PyTorch that is accepted, of values in [-1,1]. 0: 0.001, "
                              "in fp16 0.03, in int8 0.25; with --io uint8, which rounds, 0.004 more", least=0)
    dataroot: str = option("", "pictures to compare on: an image or a folder. Left out: those the run was trained on",
                           common=True)
    num_test: int = option(8, "how many pictures at most", least=1)
    license: str = option("", "the licence to write into the card, such as cc-by-4.0")
    samples: int = option(3, "of --to hub: how many pictures of the run lie in the folder, each with its translation, "
                          "for others to see; 0 where they are not yours to publish", least=0)
    push: str = option("", "of --to hub: upload it to this place, USER/REPO (pip install .[hub])")
    private: bool = option(False, "of --push: make a place that only you see. Left out: as your account has it")
    onnxruntime_web: str = option("", "of --to web: the file onnxruntime-web-VERSION.tgz, for a machine without "
                                  "network")


def read_line(argv: Sequence[str], description: str) -> Options:
    """The options of the line; those of ExportOptions. OptionError when it is wrong, HelpAsked with the text of --help.

    One word without a flag is the output: `--to web site`. --help by itself is one page, with --to all of them.
    """
    declared = assemble([ExportOptions])
    parser = build_parser("export.py", description, declared, testing=False)
    given, words = read_words(parser, argv, declared)
    if given.pop("help", False):
        raise HelpAsked(parser.format_help() if "to" in given else _short_help(description, declared))
    refuse_unknown([word for word in words if word.startswith("-")], "export.py", declared)
    if len(words) > 1 or (words and "output" in given):
        raise OptionError(f"found {' '.join(words)} beside the flags; expected at most one word, the output, and that "
                          "without --output")
    if words:
        given["output"] = words[0]
    missing = [f"--{name}" for name, option in declared.items() if option.required and name not in given]
    if missing:
        raise OptionError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
                          "For example: export.py --name maps --to onnx. "
                          f"Kinds: {', '.join(kinds.names())}")
    kinds.require(given["to"])
    values = {name: option.default for name, option in declared.items()} | given
    sources = {name: "command line" if name in given else "default" for name in values}
    return Options(values, sources, declared)


def _short_help(description: str, declared: Mapping[str, Option]) -> str:
    """One page: the kinds, and the options used most."""
    return "\n".join([
        description, "", "usage: export.py --name NAME --to KIND [options]", "", "kinds (--to):",
        *(f"  {name:<14}{what}" for name, what in kinds.DESCRIPTIONS.items()), "", "the options used most:",
        *options_used_most(declared), "", "export.py --to KIND --help  lists every option with its default."])
