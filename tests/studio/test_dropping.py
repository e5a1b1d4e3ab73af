import stat
import zipfile
from pathlib import Path

import pytest

from helpers.images import read_pixels, write_image, write_pairs
from studio.dropping import APART, JOINED, PILES, make_set
from studio.home import Home
from studio.unpacking import Limits, unpack
from util.errors import UserError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home((tmp_path / "home",), tmp_path / "c", tmp_path / "r")


def pack(path: Path, entries: dict[str, bytes | Path], **how) -> Path:
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in entries.items():
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_names_in_an_archive_lead_nowhere_else(tmp_path: Path):
    names = ["../../up.png", "/etc/root.png", "a/../../b.png", "..\\..\\back.png", "C:\\disk.png", "a/./c.png",
             "-rf.png", "tab\tline\n.png", "con|pipe?.png", "ä🎨.png", f"{'long' * 90}.nii.gz", f"{'長' * 100}.png",
             "aux/con.png", "comb.png"]
    archive = pack(tmp_path / "x.zip", dict.fromkeys(names, b"x"))
    assert unpack([archive], tmp_path / "deep" / "er" / "out") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "x.zip"]
    assert tree(tmp_path / "deep") == sorted(f"er/out/{name}" for name in [
        "up.png", "etc/root.png", "a/b.png", "back.png", "C_/disk.png", "a/c.png", "-rf.png", "tab_line_.png",
        "con_pipe_.png", "ä🎨.png", f"{('long' * 90)[:113]}.nii.gz", f"{'長' * 38}.png",
        "_aux/_con.png", "comb.png"])


def test_equal_names_stay_apart(tmp_path: Path):
    archive = pack(tmp_path / "x.zip", {"a?.png": b"1", "a*.png": b"2", "A_.PNG": b"3"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a_.png").write_bytes(b"4")
    unpack([archive, tmp_path / "other" / "a_.png"], tmp_path / "out")
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {b"1", b"2", b"3", b"4"}
    assert tree(tmp_path / "out") == ["A__3.PNG", "a_.png", "a__2.png", "a__4.png"]


def test_what_is_no_picture_is_passed_over_and_told(tmp_path: Path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in ("1.png", "run.sh", "inner.zip", ".hidden.png", "__MACOSX/1.png", ".git/1.png"):
            archive.writestr(name, b"x")
    (notice,) = unpack([tmp_path / "x.zip"], tmp_path / "out")
    assert notice == ("3 of 4 files were passed over, since they are no pictures that can be read: link.png, run.sh, "
                      "inner.zip")
    assert tree(tmp_path / "out") == ["1.png"]


def test_limits_hold_whatever_the_archive_says(tmp_path: Path):
    bomb = pack(tmp_path / "bomb.zip", {"a.png": bytes(3 << 20), "b.png": b"x"}, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 10_000
    with pytest.raises(UserError, match="bomb.zip unpacks to more than there is room for"):
        unpack([bomb], tmp_path / "out", Limits(size=2 << 20))
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 2 << 20
    many = pack(tmp_path / "many.zip", {f"{number}.png": b"" for number in range(11)})
    with pytest.raises(UserError, match="more than 10 files"):
        unpack([many], tmp_path / "many", Limits(files=10))
    content = bomb.read_bytes()
    for at in (content.find(b"PK\1\2") + 24, 22):  # it says in both places that the file has 10 bytes
        content = content[:at] + (10).to_bytes(4, "little") + content[at + 4:]
    (tmp_path / "liar.zip").write_bytes(content)
    with pytest.raises(UserError, match="liar.zip cannot be unpacked"):
        unpack([tmp_path / "liar.zip"], tmp_path / "liar")


def test_what_is_dropped_beside_pictures_is_passed_over_and_told(tmp_path: Path):
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    picture = write_image(tmp_path / "1.png")
    letter = pack(tmp_path / "letter.docx", {"word/media/1.png": picture})
    (notice,) = unpack([tmp_path / "Thumbs.db", picture, letter], tmp_path / "out")
    assert notice.startswith("2 of 3 files were passed over") and notice.endswith(": Thumbs.db, letter.docx")
    assert tree(tmp_path / "out") == ["1.png"]


@pytest.mark.parametrize(("name", "content", "said"), [
    ("1.heic", b"no", r"there is no picture that can be read, only 1.heic; read are .jpg .* Save others"),
    ("cut.zip", b"PK\3\4 and nothing", "cut.zip cannot be unpacked"),
])
def test_what_is_neither_a_picture_nor_an_archive_is_refused(tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        unpack([tmp_path / name], tmp_path / "out")


def test_damaged_and_locked_archives_are_told(tmp_path: Path):
    good = pack(tmp_path / "good.zip", {"1.png": bytes(1000)}).read_bytes()
    (tmp_path / "damaged.zip").write_bytes(good[:100] + b"!" + good[101:])
    with pytest.raises(UserError, match="damaged.zip cannot be unpacked .*CRC"):
        unpack([tmp_path / "damaged.zip"], tmp_path / "1")
    locked = bytearray(good)
    locked[6] |= 1
    locked[good.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(UserError, match="locked.zip cannot be unpacked .*without a password"):
        unpack([tmp_path / "locked.zip"], tmp_path / "2")


def test_pairs_in_one_file_are_shared_out(home: Home, tmp_path: Path):
    files = sorted(write_pairs(tmp_path / "mine", 20).iterdir())
    place, notices = make_set(home, "maps", JOINED, files, [], 0.1)
    assert place == tmp_path / "home" / "maps" and notices == []
    assert sorted(tree(place / "test")) == ["16.png", "6.png"] and len(tree(place / "train")) == 18
    assert (read_pixels(place / "test" / "6.png") == read_pixels(tmp_path / "mine" / "6.png")).all()
    assert len(files) == len(list((tmp_path / "mine").iterdir()))  # what was dropped stays


@pytest.mark.parametrize(("count", "share", "tests"), [(1, 0.5, 0), (2, 0.01, 1), (3, 1, 2), (10, 0, 0), (10, 0.5, 5)])
def test_so_many_are_put_aside(home: Home, tmp_path: Path, count: int, share: float, tests: int):
    place, _ = make_set(home, "maps", JOINED, list(write_pairs(tmp_path / "mine", count).iterdir()), [], share)
    assert len(tree(place)) == count and sum(name.startswith("test/") for name in tree(place)) == tests


def test_two_sets_of_files_become_pairs_by_name(home: Home, tmp_path: Path):
    for side, names in (("a", "12345"), ("b", "23456")):
        for name in names:
            write_image(tmp_path / side / f"{name}.{'png' if side == 'a' else 'bmp'}", seed=int(name))
    first, second = sorted((tmp_path / "a").iterdir()), sorted((tmp_path / "b").iterdir())
    place, notices = make_set(home, "both", APART, first, second, 0.25)
    assert tree(place) == ["test/A/4.png", "test/B/4.bmp", *(f"train/{side}/{name}" for side, ending in (
        ("A", "png"), ("B", "bmp")) for name in (f"2.{ending}", f"3.{ending}", f"5.{ending}"))]
    assert "1.png" in notices[0] and "6.bmp" in notices[0] and str(tmp_path) not in notices[0]


def test_two_piles_from_one_archive_with_two_folders(home: Home, tmp_path: Path):
    picture = write_image(tmp_path / "1.png")
    names = [f"wrapped/{side}/{number}.png" for side in "ab" for number in range(3)]
    archive = pack(tmp_path / "x.zip", dict.fromkeys(names, picture))
    place, _ = make_set(home, "piles", PILES, [archive], [], 0.3)
    assert tree(place) == ["testA/1.png", "testB/1.png", "trainA/0.png", "trainA/2.png", "trainB/0.png", "trainB/2.png"]


def test_an_archive_of_a_whole_dataset_stays_as_it_is(home: Home, tmp_path: Path):
    picture = write_image(tmp_path / "1.png")
    names = ["d/trainA/1.png", "d/trainB/2.png", "d/testA/3.png", "d/testB/deep/4.png"]
    place, _ = make_set(home, "whole", JOINED, [pack(tmp_path / "x.zip", dict.fromkeys(names, picture))], [], 0.5)
    assert tree(place) == sorted(name.removeprefix("d/") for name in names)


def test_refusals_leave_nothing_behind(home: Home, tmp_path: Path):
    pictures = sorted(write_pairs(tmp_path / "mine", 2).iterdir())
    others = [write_image(tmp_path / "others" / "x.png")]
    make_set(home, "maps", JOINED, pictures, [], 0.5)
    two_folders = pack(tmp_path / "two.zip", dict.fromkeys(["x/A/1.png", "x/B/1.png"], pictures[0]))
    before = tree(tmp_path / "home")
    for name, layout, first, second, said in (
            ("maps", JOINED, pictures, [], "there is a folder maps already"),
            ("../x", JOINED, pictures, [], "is no name for a folder of pictures"),
            ("new", JOINED, [], [], "no pictures were dropped"),
            ("new", JOINED, [two_folders], [], "there are two folders A and B in it"),
            ("new", PILES, pictures, [], "the pictures of B are missing"),
            ("new", APART, pictures, others, "No pair is left")):
        with pytest.raises(UserError, match=said):
            make_set(home, name, layout, first, second, 0.1)
    assert tree(tmp_path / "home") == before and len(list((tmp_path / "home").iterdir())) == 1
