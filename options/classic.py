"""The spellings of 2017, still understood, and the classic text file of options, still read."""
import re

RENAMED = {
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "which_epoch": "epoch",
    "how_many": "num_test",
    "loadSize": "load_size",
    "fineSize": "crop_size",
    "batchSize": "batch_size",
    "resize_or_crop": "preprocess",
    "which_direction": "direction",
    "which_model_netG": "netG",
    "which_model_netD": "netD",
    "nThreads": "num_threads",
    "display_single_pane_ncols": "display_ncols",
    "identity": "lambda_identity",
}


def modernize(tokens: list[str]) -> tuple[list[str], list[str]]:
    """The command line in today's spelling, and a notice for each old spelling found."""
    modern, notices = [], {}
    for token in tokens:
        flag, equals, value = token.partition("=")
        old = flag.removeprefix("--")
        if flag == "--no_lsgan":
            modern += ["--gan_mode", "vanilla"]
            notices[old] = "note: --no_lsgan is now --gan_mode vanilla"
        elif flag.startswith("--") and old in RENAMED:
            modern.append(f"--{RENAMED[old]}{equals}{value}")
            notices[old] = f"note: --{old} is now called --{RENAMED[old]}"
        else:
            modern.append(token)
    return modern, list(notices.values())


def read_classic_text(text: str) -> dict[str, str]:
    """The values, still as text, of a classic *_opt.txt: `   name: value    [default: other]` a line."""
    lines = re.findall(r"^ *(\w+): (.*?)\s*(?:\t\[default: .*\])?$", text, re.MULTILINE)
    return {RENAMED.get(name, name): value for name, value in lines}
