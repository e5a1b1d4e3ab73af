// One session: a method drawn at random, its pairs in random order, the answers as a file at the end.
"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const [go, first, second, pause, next, on, save] =
  ["go", "first", "second", "pause", "next", "on", "save"].map(id => document.getElementById(id));
const stage = document.getElementById("stage").getContext("2d");
const sections = [...document.querySelectorAll("section")];

// Every button says which keys press it. On a button that has the focus, Enter and space work by themselves.
addEventListener("keydown", event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("button")) return;
  const button = [...document.querySelectorAll("button:enabled")].find(
    each => each.offsetParent && each.dataset.keys.split(" ").includes(event.code));
  if (!button) return;
  event.preventDefault();
  button.click();
});
pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", pause.getAttribute("aria-pressed") !== "true");
  pause.blur();
});

const pressed = (...buttons) => new Promise(done => {
  const stop = new AbortController();
  for (const button of buttons) {
    button.addEventListener("click", () => { stop.abort(); button.blur(); done(button); }, { signal: stop.signal });
  }
});
const write = (id, text) => { document.getElementById(id).textContent = text; };
const show = id => sections.forEach(section => { section.hidden = section.id !== id; });
const pick = list => list[Math.floor(Math.random() * list.length)];

function shuffled(list) {
  const left = [...list], result = [];
  while (left.length) result.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return result;
}

// Waits for `ms`, counted in frames that were painted. Returns the time that has really passed.
const frame = () => new Promise(requestAnimationFrame);
async function hold(ms) {
  const begin = await frame();
  let now = begin;
  while (now === begin || now - begin < ms - 8) now = await frame();  // 8: nearer to this frame than to the next
  return Math.round(now - begin);
}

async function load(index) {
  const image = new Image();
  image.src = study.pictures[index].src;
  await image.decode();  // before its time begins
  return image;
}

async function expose(image) {
  stage.drawImage(image, 0, 0, study.size, study.size);
  const ms = await hold(study.show_ms);
  stage.clearRect(0, 0, study.size, study.size);
  return ms;
}

function allowAnswers(yes) { first.disabled = second.disabled = pause.disabled = !yes; }

let away = false;  // whether the page was out of sight
document.addEventListener("visibilitychange", () => { away ||= document.hidden; });

async function ask(images) {
  write("question", "");
  show("trial");
  away = document.hidden;
  const shown_ms = [];
  for (const [place, image] of images.entries()) {
    await hold(study.show_ms / 2);
    write("question", place ? "The second picture" : "The first picture");
    shown_ms.push(await expose(image));
    write("question", "");
  }
  await hold(study.show_ms / 2);
  const interrupted = away, width = stage.canvas.clientWidth;
  write("question", "Which one was real?");
  allowAnswers(true);
  const begin = performance.now();
  const button = await pressed(first, second);
  allowAnswers(false);
  return { answer: button.id, time_ms: Math.round(performance.now() - begin), shown_ms, interrupted, width };
}

async function tell(images, realFirst, answer) {
  const right = (answer === "first") === realFirst;
  write("verdict", `${right ? "Right" : "No"}: the ${realFirst ? "first" : "second"} one was real.`);
  document.querySelectorAll("#feedback figure").forEach((figure, place) => {
    figure.querySelector("canvas").getContext("2d").drawImage(images[place], 0, 0, study.size, study.size);
    const real = (place === 0) === realFirst;
    figure.querySelector("figcaption").textContent = `${place ? "Second" : "First"}: ${real ? "real" : "fake"}`;
  });
  show("feedback");
  await pressed(next);
}

async function rest(why, what) {
  write("why", why);
  write("what", what);
  pause.setAttribute("aria-pressed", false);
  show("rest");
  await pressed(on);
}

async function runTrial([real, fake], practice, number, total) {
  document.getElementById("progress").value = (number - 1) / total;
  write("count", `${practice ? "Practice " : ""}${number} of ${total}`);
  const realFirst = Math.random() < .5;
  const images = await Promise.all((realFirst ? [real, fake] : [fake, real]).map(load));
  const answer = await ask(images);
  if (practice) await tell(images, realFirst, answer.answer);
  return {
    practice, trial: number, real: study.pictures[real].name, fake: study.pictures[fake].name,
    first: realFirst ? "real" : "fake", ...answer,
  };
}

async function runSession() {
  await pressed(go);
  const warn = event => event.preventDefault();
  addEventListener("beforeunload", warn);  // leaving would lose the answers
  const { name, practice, trials } = pick(study.methods);
  const { format, seed, same_input, size, show_ms } = study;
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
  const session = {
    format, session: id, method: name, seed, same_input, size, show_ms,
    practice: practice.length, trials: trials.length, began: new Date().toISOString(),
  };
  const answers = [];
  for (const part of [practice, trials]) {
    if (part === trials && practice.length) {
      await rest("That was the practice", `Now ${trials.length} pairs that count. You will not be told the answers.`);
    }
    for (const [index, pair] of shuffled(part).entries()) {
      if (index && pause.getAttribute("aria-pressed") === "true") {
        await rest("Pause", `${part.length - index} of ${part.length} pairs are left.`);
      }
      answers.push(await runTrial(pair, part === practice, index + 1, part.length));
    }
  }
  show("end");
  const text = JSON.stringify({ ...session, ended: new Date().toISOString(), answers }, null, 1);
  for (;;) {
    await pressed(save);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `answers-${id.slice(0, 12)}.json`;
    link.click();
    removeEventListener("beforeunload", warn);
    write("saved", `Saved as ${link.download} where this browser puts its downloads.`);
  }
}

allowAnswers(false);
runSession();
