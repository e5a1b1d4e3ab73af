"""The app, started as a person starts it: what it lets nobody read, and the way from pictures to a translation."""
import http.client
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import tifffile

import bothways
from helpers.app import Person, running
from helpers.browser import chromium
from helpers.images import bands, read_pixels, write_image, write_pairs

pytestmark = pytest.mark.slow
TINY = "--netG resnet_6blocks --ngf 4 --ndf 4 --num_threads 0 --gpu_ids -1 --precision fp32 --no_dropout"
SECRET = "what nobody should read"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, in which the app is started; beside it and above it lie other files."""
    folder = tmp_path_factory.mktemp("person") / "home"
    (folder / "datasets").mkdir(parents=True)
    for place in (folder.parent / "secret.txt", folder / "secret.txt", folder / "datasets" / "secret.txt"):
        place.write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with running(home, OMP_NUM_THREADS="1") as address:
        yield address


@pytest.fixture(scope="module")
def person(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield Person(browser, address)


def ask(address: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    """What the server answers to a path as it stands, with `..` in it. body: of a POST."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def test_no_route_gives_a_file_of_the_machine(address: str, home: Path):
    (home / "link.png").symlink_to("/etc/passwd")
    paths = ["/etc/passwd", home / "secret.txt", home / "datasets" / "secret.txt", home / "link.png",
             home / "datasets" / ".." / ".." / "secret.txt", home / "datasets" / ".." / ".." / ".." / "secret.txt",
             "../secret.txt", "datasets/../secret.txt", "secret.txt", "datasets/secret.txt"]
    for path in map(str, paths):
        for route in ("/gradio_api/file=", "/file=", "/static/", "/assets/", "/"):
            for written in {path, quote(path, safe=""), path.replace("..", "%2e%2e"), "../../../../../../.." + path}:
                status, answer = ask(address, route + written)
                assert status >= 400 and SECRET not in answer and "root:" not in answer, route + written
    (home / "link.png").unlink()


def test_pages_from_elsewhere_and_other_names_of_this_machine_are_refused(address: str):
    netloc = urlsplit(address).netloc
    connection = http.client.HTTPConnection(netloc, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert ask(address, "/config")[0] == 200
    assert ask(address, "/config", Host=netloc.replace("127.0.0.1", "localhost"), Origin="http://" + netloc.replace(
        "127.0.0.1", "localhost"))[0] == 200  # as behind ssh -L
    for headers in ({"Host": "rebound.example"}, {"Origin": "http://elsewhere.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}):
        assert ask(address, "/config", **headers) == (403, "refused"), headers


def test_it_fetches_nothing_for_others(address: str):
    for path in ("/gradio_api/file=http://127.0.0.1:9/x", "/gradio_api/file=https%3A//127.0.0.1:9/x",
                 "/gradio_api/proxy=http://127.0.0.1:9/x"):
        assert ask(address, path) == (403, "refused"), path


def test_a_file_that_nobody_uploaded_is_not_taken_as_dropped(address: str, home: Path):
    """Whoever speaks to the server without its page may name any path as an upload."""
    config = json.loads(ask(address, "/config")[1])
    names = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
    (bring,) = [one["id"] for one in config["dependencies"] if "new-name" in map(names.get, one["inputs"])]
    link = home / "datasets" / "link.zip"
    link.symlink_to(home.parent / "secret.txt")
    for path in ("/etc/passwd", str(home / "secret.txt"), str(link), f"{home}/../secret.txt"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        given = {"data": ["Two piles A and B, without pairs", [file], [file], "stolen", 10], "fn_index": bring}
        ask(address, "/gradio_api/queue/join", json.dumps({**given, "session_hash": "me"}),
            **{"Content-Type": "application/json"})
        assert '"success":false' in ask(address, "/gradio_api/queue/data?session_hash=me")[1], path
    link.unlink()
    assert not (home / "datasets" / "stolen").exists()


def test_from_an_empty_folder_to_a_translated_picture(person: Person, home: Path, tmp_path: Path):
    """The whole way on the page alone, with the page closed during both works."""
    person.come()
    assert person.browser.js("return document.title") == "Bothways"
    brings_pairs(person, home, tmp_path)
    trains(person, tmp_path)
    translates(person, home, tmp_path)
    others = [url for url in person.browser.requested() if urlsplit(url).scheme in ("http", "https", "ws", "wss")
              and not url.startswith(person.address)]
    assert others == []


def brings_pairs(person: Person, home: Path, tmp_path: Path) -> None:
    """A zip of pairs becomes a folder, and the doctor looks at it; bad names and foreign folders are refused."""
    write_pairs(tmp_path / "mine", 6, side=32)
    (tmp_path / "mine" / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for path in sorted((tmp_path / "mine").iterdir()):
            archive.write(path, f"mine/{path.name}")
    person.drops("first", [tmp_path / "mine.zip"])
    person.types("new-name", "../escape")
    person.presses("bring")
    assert "is no name for a folder of pictures" in person.sees(".toast-body", "escape")
    person.types("new-name", "<b>my 'maps'")
    person.presses("bring")
    assert "start pix2pix, which learns from pairs" in person.sees("#next-step", "Next: ")
    assert "<b>my 'maps': pairs A|B side by side" in person.sees("#report")
    person.sees("#samples", "train: train/2.png")
    assert len(list((home / "datasets" / "<b>my 'maps'" / "train").iterdir())) == 5
    look_around(person, tmp_path, "data")

    person.types("folder", "/etc")
    person.presses("look")
    person.sees(".toast-body", "/etc is outside the folders that the app was started with")


def trains(person: Person, tmp_path: Path) -> None:
    """A training of the new folder goes on while the page is closed."""
    person.goes_to("Train")
    person.sees("#command", "train.py")
    person.types("train-name", "mine")
    person.types("train-size", 32)
    person.types("train-epochs", 1)
    person.opens("Other flags")
    person.types("train-more", TINY)
    person.sees("#command", r"--no_dropout")
    person.presses("start")
    person.sees("#standing", "mine: (running|starting)")
    person.browser.driver.get("about:blank")
    person.come()
    person.goes_to("Train")
    person.sees("#standing", "mine: finished", 120)
    look_around(person, tmp_path, "train")


def translates(person: Person, home: Path, tmp_path: Path) -> None:
    """Pictures of 8 and 16 bits are translated while the page is closed, and come in a zip as the Python door gives
    them."""
    deep = bands(1, 3, low=0, high=65535, side=48)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    plain = write_image(tmp_path / "plain.png", 40, 56)
    person.goes_to("Translate")
    person.sees("#translate")
    person.drops("pictures", [tmp_path / "deep.tif", plain])
    person.presses("translate")
    person.sees("#translating", "of 2")
    person.browser.driver.get("about:blank")
    person.come()
    person.goes_to("Translate")
    assert "2 of 2 pictures are translated" in person.sees("#translating", "translated|ended early", 120)
    person.sees("#slider")
    person.sees("#translated", "deep.tif")
    assert "--name mine" in person.value("translate-command")
    look_around(person, tmp_path, "translate")

    made = downloaded(person, tmp_path / "downloads")
    assert sorted(made) == ["deep.tif", "plain.png"]
    (tmp_path / "out.tif").write_bytes(made["deep.tif"])
    values = tifffile.imread(tmp_path / "out.tif")
    assert values.dtype == np.uint16 and values.shape == (32, 32, 3) and len(np.unique(values)) > 256
    generator = bothways.load(home / "checkpoints" / "mine", device="cpu")
    (tmp_path / "out.png").write_bytes(made["plain.png"])
    assert np.array_equal(read_pixels(tmp_path / "out.png"), np.asarray(generator(plain)))


def downloaded(person: Person, folder: Path) -> dict[str, bytes]:
    """What is in the zip of all translations, which the browser saves to a folder."""
    person.browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {
        "behavior": "allow", "downloadPath": str(folder)})
    person.presses("zip")
    for _ in range(300):
        if found := list(folder.glob("*.zip")):
            with zipfile.ZipFile(found[0]) as archive:
                return {name: archive.read(name) for name in archive.namelist()}
        time.sleep(0.1)
    raise AssertionError(f"no zip was saved: {person.browser.console()}")


def look_around(person: Person, folder: Path, room: str) -> None:
    """Nothing is cut off at the side of a window; pictures of it are left in `folder`."""
    for width, scheme in ((400, "light"), (1280, "dark")):
        person.browser.view(width, 1600, scheme)
        wide, window = person.browser.js("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, (room, width, wide)
        person.browser.screenshot(folder / f"{room}_{width}.png")


def test_other_machines_only_come_in_with_a_password(tmp_path: Path):
    with running(tmp_path, "--host", "0.0.0.0", bare=True, BOTHWAYS_PASSWORD="tulips & co") as address:
        here = re.sub("0.0.0.0", "127.0.0.1", address)
        assert ask(here, "/config")[0] == ask(here, "/gradio_api/file=/etc/passwd")[0] == 401
        connection = http.client.HTTPConnection(urlsplit(here).netloc, timeout=30)
        for password, status in (("wrong", 400), ("", 422), ("tulips & co", 200)):
            connection.request("POST", "/login", f"username=me&password={quote(password)}",
                               {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status, password
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert ask(here, "/config", Cookie=cookie)[0] == 200
        assert os.listdir(tmp_path) == []  # nothing is made before it is needed
