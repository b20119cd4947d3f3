// Draws the report from the JSON in #data. Every text is set as text; Plotly, which reads tags in its texts, gets them
// escaped. Figures are rounded in Python: the page only sorts, filters and draws.
"use strict";

document.querySelector("main").className = "drawn"; // painted once, after this script: before it, parts have no content

const page = JSON.parse(document.getElementById("data").textContent);
const MOST_BARS = 40; // rows in each of the lower charts
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star"];
const FILTERS = ["model", "runtime", "batch", "threads"];
const state = { sort: null, descending: false, axis: Object.keys(page.axes)[0], scale: "relative" };

const byId = (id) => document.getElementById(id);
const unique = (values) => [...new Set(values)];
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** An element with attributes and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Text that Plotly shows as it is. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

// ---- which rows, in which order -------------------------------------------------------------------------------------

const indexed = page.rows.map((row, index) => ({
  ...row,
  index,
  words: [row.label, row.command, ...row.cells.map(([, text]) => text)].join(" ").toLowerCase(),
}));

function visibleRows() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = FILTERS.map((key) => [key, byId(`filter-${key}`).value]).filter(([, value]) => value !== "");
  const isVisible = (row) =>
    words.every((word) => row.words.includes(word)) && chosen.every(([key, value]) => String(row[key]) === value);
  const rows = indexed.filter(isVisible);
  return state.sort === null ? rows : rows.sort(compareBy(state.sort, state.descending));
}

/** By a column's values: numbers as numbers, texts as people count, nothing last in both directions. */
function compareBy(column, descending) {
  const collator = new Intl.Collator("en", { numeric: true });
  return (a, b) => {
    const [x, y] = [a.cells[column][0], b.cells[column][0]];
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
    const order = typeof x === "number" ? x - y : collator.compare(x, y);
    return (descending ? -order : order) || a.index - b.index;
  };
}

function sortBy(column) {
  state.descending = state.sort === column && !state.descending;
  state.sort = column;
  update();
}

// ---- text -----------------------------------------------------------------------------------------------------------

/** What stays as it is: title, headers, choices, hosts. */
function drawFrame() {
  const hosts = page.hosts.length === 1 ? page.hosts : page.hosts.map((host, i) => `Host ${i + 1}: ${host}`);
  byId("title").textContent = page.title;
  byId("host").textContent = hosts.join("\n");
  byId("when").textContent = page.when;
  byId("same").textContent = page.same.length ? `All rows: ${page.same.join(", ")}.` : "";
  byId("notes").append(...page.notes.map((note) => make("li", {}, note)));
  for (const key of FILTERS) {
    const values = unique(page.rows.map((row) => row[key]));
    if (typeof values[0] === "number") values.sort((a, b) => a - b);
    byId(`filter-${key}`).append(option("", "all"), ...values.map((value) => option(value, String(value))));
  }
  byId("axis").append(...Object.entries(page.axes).map(([key, title]) => option(key, title)));
  for (const [name, ...facts] of page.hostFacts) {
    const cells = facts.map((fact) => make("td", {}, fact));
    byId("hosts").tBodies[0].append(make("tr", {}, make("th", { scope: "row" }, name), ...cells));
  }
  const headers = page.columns.map(([title, isNumber], column) => {
    const button = make("button", { type: "button" }, title);
    button.addEventListener("click", () => sortBy(column));
    return make("th", { scope: "col", class: isNumber ? "number" : "" }, button);
  });
  byId("rows").tHead.append(make("tr", {}, ...headers));
}

const option = (value, text) => make("option", { value }, text);

function drawTable(rows) {
  [...byId("rows").tHead.rows[0].cells].forEach((cell, column) => {
    const direction = state.descending ? "descending" : "ascending";
    cell.setAttribute("aria-sort", column === state.sort ? direction : "none");
  });
  const lines = rows.map((row) => {
    const cells = row.cells.map(([, text, note], column) => {
      const [title, isNumber] = page.columns[column];
      const kind = { front: "mark", warnings: "warning" }[title] ?? (isNumber ? "number" : "");
      return make("td", { class: kind }, text, ...(note ? [make("small", {}, note)] : []));
    });
    return make("tr", { id: `row-${row.index}` }, ...cells);
  });
  byId("rows").tBodies[0].replaceChildren(...lines);
  const all = plural(page.rows.length, "row");
  byId("count").textContent = rows.length === page.rows.length ? all : `${rows.length} of ${all}`;
}

function drawWarnings(rows) {
  const sound = rows.filter((row) => row.warnings.length === 0).length;
  const summary = `${sound} of ${plural(rows.length, "row")}: measured without a warning.`;
  const kinds = unique(rows.flatMap((row) => row.warnings.map(([kind]) => kind)));
  const parts = kinds.flatMap((kind) => {
    const seen = rows.flatMap((row) =>
      row.warnings.filter(([its]) => its === kind).map(([, detail]) => make("li", {}, `${row.label}: ${detail}`)),
    );
    const title = make("h3", {}, kind.replaceAll("_", " "));
    return [title, make("p", {}, page.advice[kind]), make("ul", { class: "quiet" }, ...seen)];
  });
  byId("warnings").replaceChildren(make("p", { class: "quiet" }, summary), ...parts);
}

function drawCommands(rows) {
  const blocks = unique(rows.map((row) => row.command)).map((command) => {
    const labels = unique(rows.filter((row) => row.command === command).map((row) => row.label));
    const code = make("code", {}, command);
    const button = make("button", { type: "button", "aria-label": `Copy the command of ${labels[0]}` }, "Copy");
    button.addEventListener("click", () => copy(code, button));
    const line = make("div", { class: "line" }, code, button);
    return make("div", { class: "command" }, make("p", { class: "quiet" }, labels.join("; ")), line);
  });
  byId("commands").replaceChildren(...blocks);
}

/** To the clipboard; where the browser does not allow that, the command is selected, ready to be copied. */
async function copy(code, button) {
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

// ---- charts ---------------------------------------------------------------------------------------------------------

const CONFIG = { responsive: true, displayModeBar: false };

function layout(changes) {
  const [ink, paper, quiet, line] = ["--ink", "--paper", "--quiet", "--line"].map(colour);
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true };
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: quiet },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 8, r: 12, t: 12, b: 8 },
    hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, size: 12 }, align: "left" },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom" },
    ...changes,
    xaxis: { ...axis, ...changes.xaxis },
    yaxis: { ...axis, ...changes.yaxis },
  };
}

/** An axis over `values`: logarithmic where they span more than a factor of ten, which its title then says. */
function scaled(title, values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (least <= 0 || most <= 10 * least) return { type: "linear", title: { text: plain(title) } };
  const ticks = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.log10(most) + 1; power++)
    ticks.push(...[1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  const texts = ticks.map((tick) => tick.toLocaleString("en", { maximumSignificantDigits: 1 }));
  return { type: "log", tickvals: ticks, ticktext: texts, title: { text: plain(`${title} (log scale)`) } };
}

function drawAccuracy(rows) {
  const { axis } = state;
  const shown = rows.filter((row) => row.accuracy && row.x[axis]);
  byId("accuracy-note").textContent = accuracyNote(shown.length, rows.length - shown.length);
  byId("accuracy").hidden = shown.length === 0;
  if (shown.length === 0) return;
  const places = shown.map((row) => row.x[axis][0]);
  const settings = layout({
    xaxis: { ...scaled(page.axes[axis], places), zeroline: false },
    yaxis: { title: { text: plain(page.accuracyTitle) }, zeroline: false },
    hovermode: "closest",
  });
  Plotly.react("accuracy", [...frontTraces(shown), ...pointTraces(shown)], settings, CONFIG);
}

function accuracyNote(shown, unshown) {
  const lacking = state.axis === "throughput" ? "an accuracy or a throughput" : "an accuracy";
  const missing = `${plural(unshown, "row")} without ${lacking} ${unshown === 1 ? "is" : "are"} left out. `;
  const reading =
    "Filled points on a dotted line are on the Pareto front: no comparable row (same machine, data set, batch and " +
    "state of the caches) is better. Bars are 95 % intervals.";
  if (shown) return (unshown ? missing : "") + reading;
  return unshown ? `${missing}Measure it with reszoo bench --accuracy DATASET.` : "No row is left to show.";
}

/** Steps from row to row of each front: between two rows, the best that can be had is the first's accuracy. */
function frontTraces(shown) {
  const place = (row) => row.x[state.axis][0];
  return unique(shown.map((row) => row.group)).map((group) => {
    const front = shown.filter((row) => row.group === group && row.pareto.includes(state.axis));
    front.sort((a, b) => place(a) - place(b));
    return {
      x: front.map(place),
      y: front.map((row) => row.accuracy[0]),
      mode: "lines",
      // where more is better, a row's accuracy can be had up to its place, not from it
      line: { color: colour("--quiet"), width: 1, dash: "dot", shape: state.axis === "throughput" ? "vh" : "hv" },
      hoverinfo: "skip",
      showlegend: false,
    };
  });
}

/** A colour for each runtime and a symbol for each batch. */
function pointTraces(shown) {
  const runtimes = unique(page.rows.map((row) => row.runtime));
  const batches = unique(page.rows.map((row) => row.batch)).sort((a, b) => a - b);
  return runtimes.flatMap((runtime, r) =>
    batches.map((batch, b) => {
      const rows = shown.filter((row) => row.runtime === runtime && row.batch === batch);
      const ink = colour(`--c${r % 8}`);
      const fills = rows.map((row) => (row.pareto.includes(state.axis) ? ink : colour("--paper")));
      return {
        x: rows.map((row) => row.x[state.axis][0]),
        y: rows.map((row) => row.accuracy[0]),
        error_x: whiskers(rows.map((row) => row.x[state.axis]), ink),
        error_y: whiskers(rows.map((row) => row.accuracy), ink),
        customdata: rows.map((row) => row.index),
        name: plain(batches.length > 1 ? `${runtime}, batch ${batch}` : runtime),
        mode: "markers",
        marker: { size: 10, symbol: SYMBOLS[b % SYMBOLS.length], color: fills, line: { width: 1.8, color: ink } },
        hovertext: rows.map((row) => row.hover.map(plain).join("<br>")),
        hoverinfo: "text",
        showlegend: rows.length > 0,
      };
    }),
  );
}

const whiskers = (spans, ink) => ({
  type: "data",
  symmetric: false,
  array: spans.map(([value, , high]) => (high === null ? 0 : high - value)),
  arrayminus: spans.map(([value, low]) => (low === null ? 0 : value - low)),
  color: ink,
  thickness: 1.2,
  width: 3,
});

/** Rows of a chart under each other, each with its name above it, so that names may be long on a narrow screen. */
function drawRows(id, rows, traces, xaxis) {
  const height = rows.length * 46 + 90;
  byId(id).style.height = `${height}px`;
  const font = { size: 12, color: colour("--ink") };
  const names = rows.map((row, i) => ({
    ...{ text: plain(row.label), font, showarrow: false, borderpad: 0 },
    ...{ x: 0, xref: "paper", xanchor: "left", y: i - 0.22, yanchor: "bottom" },
  }));
  const still = { showticklabels: false, showgrid: false, zeroline: false, fixedrange: true };
  const yaxis = { ...still, range: [rows.length - 0.5, -0.75] };
  Plotly.react(id, traces, layout({ height, annotations: names, barmode: "relative", xaxis, yaxis }), CONFIG);
}

function drawLatency(rows) {
  const isRelative = state.scale === "relative";
  const share = (row) => row.quantilesMs.map((ms) => (100 * ms) / row.x.latency[0]);
  const values = rows.map((row) => (isRelative ? share(row) : row.quantilesMs));
  const fill = `${colour("--c5")}55`;
  const traces = values.map((x, i) => ({
    ...{ type: "violin", orientation: "h", x, y0: i, width: 0.5, points: false, spanmode: "hard", scalemode: "width" },
    ...{ line: { color: colour("--c0"), width: 1.2 }, fillcolor: fill, hoverinfo: "x", showlegend: false },
    box: { visible: true, width: 0.35, line: { width: 1 } },
  }));
  byId("latency-note").textContent =
    `Of each row at most ${page.mostSamples} samples are drawn, evenly spaced from the fastest to the slowest; the ` +
    "measurement's file has all. " +
    (isRelative ? "Far outliers lie beyond the axis: double-click to see them." : "");
  drawRows("latency", rows, traces, isRelative ? shareAxis(values) : scaled("latency of a batch, ms", values.flat()));
}

/** From the fastest of all to the upper end of the widest row's bulk. `values` are sorted. */
function shareAxis(values) {
  const at = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))];
  const end = (its) => Math.min(at(its, 0.98), at(its, 0.75) + 3 * (at(its, 0.75) - at(its, 0.25)));
  const near = Math.min(...values.map((its) => its[0]));
  const far = Math.max(...values.map(end));
  const margin = 0.04 * (far - near) || 1;
  return { title: { text: "% of the row's median" }, range: [near - margin, far + margin] };
}

function drawStack(id, rows, names, key, title) {
  const traces = names.map((name, part) => ({
    ...{ type: "bar", orientation: "h", name, width: 0.4, marker: { color: colour(`--c${[0, 4, 2, 3][part]}`) } },
    x: rows.map((row) => row[key][part]),
    y: rows.map((_, i) => i),
    hovertemplate: `${name}: %{x:.3r}<extra></extra>`,
  }));
  drawRows(id, rows, traces, { title: { text: title }, zeroline: true });
}

// ---- together -------------------------------------------------------------------------------------------------------

/** Everything that depends on which rows are shown, and in which order. */
function update() {
  const rows = visibleRows();
  drawTable(rows);
  drawAccuracy(rows);
  drawWarnings(rows);
  drawCommands(rows);
  const drawn = rows.slice(0, MOST_BARS);
  const note = `The charts below show the first ${MOST_BARS} of ${rows.length} rows, in the table's order.`;
  byId("bars-note").textContent = rows.length > MOST_BARS ? note : "";
  for (const id of ["latency", "memory", "cold"]) byId(id).hidden = drawn.length === 0;
  if (drawn.length === 0) return;
  drawLatency(drawn);
  drawStack("memory", drawn, page.memoryParts, "memoryMb", "memory, MB");
  drawStack("cold", drawn, page.coldStartParts, "coldStartMs", "cold start, ms");
}

/** Show the row of a point in the table. */
function choose(index) {
  document.querySelectorAll("tr.chosen").forEach((line) => line.classList.remove("chosen"));
  const line = byId(`row-${index}`);
  line.classList.add("chosen");
  line.scrollIntoView({ block: "center", behavior: "smooth" });
}

drawFrame();
update();

let waiting;
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(update, 120); // new charts for every letter would be slow
});
byId("axis").addEventListener("input", (event) => {
  state.axis = event.target.value;
  drawAccuracy(visibleRows());
});
byId("scale").addEventListener("input", (event) => {
  state.scale = event.target.value;
  update();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
// without any accuracy there is no chart to click on
byId("accuracy").on?.("plotly_click", ({ points }) => choose(points[0].customdata));
