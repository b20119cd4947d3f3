/** What the page does: pictures in, the likeliest classes of each out. */

import { connect, top } from "./model.js";

const TOP = 5;
const MOST_SHOWN = 100;

const at = (id) => document.getElementById(id);
const call = connect();
let about;

at("not-started").remove();
at("input").hidden = false;
start();

async function start() {
  try {
    const opened = await call("open");
    about = opened.about;
    describe(opened);
    listen();
  } catch (error) {
    tell(`The model cannot be loaded. ${error.message}`, true);
  }
}

function tell(text, isWrong = false) {
  at("state").textContent = text;
  at("state").classList.toggle("wrong", isWrong);
}

function describe({ engine, threads, isIsolated, seconds }) {
  const { source_ref, precision, preprocess, labels, parity } = about;
  const [, height, width] = preprocess.input;
  document.title = source_ref;
  at("title").replaceChildren(...source_ref.split(/(?<=[._])/).flatMap((part) => [part, make("wbr")]));
  const facts = [`${labels.length} classes`, `${width} × ${height} pixels`, precision, engine];
  facts.push(threads > 1 ? `${threads} threads` : isIsolated ? "1 thread" : "1 thread (serve.py lets it have more)");
  at("about").textContent = facts.join(" · ");
  tell(`Ready, loaded in ${seconds.toFixed(1)} s.`);
  if (parity) at("proof").textContent = proof(parity);
}

/** How exact the model is, as its export has proven. */
function proof({ n, reference, top1_agreement, through }) {
  const share = `${(100 * top1_agreement).toFixed(2)} %`;
  const what = through ? `Its ${through} graph` : about.served ? "The model" : "This page";
  return `${what} was compared with its source (${reference}) on ${n} images: ${share} have the same first class.`;
}

function listen() {
  const files = at("files");
  files.disabled = false;
  files.onchange = async () => {
    await takeAll([...files.files]);
    files.value = ""; // so that the same picture can be chosen again
  };
  const drop = at("drop");
  let depth = 0; // of elements that the pointer is in
  document.ondragenter = () => drop.classList.toggle("over", ++depth > 0);
  document.ondragleave = () => drop.classList.toggle("over", --depth > 0);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    drop.classList.toggle("over", (depth = 0));
    takeAll([...event.dataTransfer.files]);
  };
  document.onpaste = (event) => takeAll([...event.clipboardData.files]);
  if (navigator.mediaDevices?.getUserMedia) {
    Object.assign(at("camera"), { hidden: false, disabled: false, onclick: startCamera });
  }
}

/** Classify one after the other: a card for each, the last one first. */
async function takeAll(files) {
  let failed = 0;
  for (const [done, file] of files.entries()) {
    if (files.length > 1) tell(`Picture ${done + 1} of ${files.length}…`);
    if (!(await take(file, file.name))) failed++;
  }
  if (files.length) tell(`${counted(files.length - failed)} classified${failed ? `, ${failed} not` : ""}.`);
}

function counted(n) {
  return `${n} picture${n === 1 ? "" : "s"}`;
}

async function take(file, name) {
  try {
    const answer = await call("classify", [file]);
    show(card(name, answer, URL.createObjectURL(file)));
    return true;
  } catch (error) {
    show(failure(name, error));
    return false;
  }
}

function show(element) {
  const results = at("results");
  results.prepend(element);
  while (results.children.length > MOST_SHOWN) {
    const image = results.lastElementChild.querySelector("img");
    if (image) URL.revokeObjectURL(image.src);
    results.lastElementChild.remove();
  }
}

function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

function card(name, { logits, sizes, preparing, running }, address) {
  const [{ width, height }] = sizes;
  const [, ...side] = about.preprocess.input;
  const image = make("img", { src: address, alt: "", className: Math.max(width, height) <= 96 ? "small" : "" });
  const isOther = !about.preprocess.resize && (width !== side[1] || height !== side[0]);
  const size = `${width} × ${height} pixels${isOther ? `, resized to cover ${side[1]} × ${side[0]}` : ""}`;
  const [both, before, after] = [preparing + running, preparing, running].map((ms) => ms.toFixed(1));
  const times = `${both} ms: ${before} to decode and resize, ${after} to classify`;
  return make(
    "article",
    { className: "result" },
    image,
    make(
      "div",
      {},
      make("h2", { textContent: name }),
      classes(logits[0]),
      make("p", { className: "quiet times", textContent: times }),
      make("p", { className: "quiet", textContent: size }),
    ),
  );
}

function classes(logits) {
  const lines = top(logits, about.labels, TOP).map(({ label, probability }) => {
    const share = `${(100 * probability).toFixed(1)} %`;
    const bar = make("span", { className: "bar" });
    bar.style.setProperty("--share", `${100 * probability}%`);
    const texts = [make("span", { textContent: label }), make("span", { className: "share", textContent: share })];
    return make("li", {}, ...texts, bar);
  });
  return make("ol", { className: "classes" }, ...lines);
}

function failure(name, error) {
  const reason = make("p", { className: "wrong", textContent: error.message });
  return make("article", { className: "result failed" }, make("div", {}, make("h2", { textContent: name }), reason));
}

/** Classify what the camera sees, as fast as the model can, until it is turned off. */
async function startCamera() {
  const video = at("video");
  at("camera").disabled = true;
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
  } catch (error) {
    stopCamera();
    tell(`The camera cannot be used: ${error.message}.`, true);
    return;
  }
  at("live").hidden = false;
  at("stop").onclick = stopCamera;
  at("take").onclick = () => keep(video);
  while (video.srcObject) {
    try {
      const { logits } = await call("classify", [await createImageBitmap(video)]);
      at("seen").replaceChildren(classes(logits[0]));
    } catch (error) {
      if (video.srcObject) tell(error.message, true);
      break;
    }
  }
}

function stopCamera() {
  const video = at("video");
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  at("live").hidden = true;
  at("camera").disabled = false;
}

async function keep(video) {
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const picture = await new Promise((resolve) => canvas.toBlob(resolve));
  await take(picture, `Camera, ${new Date().toLocaleTimeString()}`);
}
