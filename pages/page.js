// For every page: a filter over the names of the rows and a slider for the width of the pictures, remembered.
// Without scripts the page is still complete.
const tools = document.querySelector(".tools");
const { filter, width, shown } = tools.elements;
const rows = [...document.querySelectorAll(".row")];
const names = rows.map(row => row.querySelector("h2").textContent);

function showRows() {
  const wanted = filter.value.toLowerCase();
  rows.forEach((row, i) => { row.hidden = !names[i].toLowerCase().includes(wanted); });
  const visible = rows.filter(row => !row.hidden).length;
  const all = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
  shown.value = wanted ? `${visible} of ${all}` : all;
}

// A picture shown larger than it is keeps its pixels; one shown smaller is smoothed. The widths are those that the
// browser told: to ask for one while pictures arrive lays out the page for each of them.
const widths = new WeakMap();
function sharpen(image) {
  image.classList.toggle("enlarged", image.naturalWidth < widths.get(image));
}

const resize = () => document.documentElement.style.setProperty("--width", `${width.value}px`);

// A history entry outlives a reload of the page, so the choices do too.
const controls = [...tools.elements].filter(control => control.matches("input, select"));
const keyOf = control => control.type === "checkbox" ? `${control.name} ${control.value}` : control.name;
const valueOf = control => control.type === "checkbox" ? "checked" : "value";

const remember = () => history.replaceState(
  Object.fromEntries(controls.map(control => [keyOf(control), control[valueOf(control)]])), "");

for (const control of controls) {
  const before = control.value, value = history.state?.[keyOf(control)];
  if (value !== undefined) control[valueOf(control)] = value;
  if (control.value === "") control.value = before;  // a choice that is no longer there
  control.addEventListener("input", remember);
}

filter.addEventListener("input", showRows);
width.addEventListener("input", resize);
tools.addEventListener("submit", event => event.preventDefault());

// A link to a row leads there, whatever the filter hides; a new history entry remembers nothing yet.
addEventListener("hashchange", () => {
  const row = document.getElementById(location.hash.slice(1));
  if (row?.hidden) {
    filter.value = "";
    showRows();
    row.scrollIntoView();
  }
  remember();
});

const sizes = new ResizeObserver(changes => changes.forEach(({ target, contentRect }) => {
  widths.set(target, Math.round(contentRect.width));
  sharpen(target);
}));
for (const image of document.images) {
  image.addEventListener("load", () => sharpen(image));
  sizes.observe(image);
}

tools.hidden = false;
showRows();
resize();
