// The page: takes a picture, has it translated, shows both with a slider between them.
import { closeCamera, openCamera } from "./camera.mjs";
import { devices, Engine } from "./engine.mjs";
import { decode, pixels, show, within } from "./pictures.mjs";
import { across, busy, complain, idle, progress, say, seconds } from "./telling.mjs";

const element = id => document.getElementById(id);
const tools = document.querySelector(".tools"), controls = tools.elements;
const stage = element("stage"), before = element("before"), after = element("after");
const MOST = { webgpu: 1024, wasm: 512 };  // pixels a side that take seconds rather than minutes
const PATIENCE = 1500;  // milliseconds for what is at work to end by itself

let model, engine;
let picture;  // {bitmap, name}, the last one that was given
let video;  // of the webcam, while it runs
let pace;  // milliseconds a pixel, of the last translation
let turn = 0;  // counts what was asked for: an answer to something older is not shown
let fallen = [];  // why WASM computes where WebGPU was tried

// A new worker with the model; one that is there is ended, whatever it does.
async function start(device) {
  engine?.stop();
  const mine = engine = new Engine(model, device, loaded => {
    if (mine !== engine) return;
    loaded < model.bytes ? progress("Model", loaded, model.bytes) : busy("Opening the model");
  });
  controls.device.value = device;
  controls.most.value ||= MOST[device];
  pace = undefined;
  busy("Asking for the model");
  try {
    await mine.ready;
    if (mine !== engine) return;
    idle();
    if (!picture && !video) say(`Ready: computes with ${mine.title}.`, fallen);
  } catch (error) {
    if (mine !== engine) return;
    idle();
    if (!await fallBack(error)) complain(new Error(`The generator does not start: ${error.message}. Write the folder `
      + "anew with export.py --to web and --overwrite."));
  }
}

// From a GPU that fails to WASM; false when it was WASM already.
async function fallBack(error) {
  if (engine.device === "wasm") return false;
  fallen = [`WebGPU does not work here, so WASM computes: ${error.message}`];
  await start("wasm");
  return true;
}

function sizeOf({ width, height }) {
  if (controls.size.value === "training") return model.side;
  return within([width, height], controls.most.valueAsNumber || MOST[engine.device]);
}

// Translates the picture that was given last. What is at work for an older one is ended if it takes long.
async function translate() {
  if (!picture || video) return;
  const mine = ++turn, { bitmap, name } = picture, size = sizeOf(bitmap);
  let used;
  stage.classList.add("waiting");
  allow(false);
  say("");
  try {
    const taken = pixels(bitmap, size), expected = pace * size[0] * size[1] || 0;
    lay(taken);
    show(before, taken);
    if (await Promise.race([engine.free.then(() => false), late()]) && mine === turn && engine.threads) {
      start(engine.device);
    }
    await engine.free;
    if (mine !== turn) return;
    busy(`Translating ${across(taken)}`, { expected, stoppable: true });
    used = engine;
    const { made, ms } = await used.translate(taken);
    pace = ms / (size[0] * size[1]);
    if (mine !== turn) return;
    idle();
    reveal(made);
    say(`${name}: ${across(made)}, translated in ${seconds(ms)} with ${used.title}.`, notes(bitmap, size));
  } catch (error) {
    if (mine !== turn) return;
    idle();
    if (engine !== used || await fallBack(error)) return void translate();
    const why = /alloc|memory/i.test(error.message) ? "memory is too short for it. Choose a smaller size" : error.message;
    complain(new Error(`${name} was not translated at ${size.join(" × ")} px: ${why}.`));
    if (engine.threads) start(engine.device);  // what failed may have left its memory in disorder
  }
}

const late = () => new Promise(done => setTimeout(() => done(true), PATIENCE));

function notes(bitmap, [width, height]) {
  const found = [];
  if (controls.size.value === "training") {
    if (bitmap.width !== width || bitmap.height !== height) {
      found.push(`Brought from ${across(bitmap)} to the size of the training.`);
    }
  } else if (bitmap.width > width || bitmap.height > height) {
    found.push(`Scaled down from ${across(bitmap)}: the longest side that stays as it is can be changed above.`);
  }
  if (model.noise) found.push("This generator has noise, its dropout: Again translates the same picture otherwise.");
  return [...found, ...fallen];
}

// Whether the translation on the page may be kept or made again.
function allow(done) {
  controls.save.disabled = !done;
  controls.again.disabled = !done || !picture;
}

// Gives the stage the shape of a picture, and a place on the page.
function lay({ width, height }) {
  element("drop").hidden = true;
  element("result").hidden = false;
  element("result").style.setProperty("--ratio", width / height);
  element("result").style.setProperty("--natural", `${width}px`);
  sharpen(width);
}

// A picture shown larger than it is keeps its pixels; one shown smaller is smoothed.
function sharpen(width) {
  stage.classList.toggle("enlarged", width < stage.clientWidth);
}

function reveal(made) {
  show(after, made);
  stage.classList.remove("waiting");
  allow(true);
}

async function take(files) {
  if (!files.length) return complain(new Error("That is no file of a picture. Save it first, then choose its file."));
  try {
    const bitmap = await decode(files[0]);
    stopCamera();
    picture?.bitmap.close();
    picture = { bitmap, name: files[0].name };
  } catch (error) {
    return complain(error);
  }
  await translate();
}

async function startCamera() {
  try {
    video = await openCamera();
  } catch (error) {
    return complain(error);
  }
  turn++;
  controls.camera.textContent = "Stop the webcam";
  controls.camera.setAttribute("aria-pressed", true);
  controls.again.disabled = true;
  say("The webcam is on.");
  live(video);
}

// Frame after frame, each the newest one there is, until the webcam is stopped.
async function live(mine) {
  try {
    await engine.free;
    idle();
    for (let began = performance.now(), frames = 0; video === mine;) {
      if (document.hidden) await new Promise(done => addEventListener("visibilitychange", done, { once: true }));
      const size = within([mine.videoWidth, mine.videoHeight], Number(controls.live.value));
      const taken = pixels(mine, size), input = new ImageData(taken.data.slice(), ...size);
      const { made } = await engine.translate(taken);
      if (video !== mine) return;
      lay(made);
      show(before, input);
      reveal(made);
      const passed = performance.now() - began;
      frames++;
      if (passed < 1000) continue;  // a number that stands for a second can be read
      element("pace").textContent = `${across(made)}: ${(1000 * frames / passed).toFixed(1)} pictures a second`;
      [began, frames] = [performance.now(), 0];
    }
  } catch (error) {
    if (video !== mine) return;
    if (await fallBack(error)) return void live(mine);
    stopCamera();
    complain(new Error(`The webcam's pictures were not translated: ${error.message}.`));
  }
}

function stopCamera() {
  if (!video) return;
  closeCamera(video);
  video = undefined;
  picture = undefined;
  controls.camera.textContent = "Webcam";
  controls.camera.setAttribute("aria-pressed", false);
  element("pace").textContent = "";
  say("The webcam is off.");
}

async function save() {
  const blob = await new Promise(done => after.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${picture ? picture.name.replace(/\.[^.]*$/, "") : "webcam"}_${model.name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

for (const button of document.querySelectorAll("[name=choose]")) {
  button.addEventListener("click", () => controls.file.click());
}
controls.file.addEventListener("change", () => {
  if (controls.file.files.length) take([...controls.file.files]);
  controls.file.value = "";  // so that the same file can be chosen again
});
controls.camera.addEventListener("click", () => video ? stopCamera() : startCamera());
controls.again.addEventListener("click", translate);
controls.save.addEventListener("click", save);
controls.size.addEventListener("change", () => {
  tools.querySelector(".limit").hidden = controls.size.value === "training";
  translate();
});
controls.most.addEventListener("change", () => { if (controls.most.reportValidity()) translate(); });
controls.device.addEventListener("change", () => {
  stopCamera();
  fallen = [];
  start(controls.device.value);
  translate();
});
element("busy").querySelector("button").addEventListener("click", () => {
  turn++;
  start(engine.device);  // a worker at work hears nothing: it is ended
  say("Stopped.");
  controls.again.hidden = controls.again.disabled = false;
});
stage.querySelector(".split").addEventListener("input", event => {
  stage.style.setProperty("--split", event.target.value);
});
tools.addEventListener("submit", event => event.preventDefault());
addEventListener("resize", () => sharpen(before.width));

// A picture may be dropped anywhere on the page, or pasted.
addEventListener("dragover", event => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("over"); });
addEventListener("drop", event => {
  event.preventDefault();
  document.body.classList.remove("over");
  take([...event.dataTransfer.files]);
});
addEventListener("paste", event => {
  if (!event.target.matches("input")) take([...event.clipboardData.files]);
});

async function open() {
  const answer = await fetch("model.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`model.json is not in this folder: the server answers ${answer.status}.`);
  model = await answer.json();
  document.title = document.querySelector("h1").textContent = model.name;
  for (const [term, fact] of Object.entries(model.facts)) {
    const line = element("facts").appendChild(document.createElement("div"));
    for (const [tag, text] of [["dt", term], ["dd", fact]]) {
      line.appendChild(document.createElement(tag)).textContent = text;
    }
  }
  controls.size.options[1].text = `${model.side.join(" × ")} px, as in training`;
  controls.again.hidden = !model.noise;
  const found = await devices();
  controls.device.append(...found.map(device => new Option({ webgpu: "WebGPU", wasm: "WASM" }[device], device)));
  tools.hidden = false;
  await start(found[0]);
}

open().catch(complain);
