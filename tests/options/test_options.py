"""Declared once, parsed once, frozen: flags, defaults, precedence, old spellings, help, saved options."""
import json
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import models
from helpers.commands import ROOT, load_command
from options.classic import RENAMED
from options.command_line import parse
from options.groups import TrainingOptions
from options.parser import HelpAsked
from options.saved import adopt_to_go_on, adopt_to_test, read_saved
from options.schema import Group, OptionError, Options, Sides, assemble, option

CLASSIC = json.loads((Path(__file__).parents[1] / "fixtures" / "classic_flags.json").read_text())
COMMANDS = {phase: load_command(phase).COMMAND for phase in ("train", "test")}
TYPES = {"int": int, "float": float, "str": str, "flag": bool, None: str}


def read(line: str, phase: str = "train") -> Options:
    return parse(COMMANDS[phase], f"--dataroot ./images {line}".split())


@pytest.mark.parametrize("case", CLASSIC)
def test_every_classic_flag_has_its_type_and_default(case: str):
    phase, model = case.split("/")
    opt = read(f"--model {model}", phase)
    for name, (kind, default, required) in CLASSIC[case].items():
        declared = opt.declared[name]
        if name == "max_dataset_size":
            kind, default = None, math.inf
        elif name == "model":  # given on this line
            default = declared.default
        elif name == "load_iter":
            default = int(default)
        assert declared.required == required, name
        assert declared.default == default, name
        if name in ("load_size", "crop_size"):  # a whole number, as ever, or two
            assert declared.type == Sides and declared.read("64") == 64 and kind == "int"
            continue
        assert name == "max_dataset_size" or declared.type is TYPES[kind], name


@pytest.mark.parametrize("phase, model", [("train", "cycle_gan"), ("test", "test")])
def test_the_classic_default_models(phase: str, model: str):
    assert read("", phase).model == model


@pytest.mark.parametrize("line", [
    "train --dataroot ./datasets/maps --name maps_cyclegan --model cycle_gan --display_id 0 --gpu_ids -1",
    "train --dataroot ./datasets/facades --name facades_pix2pix --model pix2pix --direction BtoA --netG unet_256 "
    "--lambda_L1 100 --dataset_mode aligned --norm batch --pool_size 0 --niter 100 --niter_decay 100",
    "test --dataroot ./datasets/maps --name maps_cyclegan --model cycle_gan --phase test --no_dropout",
    "test --dataroot ./datasets/facades --direction BtoA --model pix2pix --name facades_pix2pix --how_many 50",
    "test --dataroot datasets/horse2zebra/testA --name horse2zebra_pretrained --model test --no_dropout",
    "test --dataroot ./datasets/x --name x --model test --netG unet_256 --direction BtoA --dataset_mode single "
    "--norm batch",
])
def test_classic_command_lines_are_accepted(line: str):
    phase, *words = line.split()
    opt = parse(COMMANDS[phase], words)
    for flag, value in pairwise(words):
        if flag.startswith("--") and not value.startswith("--"):
            name = RENAMED.get(flag[2:], flag[2:])
            assert str(getattr(opt, name)) == value or float(getattr(opt, name)) == float(value)


@pytest.mark.parametrize("old, new", RENAMED.items())
def test_the_spellings_of_2017_say_their_new_name_once(old: str, new: str):
    phase = "test" if new == "num_test" else "train"
    value = {"direction": "BtoA", "preprocess": "crop", "netG": "unet_256", "netD": "pixel"}.get(new, "7")
    opt = read(f"--{old} {value} --{old}={value}", phase)
    assert str(getattr(opt, new)) in (value, f"{value}.0")
    assert opt.notices == (f"note: --{old} is now called --{new}",)


def test_no_lsgan_is_vanilla():
    opt = read("--no_lsgan")
    assert opt.gan_mode == "vanilla"
    assert opt.notices == ("note: --no_lsgan is now --gan_mode vanilla",)


def test_precedence_and_sources(tmp_path: Path):
    recipe = tmp_path / "recipe.txt"
    recipe.write_text("# a comment\n--model pix2pix --ngf 8\n--ndf 8  # another\n")
    opt = read(f"--ndf 4 @{recipe} --ngf 16")
    rows = {name: (getattr(opt, name), opt.sources[name]) for name in ("norm", "lr", "ngf", "ndf", "model")}
    assert rows == {
        "norm": ("batch", "model default"),
        "lr": (0.0002, "default"),
        "ngf": (16, "command line"),  # the later one wins
        "ndf": (8, f"@{recipe}"),
        "model": ("pix2pix", f"@{recipe}"),
    }
    assert (opt.given("ndf"), opt.given("norm")) == (True, False)
    assert read("--dataset_mode template").sources["no_flip"] == "dataset default"
    assert set(opt.changed()) == {"model", "ngf", "ndf", "dataroot"}  # norm batch is pix2pix's own default


def test_a_model_or_dataset_named_twice_is_the_last_one(tmp_path: Path):
    opt = read("--model pix2pix --dataset_mode single --model cycle_gan --dataset_mode template")
    assert (opt.model, opt.dataset_mode) == ("cycle_gan", "template")
    assert (opt.norm, opt.lambda_A, opt.sources["no_flip"]) == ("instance", 10, "dataset default")
    assert "lambda_L1" not in opt
    (tmp_path / "recipe.txt").write_text("--model cycle_gan --lambda_A 3")
    with pytest.raises(OptionError, match="--lambda_A is not an option here"):
        read(f"@{tmp_path / 'recipe.txt'} --model pix2pix")
    assert read(f"--model pix2pix @{tmp_path / 'recipe.txt'}").lambda_A == 3


def test_flags_take_an_optional_value():
    assert read("--model cycle_gan").no_dropout is True
    assert read("--model cycle_gan --no_dropout false").no_dropout is False
    assert read("--no_flip").no_flip is True


@pytest.mark.parametrize("line, said", [
    ("--batchsize 4", "did you mean --batch_size?"),
    ("--lambda_identiti 4", "did you mean --lambda_identity?"),
    ("--n_epoch 4", "did you mean --n_epochs or --n_epochs_decay?"),
    ("--hepl", "did you mean --help?"),
    ("--netG --ngf 4", "--netG needs a value: resnet_9blocks, resnet_6blocks, unet_256, unet_128, encoder_decoder_256, "
     "encoder_decoder_128"),
    ("--resume", "--resume needs a value: auto"),
    ("--lr", "--lr needs a value: initial learning rate of Adam"),
    ("--ngf many", "'many' is not a whole number"),
    ("--lr fast", "'fast' is not a number"),
    ("--no_flip maybe", "'maybe' is not true or false"),
    ("--netG unet_265", "did you mean unet_256?"),
    ("--norm layer", "Known: batch, instance, syncbatch, none"),
    ("--direction AtoC", "Known: AtoB, BtoA"),
    ("--suffix {nonsense}", "nonsense"),
    ("@/no/such/file", "@/no/such/file cannot be read"),
])
def test_wrong_lines_are_named(line: str, said: str):
    with pytest.raises(OptionError, match=said.replace("?", r"\?").replace("{", r"\{")):
        read(line)


def test_a_value_may_begin_with_a_minus():
    opt = read("--input_range -160,240 --output_range -.5,.5 --gpu_ids -1 --display_id -3 --no_flip --ngf 4")
    assert (opt.input_range, opt.output_range, opt.gpu_ids) == ("-160,240", "-.5,.5", "-1")
    assert (opt.display_id, opt.no_flip, opt.ngf) == (-3, True, 4)


def test_a_missing_dataroot_is_named():
    with pytest.raises(OptionError, match="--dataroot is missing"):
        parse(COMMANDS["train"], [])


def test_options_are_frozen_and_replaced_by_copies():
    opt = read("--ngf 8")
    with pytest.raises(AttributeError, match="frozen"):
        opt.ngf = 4
    assert (opt.replace(phase="val").phase, opt.phase) == ("val", "train")


def test_suffix_names_the_run():
    assert read("--name run --suffix {netG}_{load_size}").name == "run_resnet_9blocks_286"


def test_declaring_twice_is_a_programming_error():
    class Once(Group):
        ngf: int = option(1, "")

    class Twice(Group):
        ngf: int = option(2, "")

    with pytest.raises(TypeError, match="--ngf is declared in 'Once' and again in 'Twice'"):
        assemble([Once, Twice])


class Sizes(Group):
    """sizes"""

    width: int = option(1, "")
    height: int = option(1, "")


class Wide(Sizes):
    """wide"""

    width: int = option(9, "")
    depth: int = option(3, "")


class Both(Wide, TrainingOptions):
    """both"""


def test_a_group_reached_in_several_ways_counts_once():
    declared = assemble([Sizes, Both, TrainingOptions, Wide])
    assert list(declared)[:4] == ["width", "height", "depth", "n_epochs"]
    assert len(declared) == 3 + len(assemble([TrainingOptions]))
    titles = [declared[name].group for name in ("width", "height", "depth", "lr")]
    assert titles == ["wide", "sizes", "wide", "training"]  # of the class in whose body it stands
    assert declared["width"].default == assemble([Wide, Sizes])["width"].default == 9


def test_a_class_cannot_inherit_two_declarations_of_one_name():
    class High(Group):
        """high"""
        height: int = option(5, "")

    class Mixed(Sizes, High):
        pass

    with pytest.raises(TypeError, match="--height is declared in 'sizes' and again in 'high'"):
        assemble([Mixed])


def test_a_name_of_the_options_themselves_is_a_programming_error():
    class Bad(Group):
        """bad"""
        replace: bool = option(False, "")

    with pytest.raises(TypeError, match="--replace, declared in 'bad', is a name that Options has for itself"):
        assemble([Bad])


def test_a_view_is_the_same_frozen_object():
    opt = read("--lr 0.5 --ngf 8")
    training = opt.view(TrainingOptions)
    assert training is opt and training.lr == opt.lr == 0.5
    with pytest.raises(AttributeError, match="frozen"):
        training.lr = 1.0


@pytest.mark.slow
def test_a_type_checker_knows_the_fields_of_a_view(tmp_path: Path):
    pytest.importorskip("mypy")
    (tmp_path / "reader.py").write_text("""\
from options.groups import TrainCommandOptions
from options.schema import Options

def read(opt: Options) -> str:
    seen = opt.view(TrainCommandOptions)
    reveal_type(seen.lr)
    reveal_type(seen.max_dataset_size)
    seen.learning_rate
    return opt.lr
""")
    done = subprocess.run([sys.executable, "-m", "mypy", "--config-file=", str(tmp_path / "reader.py")], cwd=ROOT,
                          capture_output=True, text=True)
    said = [line.partition(": ")[2] for line in done.stdout.splitlines() if "reader.py" in line]
    assert said[:2] == ['note: Revealed type is "float"', 'note: Revealed type is "int | float"']
    assert 'has no attribute "learning_rate"' in said[2] and '"Options" has no attribute "lr"' in said[3]


@pytest.mark.parametrize("phase", COMMANDS)
@pytest.mark.parametrize("model", models.names())
def test_help_of_a_model_shows_every_option_with_its_default(model: str, phase: str):
    with pytest.raises(HelpAsked) as help:
        parse(COMMANDS[phase], ["--model", model, "--help"])
    assert help.value.exit_code == 0
    shown = re.split(r"(?<=\s)(?=--\w+ (?:X|auto|reflect|\[true))", " ".join(str(help.value).split()))
    rows = {row.split()[0].removeprefix("--"): row for row in shown[1:]}
    for name, declared in read(f"--model {model}", phase).declared.items():
        if phase == "test" and declared.training_only:
            assert name not in rows
            continue
        assert declared.help.split()[0] in rows[name]
        from_run = phase == "test" and (declared.structure or declared.sampling)
        assert ("(left out: as in the run)" in rows[name]) == from_run, name
        if not from_run and not declared.required and declared.default != "":
            assert f"(default: {declared.default})" in rows[name], name


def test_the_short_help_has_what_is_needed_most():
    shown = {}
    for phase, command in COMMANDS.items():
        with pytest.raises(HelpAsked) as help:
            parse(command, ["--help"])
        shown[phase] = dict(re.findall(r"^  --(\w+) +(.*)$", str(help.value), re.MULTILINE))
    assert {"continue_train", "preprocess", "epoch", "gpu_ids"} <= shown["train"].keys()
    assert {"preprocess", "epoch", "gpu_ids", "num_test"} <= shown["test"].keys()
    assert shown["train"]["crop_size"].endswith("(default: 256)")
    assert shown["test"]["crop_size"].endswith("(left out: as in the run)")


def test_an_option_with_one_choice_shows_it_once():
    with pytest.raises(HelpAsked) as help:
        parse(COMMANDS["train"], ["--model", "pix2pix", "--help"])
    assert re.search(r"--resume auto +go on if the run's folder holds something", str(help.value))


def test_saved_options_come_back(tmp_path: Path):
    opt = read("--ngf 8 --max_dataset_size 10 --model pix2pix")
    (tmp_path / "train_opt.json").write_text(opt.as_json())
    values, where = read_saved(tmp_path, opt.declared)
    assert (values, where) == (opt.as_dict(), str(tmp_path / "train_opt.json"))
    rows = json.loads(opt.as_json())
    assert rows["ngf"] == {"value": 8, "source": "command line"}
    assert rows["norm"] == {"value": "batch", "source": "model default"}


def test_the_classic_text_file_comes_back(tmp_path: Path):
    opt = read("--ngf 8 --model pix2pix --suffix {norm}")
    text = opt.as_classic_text()
    assert "                      ngf: 8                             \t[default: 64]\n" in text
    assert text.startswith("----------------- Options ---------------\n")
    (tmp_path / "train_opt.txt").write_text(text)
    values, _ = read_saved(tmp_path, opt.declared)
    assert {name: values[name] for name in ("ngf", "norm", "no_dropout", "lr", "max_dataset_size")} == {
        "ngf": 8, "norm": "batch", "no_dropout": False, "lr": 0.0002, "max_dataset_size": math.inf}


def test_testing_adopts_the_architecture_and_refuses_to_contradict_it():
    trained = read("--ngf 8 --netG unet_128 --crop_size 128 --direction BtoA").as_dict()
    adopted = adopt_to_test(read("", "test"), trained, "file")
    assert {name: value for name, (value, _) in adopted.items()} == {
        "model": "cycle_gan", "dataset_mode": "unaligned", "netG": "unet_128", "ngf": 8, "norm": "instance",
        "no_dropout": True, "input_nc": 3, "output_nc": 3,
        "crop_size": 128, "load_size": 128, "direction": "BtoA", "value_range": "auto", "input_range": "",
        "output_range": "", "page": "1", "show_bands": ""}
    assert "ngf" not in adopt_to_test(read("--ngf 8", "test"), trained, "file")
    with pytest.raises(OptionError, match="--netG unet_256 does not fit .* netG unet_128 .file."):
        adopt_to_test(read("--netG unet_256", "test"), trained, "file")
    assert adopt_to_test(read("--crop_size 512", "test"), trained, "file")["load_size"][0] == 512
    with pytest.raises(OptionError, match="file says preprocess scale_width and no load_size; give --load_size"):
        adopt_to_test(read("", "test"), {"preprocess": "scale_width"}, "file")


def test_norms_of_one_meaning_may_replace_each_other():
    trained = read("--model pix2pix").as_dict()
    assert "norm" not in adopt_to_test(read("--norm syncbatch", "test"), trained, "file")
    assert "norm" not in adopt_to_go_on(read("--norm syncbatch --model pix2pix"), trained, "file")
    with pytest.raises(OptionError, match=r"cannot go on with .*\(file\):\n  --norm: batch in the run, none here"):
        adopt_to_go_on(read("--norm none --model pix2pix"), trained, "file")
