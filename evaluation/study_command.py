"""Ask people which picture is real, as the papers do: write the page of a study, or score the answers to it."""
import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from evaluation.study_pairs import Pair, Pairs, draw_pairs, shortage
from evaluation.study_pictures import as_results, find_pictures, giveaways, is_results, prepare
from evaluation.study_score import score, table
from evaluation.whole_numbers import whole_number
from pages.study_page import Study, StudyMethod, StudyPicture, write_study
from util.errors import UserError, exit_on
from util.files import require_places, write_atomically
from util.notices import say

LARGE = 50  # megabytes


def parser() -> argparse.ArgumentParser:
    """The words of `evaluate.py study`."""
    result = argparse.ArgumentParser(
        "evaluate.py study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  evaluate.py study --fake results/maps/test_latest\n"
               "  evaluate.py study --real datasets/maps/testB --fake ours=out/ours --fake theirs=out/theirs\n"
               "  evaluate.py study --score answers-*.json")
    page = result.add_argument_group("the page")
    page.add_argument("--fake", metavar="[NAME=]DIR", action="append", default=[],
                      help="folder of generated pictures, or one that test.py wrote; again for each further method. A "
                           "person is shown one of them, drawn at random")
    page.add_argument("--real", metavar="DIR", type=Path,
                      help="folder of real pictures; left out, the real ones in the results of the first --fake")
    page.add_argument("--output", metavar="FILE", type=Path, default=Path("results/study.html"),
                      help="default: %(default)s")
    page.add_argument("--translation", choices=("fake_B", "fake_A"), default="fake_B",
                      help="which pictures of a results folder; default: %(default)s")
    page.add_argument("--same_input", action="store_true",
                      help="pairs of equal names, as for colorization in the papers; else never, which is harder")
    page.add_argument("--trials", metavar="N", type=whole_number(1, 1000), default=40,
                      help="pairs that count; default: %(default)s")
    page.add_argument("--practice", metavar="N", type=whole_number(0, 1000), default=10,
                      help="pairs before them, with feedback; default: %(default)s")
    page.add_argument("--size", metavar="PIXELS", type=whole_number(16, 2048), default=256,
                      help="width and height of all pictures; default: %(default)s")
    page.add_argument("--show_ms", metavar="MS", type=whole_number(1, 60_000), default=1000,
                      help="how long a picture is shown, in milliseconds; default: %(default)s")
    page.add_argument("--seed", metavar="N", type=whole_number(0), default=0,
                      help="other pictures, other pairs; default: %(default)s")
    scoring = result.add_argument_group("the score")
    scoring.add_argument("--score", metavar="FILE", nargs="+", type=Path, help="files of answers that the page saved")
    scoring.add_argument("--json", metavar="FILE", type=Path, help="also write the score to this file")
    return result


def main(argv: Sequence[str]) -> None:
    """The command. Exit code 0 when the page or the score is done, 2 when pictures or answers cannot be used."""
    args = parser().parse_args(argv)
    with exit_on(UserError):
        if args.score and (args.fake or args.real):
            raise UserError("--score takes answers, --real and --fake make a page; give one or the other")
        if args.json and not args.score:
            raise UserError("--json goes with --score; a page goes to --output FILE")
        if args.score:
            require_places({"--json": args.json})
            _print_score(args.score, args.json)
        else:
            require_places({"--output": args.output})
            _make_page(args)


def _print_score(paths: Sequence[Path], json_file: Path | None) -> None:
    scores, notices = score(paths)
    print(table(scores))
    say(notices)
    if json_file:
        content = {"scores": [asdict(row) for row in scores], "notices": notices}
        write_atomically(json_file, json.dumps(content, indent=1) + "\n")


def _make_page(args: argparse.Namespace) -> None:
    folders = _methods(args.fake)
    real = args.real or _results_with_truth(folders)
    reals = find_pictures(real, args.translation.replace("fake", "real"))
    fakes = {name: find_pictures(folder, args.translation) for name, folder in folders.items()}
    pairs = {name: draw_pairs(reals, pictures, args.practice, args.trials, args.same_input, args.seed)
             for name, pictures in fakes.items()}
    for name in pairs:
        say(_notices(name, pairs[name]))
    size = write_study(args.output, _study(pairs, args)) / 1e6
    print(f"page: {args.output} ({size:.1f} MB, {len(pairs)} {'method' if len(pairs) == 1 else 'methods'}, "
          f"{args.practice} + {args.trials} pairs a person)")
    if size > LARGE:
        print(f"note: above {LARGE} MB a page opens slowly and many mail servers refuse it; a smaller --size, fewer "
              "--trials, or a page for each method make it smaller")


def _methods(words: Sequence[str]) -> dict[str, Path]:
    """The folder of each --fake by the name of its method."""
    if not words:
        raise UserError("--fake is missing: give the folder of the generated pictures, or --score FILE ... for "
                        "answers. For example: evaluate.py study --fake results/maps/test_latest")
    methods: dict[str, Path] = {}
    for word in words:
        name, is_named, folder = word.partition("=")
        if not is_named or Path(word).exists():
            path = as_results(Path(word))
            name, folder = (path.parent if is_results(path) else path).absolute().name, word
        if not (name and folder):
            raise UserError(f"--fake {word}: expected --fake DIR or --fake NAME=DIR")
        if name in methods:
            raise UserError(f"--fake {word}: another --fake is called {name} too; give each a name of its own: "
                            f"--fake NAME={folder}")
        methods[name] = Path(folder)
    return methods


def _results_with_truth(folders: dict[str, Path]) -> Path:
    first = next(iter(folders.values()))
    if not is_results(as_results(first)):
        raise UserError(f"--real is missing: {first} is no folder that test.py wrote, so the real pictures are not "
                        "known; give --real DIR")
    return first


def _notices(name: str, pairs: Pairs) -> list[str]:
    """What the user should know of a method's pictures before asking people."""
    notices = []
    if short := shortage(pairs):
        notices.append(f"note: {name} has {short}; more pictures, or a smaller --trials, make a better study")
    reals, fakes = ({pair[side] for pair in pairs.all} for side in (0, 1))
    if differences := giveaways(reals, fakes):
        notices.append(f"note: the real and the fake files of {name} differ in {' and in '.join(differences)}, which "
                       "people may notice; pictures that went the same way, such as real_B and fake_B of test.py, give "
                       "nothing away")
    return notices


def _study(pairs: Mapping[str, Pairs], args: argparse.Namespace) -> Study:
    """All pictures prepared, each once, and the pairs by their places among them."""
    used = list(dict.fromkeys(picture for method in pairs.values() for pair in method.all for picture in pair))
    places = {picture: place for place, picture in enumerate(used)}

    def placed(part: Sequence[Pair]) -> list[tuple[int, int]]:
        return [(places[real], places[fake]) for real, fake in part]

    methods = [StudyMethod(name, placed(method.practice), placed(method.trials)) for name, method in pairs.items()]
    pictures = [StudyPicture(picture.name, prepare(picture.path, args.size)) for picture in used]
    return Study(methods, pictures, args.size, args.seed, args.same_input, args.show_ms)
