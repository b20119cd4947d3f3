// What the pages have in common: elements, texts for Plotly, and charts in the page's colours. Every text is set as
// text; Plotly, which reads tags in its texts, gets them escaped.
"use strict";

const byId = (id) => document.getElementById(id);
const unique = (values) => [...new Set(values)];
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const pen = document.createElement("canvas").getContext("2d"); // measures texts
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

/** A name that may be broken after its dots. */
const breakable = (name) => name.split(/(?<=\.)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
const classes = (...names) => names.filter(Boolean).join(" ");
const option = (value, text) => make("option", { value }, text);

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
  if (!isWide(least, most)) return { type: "linear", title: { text: plain(title) } };
  const ticks = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.log10(most) + 1; power++)
    ticks.push(...[1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  const texts = ticks.map((tick) => tick.toLocaleString("en", { maximumSignificantDigits: 1 }));
  return { type: "log", tickvals: ticks, ticktext: texts, title: { text: plain(`${title} (log scale)`) } };
}

const isWide = (least, most) => least > 0 && most > 10 * least;
