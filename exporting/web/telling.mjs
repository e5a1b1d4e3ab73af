// What the page says: the state of things, what went wrong, and how long something at work has been so.

const element = id => document.getElementById(id);
const [bar, told, stop] = element("busy").children;
const COUNTED = 2000;  // milliseconds from which on a bar shows how much is left
let ticking;

export const seconds = ms => ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
export const megabytes = bytes => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
export const across = ({ width, height }) => `${width} × ${height} px`;

// A sentence, and notes below it; what went wrong before is past.
export function say(status, notes = []) {
  element("alarm").textContent = "";
  element("status").textContent = status;
  element("notes").replaceChildren(...notes.map(text => {
    const note = document.createElement("li");
    note.textContent = text;
    return note;
  }));
}

export function complain(error) {
  element("alarm").textContent = error.message;
}

// Shows that something is at work. expected: milliseconds, where known; stoppable: whether there is a button to end it.
export function busy(what, { expected = 0, stoppable = false } = {}) {
  const began = performance.now(), about = expected > COUNTED ? ` of about ${seconds(expected)}` : "";
  const tick = () => {
    const passed = performance.now() - began;
    if (about) bar.value = Math.min(.99, passed / expected);
    told.value = passed < 1000 ? what : `${what}: ${seconds(passed)}${about}`;
  };
  idle();
  bar.removeAttribute("value");
  stop.hidden = !stoppable;
  element("busy").hidden = false;
  ticking = setInterval(tick, 200);
  tick();
}

// Shows how much of something at work is done.
export function progress(what, done, all) {
  clearInterval(ticking);
  bar.value = done / all;
  told.value = `${what}: ${megabytes(done)} of ${megabytes(all)}`;
}

export function idle() {
  clearInterval(ticking);
  element("busy").hidden = true;
}
