// Draws a search from the JSON in #data. Figures are rounded in Python: the page only sorts and draws.

document.querySelector("main").className = "drawn"; // painted once, after this script: before it, parts have no content

const page = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 8;
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star", "x"];
const MOST_LINES = 14; // candidates with a line of their own in the legend
const state = { axis: Object.keys(page.axes)[0], sort: null, descending: false };
const runtimes = unique(page.rows.map((row) => row.colour).filter(Boolean));
const kinds = unique(page.rows.map((row) => row.symbol).filter(Boolean));
const inkOf = (row) => colour(`--c${runtimes.indexOf(row.colour) % COLOURS}`);
const symbolOf = (row) => SYMBOLS[kinds.indexOf(row.symbol) % SYMBOLS.length];
const isNarrow = () => innerWidth <= 640;

function drawFrame() {
  byId("title").replaceChildren(...breakable(page.title));
  byId("reason").textContent = page.reason;
  byId("asked").textContent = page.asked;
  byId("gives").append(...page.gives.map((each) => make("li", {}, each)));
  byId("facts").append(...page.facts.map((each) => make("li", {}, each)));
  byId("warnings").append(...page.warnings.map((each) => make("li", {}, each)));
  byId("axis").append(...Object.entries(page.axes).map(([key, title]) => option(key, title)));
  byId("axis").addEventListener("change", (event) => {
    state.axis = event.target.value;
    drawFront();
  });
  for (const [name, fact] of Object.entries(page.machine)) {
    const line = make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, fact));
    byId("hosts").tBodies[0].append(line);
  }
  const headers = page.columns.map(([title, isNumber], column) => {
    const button = make("button", { type: "button" }, title || "fate");
    button.addEventListener("click", () => {
      state.descending = state.sort === column && !state.descending;
      state.sort = column;
      drawTable();
    });
    return make("th", { scope: "col", class: classes(isNumber && "number") }, button);
  });
  byId("rows").tHead.append(make("tr", {}, ...headers));
}

/** By a column's values; nothing comes last in both directions. */
function sorted(rows) {
  if (state.sort === null) return rows;
  const collator = new Intl.Collator("en", { numeric: true });
  return [...rows].sort((a, b) => {
    const [x, y] = [a.cells[state.sort][0], b.cells[state.sort][0]];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" ? x - y : collator.compare(x, y);
    return state.descending ? -order : order;
  });
}

function drawTable() {
  [...byId("rows").tHead.rows[0].cells].forEach((cell, column) => {
    cell.setAttribute("aria-sort", column !== state.sort ? "none" : state.descending ? "descending" : "ascending");
  });
  const lines = sorted(page.rows).map((row) => {
    const cells = row.cells.map(([, text, note], column) => {
      const [title, isNumber] = page.columns[column];
      const kind = { candidate: "model", why: "why", "": "mark" }[title] ?? (isNumber && "number");
      return make("td", { class: classes(kind) }, text, ...(note ? [make("small", {}, note)] : []));
    });
    return make("tr", { class: classes(row.status === "chosen" && "chosen") }, ...cells);
  });
  byId("rows").tBodies[0].replaceChildren(...lines);
}

function bars(rows, read) {
  const ends = rows.map(read);
  const away = (end, value) => (end === null ? 0 : Math.abs(end - value));
  return {
    type: "data",
    symmetric: false,
    array: ends.map(([value, , high]) => away(high, value)),
    arrayminus: ends.map(([value, low]) => away(low, value)),
    thickness: 1,
    width: 3,
  };
}

/** Who is not beaten in accuracy by anyone that costs no more. */
function front(rows) {
  const cost = (row) => row.x[state.axis][0];
  const isBeaten = (row) =>
    rows.some((other) => other !== row && cost(other) <= cost(row) && other.accuracy[0] > row.accuracy[0]);
  return rows.filter((row) => !isBeaten(row)).sort((a, b) => cost(a) - cost(b));
}

function drawFront() {
  const shown = page.rows.filter((row) => row.accuracy && row.x[state.axis]);
  const without = page.rows.filter((row) => !row.accuracy && row.x[state.axis]).length;
  byId("front").hidden = shown.length === 0;
  byId("front-note").textContent = shown.length
    ? "Bars are intervals. Hollow: its answers are its source's, which was proven." +
      (without ? ` Without an accuracy, as they lost before: ${plural(without, "candidate")}.` : "")
    : "No accuracy was needed to choose.";
  if (!shown.length) return;
  const best = front(shown);
  const line = {
    ...{ x: best.map((row) => row.x[state.axis][0]), y: best.map((row) => row.accuracy[0]), mode: "lines" },
    ...{ line: { color: colour("--quiet"), width: 1, dash: "dot", shape: "hv" }, hoverinfo: "skip", showlegend: false },
  };
  const groups = unique(shown.map((row) => `${row.colour} ${row.symbol}`)).map((name) => {
    const its = shown.filter((row) => `${row.colour} ${row.symbol}` === name);
    return {
      name: plain(name),
      mode: "markers",
      x: its.map((row) => row.x[state.axis][0]),
      y: its.map((row) => row.accuracy[0]),
      error_x: { ...bars(its, (row) => row.x[state.axis]), color: inkOf(its[0]) },
      error_y: { ...bars(its, (row) => row.accuracy), color: inkOf(its[0]) },
      marker: {
        color: inkOf(its[0]),
        size: its.map((row) => (row.status === "chosen" ? 15 : 9)),
        symbol: its.map((row) => symbolOf(row) + (row.isSources ? "-open" : "")),
        line: { width: its.map((row) => (row.status === "chosen" ? 2 : 1)), color: colour("--ink") },
      },
      text: its.map((row) => row.hover.map(plain).join("<br>")),
      hovertemplate: "%{text}<extra></extra>",
    };
  });
  const limit = state.axis === "latency" && page.longestMs !== null;
  const shapes = limit
    ? [{ type: "line", x0: page.longestMs, x1: page.longestMs, yref: "paper", y0: 0, y1: 1, line: { color: colour("--front"), width: 1, dash: "dash" } }]
    : [];
  const settings = layout({
    xaxis: { ...scaled(page.axes[state.axis], shown.map((row) => row.x[state.axis][0])), zeroline: false },
    yaxis: { title: { text: "top-1 accuracy on val, %" }, zeroline: false },
    hovermode: "closest",
    shapes,
  });
  Plotly.react("front", [line, ...groups], settings, CONFIG);
}

function drawRounds() {
  const keys = unique(page.rounds.flatMap(([, latencies]) => Object.keys(latencies)));
  const rows = page.rows.filter((row) => keys.includes(row.key));
  byId("rounds").hidden = rows.length === 0;
  if (!rows.length) return;
  const traces = rows.map((row, at) => {
    const seen = page.rounds.filter(([, latencies]) => row.key in latencies);
    return {
      name: plain(row.name),
      mode: "lines+markers",
      x: seen.map(([number]) => number),
      y: seen.map(([, latencies]) => latencies[row.key]),
      line: { color: inkOf(row), width: row.status === "chosen" ? 2.5 : 1 },
      marker: { symbol: symbolOf(row), size: 7 },
      showlegend: at < MOST_LINES && !isNarrow(),
      text: plain(row.name),
      hovertemplate: "%{text}<br>round %{x}: %{y:.4g} ms<extra></extra>",
    };
  });
  const values = traces.flatMap((trace) => trace.y);
  const settings = layout({
    xaxis: { title: { text: "round" }, dtick: page.rounds.length > 20 ? 5 : 1, zeroline: false },
    yaxis: { ...scaled("latency of a batch, ms", values), zeroline: false },
    hovermode: "closest",
  });
  Plotly.react("rounds", traces, settings, CONFIG);
}

function drawFunnel() {
  const stages = [...page.funnel].reverse();
  const trace = {
    ...{ type: "bar", orientation: "h", y: stages.map(([stage]) => stage), x: stages.map(([, n]) => n) },
    ...{ text: stages.map(([, n]) => String(n)), textposition: "outside", cliponaxis: false },
    ...{ marker: { color: colour("--c0") }, hoverinfo: "skip" },
  };
  const settings = layout({ height: 240, xaxis: { title: { text: "candidates" } }, margin: { l: 8, r: 32, t: 4, b: 8 } });
  Plotly.react("funnel", [trace], settings, CONFIG);
}

function drawAll() {
  drawTable();
  drawFront();
  drawRounds();
  drawFunnel();
}

drawFrame();
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
