/** The model of this folder: opened once, then fed with pictures. It runs in `worker.js`. */

import * as engine from "./engine.js";
import { feed, prepare } from "./pixels.js";

const FOLDER = new URL("../", import.meta.url);

let about, model;

/**
 * Load the model, and run it once, so that the first picture takes no longer than the others.
 * @param {{threads?: number, variant?: string}} [options]
 * @returns {Promise<{about: object, engine: string, threads: number, isIsolated: boolean, seconds: number}>}
 */
export async function open({ threads = usualThreads(), variant = "" } = {}) {
  const began = performance.now();
  about = await (await found("artifact.json")).json();
  const isIsolated = self.crossOriginIsolated; // else there are no threads
  const file = about.files.find(({ name }) => name.endsWith(engine.opens));
  const [url, runtime] = [new URL(file.name, FOLDER), new URL("runtime/", FOLDER)];
  const { input, output } = about;
  model = await engine.load({ url, runtime, input, output, threads: isIsolated ? threads : 1, variant });
  const blank = new Uint8Array(about.preprocess.input.reduce((a, b) => a * b));
  await logitsOf([blank]);
  return { about, engine: model.name, threads: model.threads, isIsolated, seconds: (performance.now() - began) / 1e3 };
}

/** Half of the processors, and no more than four: a small network gains nothing from more. */
function usualThreads() {
  return Math.min(Math.ceil((navigator.hardwareConcurrency || 1) / 2), 4);
}

/**
 * @param {(Blob | ImageBitmap)[]} pictures one batch
 * @returns {Promise<{logits: Float32Array[], sizes: {width: number, height: number}[], preparing: number,
 *   running: number}>} the milliseconds from the files to the input, and from there to the logits
 */
export async function classify(pictures) {
  const began = performance.now();
  const prepared = [];
  for (const picture of pictures) prepared.push(await prepare(picture, about.preprocess));
  const ready = performance.now();
  const logits = await logitsOf(prepared.map(({ pixels }) => pixels));
  const sizes = prepared.map(({ width, height }) => ({ width, height }));
  return { logits, sizes, preparing: ready - began, running: performance.now() - ready };
}

/** The pixels (H, W, C) that the network sees of each picture. */
export async function pixels(pictures) {
  const found = [];
  for (const picture of pictures) found.push((await prepare(picture, about.preprocess)).pixels);
  return found;
}

/** The logits of inputs that were made elsewhere, as artifact.json describes them. */
export async function run(data, shape) {
  const placed = model.place(data, shape);
  try {
    return await model.read(await model.run(placed));
  } finally {
    model.drop(placed);
  }
}

/** A batch that is too small for the model is filled up. */
async function logitsOf(pictures) {
  const least = parseInt(about.input.shape[0], 10) || 1; // of 8, "2..64" or "batch"
  const filled = Array.from({ length: Math.max(pictures.length, least) }, (_, n) => pictures[n % pictures.length]);
  const { data, shape } = feed(filled, about.input, about.preprocess);
  const all = await run(data, shape);
  const classes = about.labels.length;
  return pictures.map((_, n) => all.slice(n * classes, (n + 1) * classes));
}

async function found(name) {
  const response = await fetch(new URL(name, FOLDER));
  if (!response.ok) throw new Error(`${name} is missing on this server (${response.status}). Copy the whole folder.`);
  return response;
}
