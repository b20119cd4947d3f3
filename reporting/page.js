// Draws the report from the JSON in #data. Figures are rounded in Python: the page only sorts, filters and draws.

document.querySelector("main").className = "drawn"; // painted once, after this script: before it, parts have no content

const page = JSON.parse(document.getElementById("data").textContent);
const MOST_BARS = 40; // rows in each of the lower charts
const MOST_NAMES = 14; // points with a name; of more, only those on the front
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star"];
// where a name may stand: pixels from its point, the best places first; from FAR on a line leads to it
const RADII = [5, 12, 24, 36];
const FAR = 24;
const DIRECTIONS = [[1, -1], [-1, -1], [1, 1], [-1, 1], [1, 0], [-1, 0], [0, -1], [0, 1]];
const NAME_SIZE = 11;
const FILTERS = ["model", "runtime", "batch", "threads"];
const state = {
  ...{ sort: null, descending: false, scale: "relative" },
  ...{ axis: Object.keys(page.axes)[0], split: page.splits[0] },
};

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
  byId("split").append(...page.splits.map((split) => option(split, split)));
  byId("split-label").hidden = page.splits.length < 2;
  for (const [name, ...facts] of page.hostFacts) {
    const cells = facts.map((fact) => make("td", {}, fact));
    byId("hosts").tBodies[0].append(make("tr", {}, make("th", { scope: "row" }, name), ...cells));
  }
  const headers = page.columns.map(([title, isNumber, namesRow], column) => {
    const button = make("button", { type: "button" }, title);
    button.addEventListener("click", () => sortBy(column));
    return make("th", { scope: "col", class: classes(isNumber && "number", namesRow && "names") }, button);
  });
  byId("rows").tHead.append(make("tr", {}, ...headers));
}

function drawTable(rows) {
  [...byId("rows").tHead.rows[0].cells].forEach((cell, column) => {
    const direction = state.descending ? "descending" : "ascending";
    cell.setAttribute("aria-sort", column === state.sort ? direction : "none");
  });
  const lines = rows.map((row) => {
    const cells = row.cells.map(([, text, note], column) => {
      const [title, isNumber, namesRow] = page.columns[column];
      const kind = { model: "model", front: "mark", warnings: "warning" }[title] ?? (isNumber && "number");
      const small = title === "model" ? row.settings : note;
      const shown = title === "model" ? breakable(text) : [text];
      return make("td", { class: classes(kind, namesRow && "names") }, ...shown, ...(small ? [make("small", {}, small)] : []));
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
    const summary = make("summary", {}, `seen ${plural(seen.length, "time")}`);
    const details = make("details", { class: "quiet" }, summary, make("ul", {}, ...seen));
    return [title, make("p", {}, page.advice[kind]), details];
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

async function drawAccuracy(rows) {
  const { axis, split } = state;
  const shown = rows.filter((row) => row.split && row.split === split && row.x[axis]);
  const elsewhere = rows.filter((row) => row.split && row.split !== split).length;
  byId("accuracy-note").textContent = accuracyNote(shown.length, rows.length - shown.length - elsewhere, elsewhere);
  byId("accuracy").hidden = shown.length === 0;
  if (shown.length === 0) return;
  const places = shown.map((row) => row.x[axis][0]);
  const settings = layout({
    xaxis: { ...scaled(page.axes[axis], places), zeroline: false },
    yaxis: { title: { text: plain(`top-1 accuracy on ${split}, %`) }, zeroline: false },
    hovermode: "closest",
  });
  state.shown = shown;
  const drawn = await Plotly.react("accuracy", [...frontTraces(shown), ...pointTraces(shown)], settings, CONFIG);
  if (state.shown === shown) Plotly.relayout(drawn, { annotations: names(drawn, shown) });
}

/** The points' names, each where it covers least of the points and of the names before it. */
function names(drawn, shown) {
  const { xaxis, yaxis, _size: inner } = drawn._fullLayout;
  const points = shown.map((row) => [xaxis.d2p(row.x[state.axis][0]), yaxis.d2p(row.accuracy[0])]);
  const whisker = ([x], [, low, high]) => [x - 1, yaxis.d2p(high), x + 1, yaxis.d2p(low)];
  const taken = points.flatMap((point, i) => [boxAt(point, 14, 14), whisker(point, shown[i].accuracy)]);
  const areNamed = (row) => row.name && (shown.length <= MOST_NAMES || row.pareto.includes(state.axis));
  return [...shown.keys()].filter((i) => areNamed(shown[i])).map((i) => {
    const [width, height] = [textWidth(shown[i].name) + 4, 15];
    const covered = ([x, y]) => {
      const box = boxAt([points[i][0] + x, points[i][1] + y], width, height);
      const outside = width * height - overlap(box, [0, 0, inner.w, inner.h]);
      return taken.reduce((sum, other) => sum + overlap(box, other), outside);
    };
    const places = RADII.flatMap((r) => DIRECTIONS.map(([x, y]) => [x * (r + width / 2), y * (r + height / 2), r]));
    const [x, y, r] = places.reduce((best, place) => (covered(place) < covered(best) ? place : best));
    taken.push(boxAt([points[i][0] + x, points[i][1] + y], width, height));
    return {
      ...{ text: plain(shown[i].name), font: { size: NAME_SIZE, color: colour("--ink") }, borderpad: 0 },
      ...{ x: onAxis(xaxis, shown[i].x[state.axis][0]), y: shown[i].accuracy[0], ax: x, ay: y },
      ...{ arrowhead: 0, arrowwidth: 0.6, arrowcolor: r >= FAR ? colour("--quiet") : "rgba(0,0,0,0)" },
    };
  });
}

const onAxis = (axis, value) => (axis.type === "log" ? Math.log10(value) : value);
const boxAt = ([x, y], width, height) => [x - width / 2, y - height / 2, x + width / 2, y + height / 2];

/** What two boxes, each [left, top, right, bottom], have in common, in square pixels. */
function overlap(one, other) {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

function textWidth(text) {
  pen.font = `${NAME_SIZE}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

function accuracyNote(shown, unshown, elsewhere) {
  const lacking = state.axis === "throughput" ? "an accuracy or a throughput" : "an accuracy";
  const missing = `${plural(unshown, "row")} without ${lacking} ${unshown === 1 ? "is" : "are"} left out. `;
  const others = elsewhere ? `${plural(elsewhere, "row")} of other data sets: choose one above. ` : "";
  const reading =
    "Filled points on a dotted line are on the Pareto front: no comparable row (same machine, data set, batch and " +
    "state of the caches) is better. Bars are 95 % intervals.";
  if (shown || elsewhere) return (unshown ? missing : "") + others + (shown ? reading : "");
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
    "measurement's file has all. Far outliers lie beyond the axis: double-click to see them.";
  drawRows("latency", rows, traces, bulkAxis(values, isRelative ? "% of the row's median" : "latency of a batch, ms"));
}

/** From the fastest of all to the upper end of the widest row's bulk. `values` are sorted. */
function bulkAxis(values, title) {
  const at = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))];
  const end = (its) => Math.min(at(its, 0.98), at(its, 0.75) + 3 * (at(its, 0.75) - at(its, 0.25)));
  const [near, far] = [Math.min(...values.map((its) => its[0])), Math.max(...values.map(end))];
  const axis = scaled(title, [near, far]);
  const [low, high] = [onAxis(axis, near), onAxis(axis, far)];
  const margin = 0.04 * (high - low) || 1;
  return { ...axis, range: [low - margin, high + margin] };
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

let waiting, resizing;
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(update, 120); // new charts for every letter would be slow
});
byId("axis").addEventListener("input", (event) => {
  state.axis = event.target.value;
  drawAccuracy(visibleRows());
});
byId("split").addEventListener("input", (event) => {
  state.split = event.target.value;
  drawAccuracy(visibleRows());
});
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => drawAccuracy(visibleRows()), 200); // the names find new places
});
byId("scale").addEventListener("input", (event) => {
  state.scale = event.target.value;
  update();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
// without any accuracy there is no chart to click on
byId("accuracy").on?.("plotly_click", ({ points }) => choose(points[0].customdata));
