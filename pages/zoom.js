// A click on a picture opens its row, all pictures side by side: they move and grow in step. Arrow keys walk the rows.
const zoom = document.createElement("dialog");
zoom.className = "zoom";
zoom.tabIndex = -1;
zoom.ariaLabel = "Pictures of a row, enlarged";
zoom.innerHTML = `
  <div class="bar">
    <b aria-live="polite"></b><p class="numbers"></p><output></output>
    <button type="button" name="back" aria-label="previous row" title="previous row (left arrow)">←</button>
    <button type="button" name="on" aria-label="next row" title="next row (right arrow)">→</button>
    <button type="button" name="fit" aria-label="whole picture"
            title="whole picture (0); wheel, +, - and a double click zoom">⤢</button>
    <button type="button" name="close" aria-label="close" title="close (Escape)">✕</button>
  </div>
  <div class="panes"></div>`;
const panes = zoom.querySelector(".panes");
const WHOLE = { x: 0, y: 0, scale: 1 };
const LARGEST = 64;

let open_, place = WHOLE;  // the row, and where all panes look: the corner of a picture in pixels, and its scale

const rowsShown = () => [...document.querySelectorAll(".row:not([hidden])")];
const figuresShown = row => [...row.querySelectorAll("figure")].filter(f => getComputedStyle(f).display !== "none");

function openRow(row) {
  if (!zoom.isConnected) document.body.append(zoom);
  if (!zoom.open) {
    zoom.showModal();
    zoom.focus();  // rather than its first button
  }
  const all = rowsShown(), at = all.indexOf(row);
  open_ = row;
  zoom.querySelector("b").textContent = row.querySelector("h2").textContent;
  const numbers = [...row.querySelectorAll(".numbers > *")].map(number => number.cloneNode(true));
  zoom.querySelector(".numbers").replaceChildren(...numbers);
  zoom.querySelector("output").value = `${at + 1} of ${all.length}`;
  panes.replaceChildren(...figuresShown(row).map(pane));
  arrange();
  for (const near of [all[at - 1], all[at + 1]].filter(Boolean)) {
    for (const figure of figuresShown(near)) figure.querySelector("img").loading = "eager";  // for the next step
  }
}

function pane(figure) {
  const result = document.createElement("figure"), frame = document.createElement("div");
  const image = Object.assign(new Image(), { draggable: false, alt: figure.querySelector("img").alt });
  image.addEventListener("load", arrange);
  image.src = figure.querySelector("img").src;
  frame.className = "frame";
  frame.append(image);
  result.append(frame, figure.querySelector("figcaption").cloneNode(true));
  return result;
}

// As many columns as show the pictures largest.
function arrange() {
  const images = [...panes.querySelectorAll("img")], { clientWidth, clientHeight } = panes;
  const shape = images[0]?.naturalHeight ? images[0].naturalWidth / images[0].naturalHeight : 1;
  const size = count => Math.min(clientWidth / count, shape * (clientHeight / Math.ceil(images.length / count) - 30));
  const best = images.map((_, i) => i + 1).reduce((a, b) => size(b) > size(a) ? b : a, 1);
  panes.style.setProperty("--columns", best);
  look(place);
}

// Looks at a place, as far as there is something to see.
function look({ x, y, scale }) {
  const { clientWidth = 0, clientHeight = 0 } = panes.querySelector(".frame") ?? {};
  scale = Math.min(LARGEST, Math.max(1, scale));
  const within = (value, size) => Math.min(0, Math.max(size * (1 - scale), value));
  place = { x: within(x, clientWidth), y: within(y, clientHeight), scale };
  panes.style.setProperty("--place", `translate(${place.x}px, ${place.y}px) scale(${scale})`);
  for (const image of panes.querySelectorAll("img")) {
    const shown = Math.min(clientWidth / image.naturalWidth, clientHeight / image.naturalHeight) * scale;
    image.classList.toggle("enlarged", shown > 1);
  }
}

const middle = () => {
  const { clientWidth, clientHeight } = panes.querySelector(".frame");
  return { x: clientWidth / 2, y: clientHeight / 2 };
};

// Zooms by a factor; what lies at (x, y) of its frame stays there.
function zoomBy(factor, { x, y } = middle()) {
  const scale = Math.min(LARGEST, Math.max(1, place.scale * factor)), by = scale / place.scale;
  look({ x: x - (x - place.x) * by, y: y - (y - place.y) * by, scale });
}

const whole = () => look(WHOLE);
const step = by => {
  const all = rowsShown(), row = all[all.indexOf(open_) + by];
  if (row) openRow(row);
};

function enlarge(row) {
  place = WHOLE;
  openRow(row);
}

// Where a pointer is in its frame.
function spot(event) {
  const frame = event.target.closest(".frame")?.getBoundingClientRect();
  return frame && { x: event.clientX - frame.x, y: event.clientY - frame.y };
}

const fingers = new Map();  // pointer -> its spot
panes.addEventListener("pointerdown", event => {
  if (!spot(event)) return;
  event.target.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, spot(event));
});
panes.addEventListener("pointermove", event => {
  const before = fingers.get(event.pointerId), now = spot(event);
  if (!before || !now) return;
  fingers.set(event.pointerId, now);
  const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)?.[1];
  if (other) {
    const far = one => Math.hypot(one.x - other.x, one.y - other.y);
    zoomBy(far(now) / Math.max(1, far(before)), other);
  } else {
    look({ x: place.x + now.x - before.x, y: place.y + now.y - before.y, scale: place.scale });
  }
});
for (const end of ["pointerup", "pointercancel"]) panes.addEventListener(end, event => fingers.delete(event.pointerId));
panes.addEventListener("wheel", event => {
  const at = spot(event);
  event.preventDefault();
  if (at) zoomBy(1.002 ** -event.deltaY, at);
}, { passive: false });
panes.addEventListener("dblclick", event => {
  const at = spot(event);
  if (at) place.scale > 1 ? whole() : zoomBy(4, at);
});

zoom.addEventListener("click", event => {
  ({ back: () => step(-1), on: () => step(1), fit: whole, close: () => zoom.close() })[event.target.name]?.();
});
zoom.addEventListener("close", () => { fingers.clear(); focusRow(open_); });
addEventListener("resize", () => { if (zoom.open) arrange(); });

function focusRow(row) {
  row.scrollIntoView({ block: "nearest" });
  figuresShown(row)[0]?.querySelector("a").focus({ preventScroll: true });
}

// On the page the arrow keys go to the row before or behind the one in focus, or to the first one in view.
function walk(by) {
  const all = rowsShown(), at = all.indexOf(document.activeElement.closest(".row"));
  const row = at < 0 ? all.find(row => row.getBoundingClientRect().bottom > tools.offsetHeight) : all[at + by];
  if (row) focusRow(row);
}

addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, summary")) return;
  const by = { ArrowLeft: -1, ArrowRight: 1, ...zoom.open && { ArrowUp: -1, ArrowDown: 1 } }[event.key];
  const pan = { ArrowLeft: [64, 0], ArrowRight: [-64, 0], ArrowUp: [0, 64], ArrowDown: [0, -64] }[event.key];
  if (zoom.open && event.shiftKey && pan) look({ x: place.x + pan[0], y: place.y + pan[1], scale: place.scale });
  else if (by) zoom.open ? step(by) : walk(by);
  else if (zoom.open && "+=".includes(event.key)) zoomBy(1.5);
  else if (zoom.open && event.key === "-") zoomBy(1 / 1.5);
  else if (zoom.open && event.key === "0") whole();
  else return;
  event.preventDefault();
});

document.querySelector("main").addEventListener("click", event => {
  const link = event.target.closest(".pictures figure > a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  enlarge(link.closest(".row"));
});
document.querySelector("main").addEventListener("dblclick", event => {
  if (event.target.matches(".split")) enlarge(event.target.closest(".row"));
});
