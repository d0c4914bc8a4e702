"use strict";
// What the page offers beyond reading: a design is lit everywhere at once, tables are sorted and filtered.

const MANY = 12; // rows from which on a table can be filtered
const REACH = 7; // px around a pointer in which a mark still counts as hit
const marked = [...document.querySelectorAll("[data-design]")];
const names = new Map(marked.filter((each) => each.dataset.label).map((each) => [each.dataset.design, each.dataset.label]));

function make(tag, words, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  element.textContent = words;
  return element;
}

// Words of marks, taken over from the browser's own tooltips.

const tip = make("div", "", { id: "tip", hidden: true });
document.body.append(tip);
for (const title of document.querySelectorAll("svg.chart title, svg.forest title")) {
  title.parentElement.dataset.tip = title.textContent;
  title.parentElement.setAttribute("aria-label", title.textContent);
  title.remove();
}

function tell(element, x, y) {
  const words = element?.closest("[data-tip]")?.dataset.tip;
  tip.hidden = !words;
  if (!words) return;
  const colon = words.indexOf(": ");
  tip.replaceChildren(make("b", colon < 0 ? words : words.slice(0, colon)), colon < 0 ? "" : words.slice(colon + 2));
  const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8);
  const above = y - tip.offsetHeight - 12;
  tip.style.translate = `${Math.max(8, left)}px ${above < 8 ? y + 18 : above}px`;
}

// The design that is pointed at, or else the one that is held.

let held = null;
const bar = make("div", "", { id: "held", hidden: true });
const release = make("button", "Release", { type: "button" });
bar.setAttribute("role", "status");
document.body.append(bar);
release.addEventListener("click", () => hold(null));

function light(name) {
  document.body.classList.toggle("choosing", name !== null);
  for (const each of marked) each.classList.toggle("lit", each.dataset.design === name);
}

function hold(name) {
  held = name;
  bar.hidden = name === null;
  bar.replaceChildren(make("b", names.get(name) ?? ""), release);
  for (const button of document.querySelectorAll("button.name")) {
    button.setAttribute("aria-pressed", String(button.closest("tr").dataset.design === name));
  }
  light(name);
}

function near(event) {
  const hit = (x, y) => document.elementFromPoint(x, y)?.closest?.("[data-design], [data-tip]");
  if (!event.target.closest("svg.chart, svg.forest")) return event.target.closest("tr[data-design]");
  for (const reach of [0, REACH / 2, REACH]) {
    for (let turn = 0; turn < (reach ? 8 : 1); turn++) {
      const angle = (turn * Math.PI) / 4;
      const found = hit(event.clientX + reach * Math.cos(angle), event.clientY + reach * Math.sin(angle));
      if (found && found.closest("svg") === event.target.closest("svg")) return found;
    }
  }
  return event.target.closest("tr[data-design]");
}

document.addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  const found = near(event);
  tell(found, event.clientX, event.clientY);
  light(found?.closest("[data-design]")?.dataset.design ?? held);
});
document.addEventListener("pointerleave", () => tell(null));
document.addEventListener("click", (event) => {
  if (event.target.closest("#held, th, summary, input, a") && !event.target.closest("th[scope=row]")) return;
  const found = near(event);
  tell(found, event.clientX, event.clientY);
  const name = found?.closest("[data-design]")?.dataset.design ?? null;
  if (name !== null || event.target.closest("svg.chart")) hold(name === held ? null : name);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  tell(null);
  hold(null);
});
addEventListener("scroll", () => tell(null), { passive: true });

// Tables.

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) if (!heading.classList.contains("fixed")) sortable(table, heading);
  if (table.tBodies[0].rows.length > MANY) filterable(table);
  for (const code of table.querySelectorAll("code.name")) {
    const button = make("button", code.textContent, { type: "button", className: "name" });
    button.setAttribute("aria-pressed", "false");
    button.title = "Light this design up in all charts";
    code.replaceChildren(button);
  }
}

function sortable(table, heading) {
  const button = make("button", heading.textContent, { type: "button" });
  heading.replaceChildren(button);
  button.addEventListener("click", () => {
    const numbers = heading.classList.contains("number");
    const before = heading.getAttribute("aria-sort") ?? (numbers ? "ascending" : "descending");
    const down = before === "ascending"; // numbers begin with the greatest, words with the first
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const way = down ? -1 : 1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => order(a.cells[heading.cellIndex], b.cells[heading.cellIndex], way));
    table.tBodies[0].append(...rows);
  });
}

function order(one, other, way) {
  const [a, b] = [one, other].map((cell) => cell.dataset.sort);
  if (a !== undefined && b !== undefined) return way * (Number(a) - Number(b));
  if (a !== undefined || b !== undefined) return a === undefined ? 1 : -1; // what has no number comes last
  return way * one.textContent.localeCompare(other.textContent, undefined, { numeric: true });
}

function filterable(table) {
  const line = make("label", "", { className: "filter" });
  const input = make("input", "", { type: "search", name: "filter", placeholder: "such as: depth 2" });
  const count = make("output", "");
  line.append("Filter ", input, count);
  table.closest(".box").before(line);
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = [...table.tBodies[0].rows].map((row) => {
    const words = [...row.cells].map((cell, index) => `${headings[index]} ${cell.textContent.trim()}`);
    return [row, `${words.join(" | ")} |`.toLowerCase()];
  });
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/,\s+/).map((part) => part.trim()).filter(Boolean);
    let kept = 0;
    for (const [row, words] of rows) {
      row.hidden = !wanted.every((part) => words.includes(part));
      kept += !row.hidden;
    }
    count.textContent = wanted.length ? ` ${kept} of ${rows.length}` : "";
    const shown = new Set(rows.filter(([row]) => !row.hidden).map(([row]) => row.dataset.design));
    const ours = table.closest("section").querySelectorAll("svg.chart [data-design]");
    for (const each of ours) each.classList.toggle("off", wanted.length > 0 && !shown.has(each.dataset.design));
  });
}

// On paper nothing is folded.

addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.dataset.folded = "";
    each.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-folded]")) {
    delete each.dataset.folded;
    each.open = false;
  }
});
