"use strict";
// What the page offers beyond reading: sorting, copying, and finding a mark's row or a row's mark.

for (const table of document.querySelectorAll("table.designs")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => order(a.cells[index], b.cells[index]));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}

function order(one, other) {
  const [a, b] = [one, other].map((cell) => cell.dataset.sort);
  if (a !== undefined && b !== undefined) return Number(a) - Number(b);
  if (a !== undefined || b !== undefined) return a === undefined ? 1 : -1; // numbers before texts
  return one.textContent.localeCompare(other.textContent, undefined, { numeric: true });
}

for (const code of document.querySelectorAll("code.copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(code); // where the clipboard is not to be had, the words are at least selected
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  code.before(button);
}

const marks = document.querySelectorAll(".cloud [data-mark]");
const rows = document.querySelectorAll("tr[data-mark]");

function choose(name) {
  for (const each of [...marks, ...rows]) each.classList.toggle("chosen", each.dataset.mark === name);
}

for (const mark of marks) {
  mark.addEventListener("click", () => {
    choose(mark.dataset.mark);
    document.querySelector(`tr[data-mark="${mark.dataset.mark}"]`)?.scrollIntoView({ block: "nearest" });
  });
}
for (const row of rows) row.addEventListener("click", () => choose(row.dataset.mark));
