// Filters and sorts the zoo's table. Without it every checkpoint is shown, by name.
"use strict";

const form = document.getElementById("zoo-filters");
const table = document.getElementById("zoo");
const entries = [...table.tBodies].map((body, index) => ({ body, index, words: body.rows[0].textContent.toLowerCase() }));

function isVisible({ body, words }) {
  const isOf = (key) => form[key].value === "" || form[key].value === body.dataset[key];
  const wanted = form.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  return isOf("dataset") && isOf("licence") && wanted.every((word) => words.includes(word));
}

/** By name as they came; by accuracy the best first, else the smallest; nothing last. */
function compare(key) {
  const best = key === "accuracy" ? -1 : 1;
  const value = ({ body }) => (body.dataset[key] === "" ? Infinity : best * Number(body.dataset[key]));
  return (a, b) => (key && Math.sign(value(a) - value(b))) || a.index - b.index;
}

function update() {
  const shown = entries.filter(isVisible);
  for (const { body } of entries) body.hidden = true;
  for (const { body } of shown.sort(compare(form.sort.value))) {
    body.hidden = false;
    table.append(body);
  }
  document.getElementById("zoo-count").textContent =
    shown.length === entries.length ? `${entries.length} checkpoints` : `${shown.length} of ${entries.length}`;
}

form.hidden = false;
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
update();
