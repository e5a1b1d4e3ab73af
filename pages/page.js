// Extras: a filter over the row names and a slider for the picture width. Without them the page is still complete.
const tools = document.querySelector(".tools");
const { filter, width, shown } = tools.elements;
const rows = [...document.querySelectorAll(".row")];
const names = rows.map(row => row.querySelector("h2").textContent.toLowerCase());

function showRows() {
  const wanted = filter.value.toLowerCase();
  rows.forEach((row, i) => { row.hidden = !names[i].includes(wanted); });
  const visible = rows.filter(row => !row.hidden).length;
  const all = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
  shown.value = wanted ? `${visible} of ${all}` : all;
}

// A picture shown larger than it is keeps its pixels; one shown smaller is smoothed.
function sharpen(image) {
  image.classList.toggle("enlarged", image.naturalWidth < image.clientWidth);
}

const resize = () => document.documentElement.style.setProperty("--width", `${width.value}px`);

// A history entry outlives a reload of the page, so the choices do too.
const remember = () => history.replaceState({ filter: filter.value, width: width.value }, "");

filter.addEventListener("input", () => { showRows(); remember(); });
width.addEventListener("input", () => { resize(); remember(); });
tools.addEventListener("submit", event => event.preventDefault());

const sizes = new ResizeObserver(changes => changes.forEach(change => sharpen(change.target)));
for (const image of document.images) {
  image.addEventListener("load", () => sharpen(image));
  sizes.observe(image);
}

if (history.state) {
  filter.value = history.state.filter;
  width.value = history.state.width;
}

tools.hidden = false;
showRows();
resize();
