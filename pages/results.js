// For results: the order of the rows, the choice of columns, one picture on top of another with a slider between them.
const main = document.querySelector("main");
const { sort, order, view, left, right } = tools.elements;
const boxes = name => controls.filter(control => control.name === name);

// The figures of a row: each in a line, that of its direction, and how a stylesheet finds it in all rows.
const lines = [...rows[0]?.querySelectorAll(".direction") ?? []].map(line => line.children.length);
const figures = lines.flatMap((count, line) => Array.from({ length: count }, (_, i) => (
  { line, rule: `.direction:nth-child(${line + 1}) > figure:nth-child(${i + 1})` })));
const mostAcross = Number(document.documentElement.style.getPropertyValue("--across"));

const ENDS = { "as translated": ["first to last", "last to first"], name: ["A to Z", "Z to A"] };
const WORTH = ["worst first", "best first"];
const alphabet = new Intl.Collator(undefined, { numeric: true });
const metric = () => sort.selectedIndex - Object.keys(ENDS).length;  // below 0: the rows are not sorted by a metric

// The numbers of all rows in the chosen metric, the larger the better; NaN where a row has none.
function worths() {
  const sign = sort.selectedOptions[0].dataset.better === "higher" ? 1 : -1, place = metric();
  return rows.map(row => row.querySelectorAll("data")[place].value).map(text => text ? sign * Number(text) : NaN);
}

function sortRows() {
  const sign = order.value === "first" ? 1 : -1, indices = [...rows.keys()];
  if (metric() >= 0) {
    const values = worths(), missing = values.map(value => Number(Number.isNaN(value)));
    const rise = (a, b) => values[a] < values[b] ? -sign : values[a] > values[b] ? sign : 0;
    indices.sort((a, b) => missing[a] - missing[b] || rise(a, b));
  } else if (sort.value === "name") {
    indices.sort((a, b) => sign * alphabet.compare(names[a], names[b]));
  } else if (sign < 0) {
    indices.reverse();
  }
  main.append(...indices.map(i => rows[i]));
}

// Words the two ends of the order, and marks the metric among the summaries.
function showOrder() {
  (ENDS[sort.value] ?? WORTH).forEach((end, i) => { order.options[i].text = end; });
  for (const button of sortButtons) button.setAttribute("aria-pressed", String(button.value === sort.value));
}

// One rule for a column of all rows, rather than a change of each row.
const columns = document.head.appendChild(document.createElement("style"));

function showColumns() {
  const slider = view.value === "slider", two = [left.selectedIndex, right.selectedIndex];
  const seen = figures.map((_, i) => slider ? two.includes(i) : boxes("picture")[i].checked);
  const counts = lines.map((_, line) => figures.filter((figure, i) => seen[i] && figure.line === line).length);
  const widest = Math.max(1, ...counts);
  const across = slider ? 1 : Math.min(widest, mostAcross);
  const rules = [
    `:root, .pictures { --across: ${across} !important }`,
    ...figures.filter((_, i) => !seen[i]).map(figure => `${figure.rule} { display: none !important }`),
    ...boxes("number").flatMap((box, i) => box.checked ? [] : [`.numbers > :nth-child(${i + 1}) { display: none }`]),
    `.numbers > :nth-child(${metric() + 1}) { color: var(--accent) }`,
  ];
  const cut = "inset(0 0 0 calc(var(--split) * 1%))";
  if (slider && figures.length) rules.push(`${figures[two[1]].rule} { --side: end; --above: 1; --seen: ${cut} }`);
  columns.textContent = rules.join("\n");
  main.classList.toggle("slider", slider);
  tools.querySelector(".sides").hidden = !slider;
  if (slider) rows.forEach(addSplit);
}

function addSplit(row) {
  const pictures = row.querySelector(".pictures");
  const split = pictures.querySelector(".split") ?? pictures.appendChild(document.createElement("input"));
  if (!split.className) Object.assign(split, { className: "split", type: "range", step: "any", value: 50 });
  split.ariaLabel = `${left.value} up to here, then ${right.value}`;
}

// The summaries sort by a click: again for the other end.
const sortButtons = [...document.querySelectorAll(".summaries dt")].flatMap(term => {
  const value = `metric ${term.textContent}`;
  if (![...sort.options].some(option => option.value === value)) return [];
  const button = document.createElement("button");
  Object.assign(button, { type: "button", value, textContent: term.textContent });
  button.addEventListener("click", () => {
    order.value = sort.value === value && order.value === "first" ? "last" : "first";
    sort.value = value;
    sort.dispatchEvent(new Event("input", { bubbles: true }));
  });
  term.replaceChildren(button);
  return [button];
});

for (const control of [sort, order]) {
  control.addEventListener("input", () => {
    showOrder();
    sortRows();
    if (main.getBoundingClientRect().top < 0) main.scrollIntoView();
  });
}
for (const control of [sort, view, left, right, ...boxes("picture"), ...boxes("number")]) {
  control.addEventListener("input", showColumns);
}
main.addEventListener("input", event => event.target.parentNode.style.setProperty("--split", event.target.value));

// An open menu closes with Escape, or with a click beside it.
const menu = tools.querySelector(".menu");
addEventListener("pointerdown", event => { if (!menu.contains(event.target)) menu.open = false; });
menu.addEventListener("keydown", event => { if (event.key === "Escape") menu.open = false; });

if (history.state) sortRows();
showOrder();
showColumns();
