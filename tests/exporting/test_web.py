"""The page that runs a generator in a browser, as `export.py --to web` writes it."""
import base64
import contextlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bothways
import export
from exporting import npm, web_kind
from exporting.onnx_noise import spell_dropout
from helpers.browser import Browser, chromium
from helpers.file_server import serving
from helpers.images import write_image
from helpers.saved_runs import save_run
from util.errors import MachineError

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

FLAGS = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream",
         "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost")
NO_GPU = "No available adapters."  # what the browser itself says of this machine
GIVE = """
    const [how, name, type, text] = arguments, data = new DataTransfer();
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
    document.getElementById("status").textContent = "";
    document.body.dispatchEvent(how === "drop"
      ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
      : new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));"""
PIXELS = """
    const { width, height } = document.getElementById(arguments[0]);
    const pixels = document.getElementById(arguments[0]).getContext("2d").getImageData(0, 0, width, height).data;
    return [width, height, btoa(String.fromCharCode(...pixels))];"""
KEEP_DOWNLOAD = """
    window.saved = new Promise(done => {
      HTMLAnchorElement.prototype.click = async function () {
        const bytes = new Uint8Array(await (await fetch(this.href)).arrayBuffer());
        done([this.download, btoa(String.fromCharCode(...bytes))]);
      };
    });"""


@dataclass
class Site:
    """folder: that was written; told: what the command printed; run: that was exported; photo: a picture."""

    folder: Path
    told: str
    run: Path
    photo: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    try:
        npm.package("")
    except MachineError as error:
        pytest.skip(f"NOT TESTED in a browser: {error}")
    here = tmp_path_factory.mktemp("site")
    run, photo = save_run(here / "checkpoints" / "maps", crop_size=32), write_image(here / "photo.png", 45, 37)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        export.main([f"--checkpoints_dir={run.parent}", "--name=maps", f"--dataroot={photo}", "--to=web",
                     str(here / "page")])
    return Site(here / "page", told.getvalue(), run, photo)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser without network. Fails where a page, or its worker, asked for something from elsewhere."""
    log = tmp_path_factory.mktemp("log") / "net.json"
    with chromium(tmp_path_factory.mktemp("profile"), *FLAGS, f"log-net-log={log}") as window:
        yield window
    asked = [event["params"] for event in json.loads(log.read_text())["events"] if "url" in event.get("params", {})]
    asked = [ask["url"] for ask in asked if "http://localhost:" in str(ask.get("initiator"))]
    assert {url.rpartition("/")[2] for url in asked} >= {"page.css", "worker.mjs", *web_kind.RUNTIME}
    assert [url for url in asked if not url.startswith(("http://localhost:", "blob:http://localhost:"))] == []


@pytest.fixture(scope="module")
def page(site: Site, browser: Browser) -> Iterator[Browser]:
    """The page, open and ready, for tests that leave it in order."""
    with serving(site.folder) as address:
        open_page(browser, address)
        yield browser


def open_page(browser: Browser, address: str, word: str = "Ready") -> str:
    browser.driver.get("about:blank")
    browser.console()
    browser.driver.get(address)
    return wait(browser, word)


def words(browser: Browser) -> str:
    return "\n".join(browser.texts("#alarm, #status, #pace, #notes"))


def wait(browser: Browser, word: str) -> str:
    """What the page says once it says `word`."""
    for _ in range(600):
        if word in (said := words(browser)):
            return said
        time.sleep(0.1)
    return pytest.fail(f"the page does not say {word!r}: {words(browser)}")


def give(browser: Browser, file: Path, how: str = "drop", kind: str = "image/png", word: str = "translated in") -> str:
    browser.js(GIVE, how, file.name, kind, base64.b64encode(file.read_bytes()).decode())
    return wait(browser, word)


def pixels(browser: Browser, canvas: str = "after") -> np.ndarray:
    width, height, text = browser.js(PIXELS, canvas)
    values = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    assert (values[..., 3] == 255).all()
    return values[..., :3].astype(int)


def click(browser: Browser, name: str) -> None:
    browser.js("document.getElementById('status').textContent = ''; document.querySelector(arguments[0]).click()",
               f"[name={name}]")


def choose(browser: Browser, name: str, value: str | int) -> None:
    browser.js("""document.getElementById("status").textContent = "";
                  const control = document.querySelector(`[name=${arguments[0]}]`);
                  control.value = arguments[1];
                  control.dispatchEvent(new Event("change", { bubbles: true }));""", name, str(value))


def variant(site: Site, folder: Path, model: bytes, **description: object) -> Path:
    """The folder with another model."""
    shutil.copytree(site.folder, folder, copy_function=lambda source, target: Path(target).symlink_to(source))
    told = json.loads((folder / "model.json").read_text()) | {"bytes": len(model)} | description
    for name, content in (("model.onnx", model), ("model.json", json.dumps(told).encode())):
        (folder / name).unlink()
        (folder / name).write_bytes(content)
    return folder


def graph(channels: int, *nodes: object, **values: object) -> bytes:
    """A model by hand, from 'input' to 'output'."""
    import onnx

    sides = [1, channels, "height", "width"]
    ends = [onnx.helper.make_tensor_value_info(name, 1, sides) for name in ("input", "output")]
    initializers = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in values.items()]
    made = onnx.helper.make_model(onnx.helper.make_graph(nodes, "by hand", ends[:1], ends[1:], initializers),
                                  opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return spell_dropout(made).SerializeToString()


def node(*words: object) -> object:
    import onnx

    return onnx.helper.make_node(*words)


def test_a_dropped_picture_becomes_what_python_makes_of_it(site, page):
    said = give(page, site.photo)
    assert [line for line in page.console() if NO_GPU not in line] == []
    made = pixels(page)
    expected = np.asarray(bothways.load(site.run, device="cpu")(site.photo)).astype(int)
    assert made.shape == expected.shape == (37, 45, 3)
    assert np.abs(made - expected).max() <= 1 and expected.std() > 10
    assert "photo.png: 45 × 37 px, translated in" in said and "with WASM, 1 thread." in said


@pytest.mark.slow
def test_the_command_says_what_it_wrote_and_how_it_is_opened(site):
    assert {path.name for path in site.folder.iterdir()} == {
        "LICENSE.onnxruntime-web.txt", "README.md", "camera.mjs", "engine.mjs", "index.html", "model.json",
        "model.onnx", "page.css", "page.mjs", "pictures.mjs", "telling.mjs", "worker.mjs", *web_kind.RUNTIME}
    assert f"open it: python -m http.server 8000 --bind 127.0.0.1 --directory {site.folder}" in site.told
    assert "\npython -m http.server 8000 --bind 127.0.0.1 --directory page\n" in (site.folder / "README.md").read_text()
    facts = json.loads((site.folder / "model.json").read_text())["facts"]
    assert facts == {"Model": "pix2pix, resnet_6blocks, AtoB, epoch latest"}
    assert "onnxruntime-web 1.30.0 26.9 MB" in site.told and "web       fp32" in site.told
    assert "Copyright (c) Microsoft Corporation" in (site.folder / "LICENSE.onnxruntime-web.txt").read_text()


@pytest.mark.slow
def test_a_folder_that_is_there_stays(site, tmp_path, failure):
    line = [f"--checkpoints_dir={site.run.parent}", "--name=maps", f"--dataroot={site.photo}", "--to=web"]
    code, told = failure(export.main, [*line, str(site.folder)])
    assert code == 2 and f"{site.folder} is there already; give another --output, or --overwrite" in told
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    code, told = failure(export.main, [*line, str(tmp_path / "mine"), "--overwrite"])
    assert code == 2 and "is no folder of an export" in told and (tmp_path / "mine" / "thesis.txt").exists()


def test_pictures_of_all_kinds_are_read_as_python_reads_them(site, page, tmp_path):
    upright = np.asarray(Image.open(site.photo))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(upright).copy())
    turned.save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    give(page, tmp_path / "turned.jpg", kind="image/jpeg")
    assert np.abs(pixels(page, "before") - upright).max() <= 4  # a decoder's rounding
    opacity = np.broadcast_to(np.linspace(0, 255, 45).astype(np.uint8)[:, None], (37, 45, 1))
    Image.fromarray(np.dstack([upright, opacity])).save(tmp_path / "clear.png")
    clear = Image.open(tmp_path / "clear.png")
    give(page, tmp_path / "clear.png")
    over_white = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    assert np.abs(pixels(page, "before") - np.asarray(over_white)).max() <= 1


def test_paste_slider_and_save(site, page):
    give(page, site.photo, how="paste")
    split = page.driver.find_element("css selector", ".split")
    assert split.get_attribute("aria-label") == "Input up to here, then translation"
    split.send_keys("\ue012" * 3)  # arrow left
    shown = page.js("return getComputedStyle(document.getElementById('after')).clipPath")
    value = float(split.get_property("value"))
    assert value < 50 and shown == f"inset(0px 0px 0px {value:g}%)"
    page.js(KEEP_DOWNLOAD)
    page.driver.find_element("css selector", "[name=save]").click()
    name, content = page.js("return window.saved")
    assert name == "photo_maps.png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")), pixels(page))


def test_a_picture_is_chosen(site, page, tmp_path):
    page.js("document.querySelector('[name=file]').addEventListener('click', event => { window.asked = true; "
            "event.preventDefault(); })")
    for button in page.driver.find_elements("css selector", "[name=choose]"):
        page.js("window.asked = false; arguments[0].click()", button)
        assert page.js("return window.asked")
    chosen = write_image(tmp_path / "chosen.png", 40, 36)
    for _ in range(2):  # the same file again, too
        page.js("document.getElementById('status').textContent = ''")
        page.driver.find_element("css selector", "[name=file]").send_keys(str(chosen))
        assert "chosen.png: 40 × 36 px, translated in" in wait(page, "translated in")


def test_sizes(site, page, tmp_path):
    large = write_image(tmp_path / "large.png", 600, 300)
    assert page.js("return document.querySelector('[name=most]').value") == "512"
    choose(page, "most", 64)
    said = give(page, large)
    assert "large.png: 64 × 32 px" in said and "Scaled down from 600 × 300 px" in said
    choose(page, "size", "training")
    said = wait(page, "translated in")
    assert "large.png: 32 × 32 px" in said and "Brought from 600 × 300 px to the size of the training." in said
    choose(page, "size", "own")
    wait(page, "translated in")
    choose(page, "most", 512)
    assert "large.png: 512 × 256 px" in wait(page, "translated in")


def test_what_takes_long_can_be_stopped(site, page, tmp_path):
    choose(page, "most", 2000)
    give(page, write_image(tmp_path / "large.png", 1600, 1600), word="")
    for _ in range(300):
        if page.js("return document.querySelector('[name=stop]').checkVisibility()"):
            break
        time.sleep(0.02)
    assert page.texts("#busy output")[0].startswith("Translating 1600 × 1600 px")
    page.js("document.querySelector('[name=stop]').click()")
    wait(page, "Stopped.")
    choose(page, "most", 512)
    assert "large.png: 512 × 512 px, translated in" in wait(page, "translated in")
    assert "photo.png: 45 × 37 px" in give(page, site.photo)


def test_what_is_no_picture_is_told_in_words(site, page, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    said = give(page, tmp_path / "notes.txt", kind="text/plain", word="notes.txt is no picture that a browser reads")
    assert "expected PNG, JPEG" in said
    (tmp_path / "half.png").write_bytes(site.photo.read_bytes()[:60])
    give(page, tmp_path / "half.png", word="half.png cannot be read: it is damaged")
    assert "half.png" not in give(page, site.photo)


def test_the_webcam_is_translated_until_it_is_stopped(page):
    choose(page, "live", 128)
    click(page, "camera")
    assert "128 × 72 px: " in wait(page, "pictures a second")
    first = pixels(page, "before")
    for _ in range(100):
        if not np.array_equal(pixels(page, "before"), first):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the webcam stands still")
    click(page, "camera")
    assert "second" not in wait(page, "The webcam is off.")
    page.js("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }")
    click(page, "camera")
    wait(page, "The webcam was refused. Allow it for this page")
    page.js("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }")
    click(page, "camera")
    wait(page, "There is no webcam on this machine.")


@pytest.mark.parametrize("width", [400, 1280, 2560])
def test_any_window_holds_the_page(site, page, width):
    give(page, site.photo)
    page.view(width, 900, "dark")
    try:
        assert page.js("return document.documentElement.scrollWidth") <= width
        left, right, bottom = page.js("const { left, right, bottom } = document.getElementById('stage')"
                                      ".getBoundingClientRect(); return [left, right, bottom]")
        assert 0 <= left < right <= width and bottom <= 900
    finally:
        page.view(1280, 900)


def test_the_keyboard_reaches_everything(site, page):
    give(page, site.photo)
    page.js("document.querySelector('[name=choose]').focus()")
    reached = []
    for _ in range(7):
        page.driver.switch_to.active_element.send_keys("\ue004")  # Tab
        reached.append(page.js("return document.activeElement.name || document.activeElement.className"))
    assert reached == ["camera", "live", "size", "most", "device", "save", "split"]


def test_gray_pictures_go_in_and_come_out(site, browser, tmp_path):
    folder = variant(site, tmp_path / "gray", graph(1, node("Identity", ["input"], ["output"])), input=1)
    with serving(folder) as address:
        open_page(browser, address)
        give(browser, site.photo)
    gray = np.asarray(Image.open(site.photo).convert("L")).astype(int)
    assert np.array_equal(pixels(browser), np.dstack([gray] * 3))


def test_dropout_is_other_noise_again(site, browser, tmp_path):
    dropout = graph(3, node("Dropout", ["input", "ratio", "on"], ["output"]), ratio=np.float32(0.5), on=True)
    with serving(variant(site, tmp_path / "noise", dropout, noise=True)) as address:
        open_page(browser, address)
        assert "Again translates the same picture otherwise" in give(browser, site.photo)
        first = pixels(browser)
        click(browser, "again")
        wait(browser, "translated in")
    second = pixels(browser)
    for made in (first, second):
        kept = np.abs(made - 127.5) > 1  # what is dropped is 0, which is gray
        assert 0.3 < kept.mean() < 0.6
    assert (first != second).mean() > 0.2


def test_where_webgpu_fails_wasm_takes_over(site, browser):
    promise = "navigator.gpu.requestAdapter = async () => ({ info: {} });"  # of a GPU that the worker will not find
    script = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": promise})
    with serving(site.folder) as address:
        try:
            said = open_page(browser, address)
        finally:
            browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        assert "with WASM, 1 thread." in said and "WebGPU does not work here, so WASM computes: " in said
        assert browser.js("return [...document.querySelector('[name=device]').options].map(one => one.value)") == [
            "webgpu", "wasm"]
        said = give(browser, site.photo)
        assert "with WASM, 1 thread." in said and "WebGPU does not work here" in said
        choose(browser, "device", "wasm")  # the picture is translated anew, and nothing is wrong
        said = wait(browser, "photo.png: 45 × 37 px, translated in")
    assert "with WASM, 1 thread." in said and "WebGPU" not in said


@pytest.mark.parametrize(("damage", "said"), [
    (lambda path: path.unlink(), "model.onnx is not there: the server answers 404"),
    (lambda path: path.write_bytes(b"half"), "model.onnx is cut off: 4 of "),
    (lambda path: path.write_bytes(bytes(path.stat().st_size)), "The generator does not start: "),
], ids=["missing", "cut off", "damaged"])
def test_a_broken_model_is_told_in_words(site, browser, tmp_path, damage: Callable[[Path], object], said: str):
    folder = variant(site, tmp_path / "broken", (site.folder / "model.onnx").read_bytes())
    damage(folder / "model.onnx")
    with serving(folder) as address:
        assert "export.py --to web and --overwrite" in open_page(browser, address, said)


def test_opened_from_disk_the_page_says_what_to_type(site, browser):
    browser.open(site.folder / "index.html")
    assert "python -m http.server 8000" in browser.driver.find_element("tag name", "body").text
    assert not browser.driver.find_element("id", "drop").is_displayed()
    browser.assert_quiet_and_local()


@pytest.mark.parametrize(("options", "said"), [
    ({"input_nc": 2}, "this run has 2 channels of input; give --to onnx"),
    ({"output_nc": 4}, "this run has 4 channels of output; give --to onnx"),
    ({"input_range": "uint16:0,4095"}, "this run has --input_range uint16:0,4095; give --to onnx"),
    ({"value_range": "percentile:1,99"}, "this run has --input_range percentile; give --to onnx"),
])
def test_what_a_browser_does_not_show_is_refused(tmp_path, monkeypatch, failure, options: dict, said: str):
    monkeypatch.setattr(npm, "package", lambda given: tmp_path)
    bands = np.arange(32 * 32 * options.get("input_nc", 3)).reshape(32, 32, -1).astype(np.uint8)
    np.save(tmp_path / "photo.npy", bands)
    run = save_run(tmp_path / "checkpoints" / "maps", **options)
    code, told = failure(export.main, [f"--checkpoints_dir={run.parent}", "--name=maps", "--to=web",
                                       f"--dataroot={tmp_path / 'photo.npy'}", str(tmp_path / "page")])
    assert code == 2 and said in told and not (tmp_path / "page").exists()
