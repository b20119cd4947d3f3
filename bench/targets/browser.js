/**
 * A measuring worker in a page: it speaks the protocol of bench/protocol.py and decides nothing. The model is opened by
 * the module that the artifact's own page uses.
 */

const entered = performance.timeOrigin + performance.now(); // ms since 1970
const FOLDER = new URL("/", import.meta.url);
const ARRAYS = { float32: Float32Array, uint8: Uint8Array };

let model, inputs, flush;
let turn = 0;

/** One request, a line of JSON, to its reply. */
export async function answer(_, bytes) {
  const request = JSON.parse(new TextDecoder().decode(bytes));
  try {
    return [null, encoded(await ANSWERS[request.type](request))];
  } catch (error) {
    return [null, encoded({ type: "Refusal", reason: String(error?.message ?? error) })];
  }
}

function encoded(reply) {
  return new TextEncoder().encode(JSON.stringify(reply));
}

const ANSWERS = { Load: load, Sample: sample, ReadMemory: readMemory, Predict: predict };

async function load({ scenario, spawned_at, flush_bytes, inputs: address }) {
  if (!self.crossOriginIsolated) throw new Error("This browser isolates no page, so its clock is too coarse.");
  if (scenario.streams > 1) throw new Error("A page runs one batch at a time: streams has to be 1.");
  const about = await (await fetch(new URL("artifact.json", FOLDER))).json();
  const fed = arrayOf(await (await fetch(new URL(address, import.meta.url))).arrayBuffer());
  flush = flush_bytes ? flusher(flush_bytes) : () => {};
  const started = await pages();
  const [import_s, engine] = await timed(() => import(new URL("page/engine.js", FOLDER)));
  const imported = await pages();
  const file = about.files.find(({ name }) => name.endsWith(engine.opens));
  const [url, runtime] = [new URL(file.name, FOLDER), new URL("runtime/", FOLDER)];
  const { input, output } = about;
  const { threads, variant } = scenario;
  const [load_s, opened] = await timed(() => engine.load({ url, runtime, input, output, threads, variant }));
  model = opened;
  if (model.threads !== threads) throw new Error(`It runs in ${model.threads} threads here, not in ${threads}.`);
  const loaded = await pages();
  const [, ...shape] = fed.shape; // (batches, batch, ...)
  const size = shape.reduce((a, b) => a * b);
  inputs = Array.from({ length: fed.shape[0] }, (_, n) => model.place(fed.data.slice(n * size, (n + 1) * size), shape));
  const [first_run_s] = await timed(() => model.run(inputs[0]));
  const first_run = await pages();
  const cold_start = { start_s: entered / 1e3 - spawned_at, import_s, load_s, first_run_s };
  return { type: "Loaded", cold_start, started, imported, loaded, first_run, clock: "host" };
}

async function timed(action) {
  const start = performance.now();
  const value = await action();
  return [(performance.now() - start) / 1e3, value];
}

/** As bench/timing.py does it. */
async function sample({ seconds, runs_per_sample, settle }) {
  for (let n = 0; n < settle; n++) await model.run(next());
  const samples = [];
  const began = performance.now();
  do {
    flush();
    const batches = Array.from({ length: runs_per_sample }, next);
    const start = performance.now();
    for (const batch of batches) await model.run(batch);
    samples.push((performance.now() - start) / 1e3 / runs_per_sample);
  } while (performance.now() < began + 1e3 * seconds);
  return { type: "Sampled", samples_s: samples, seconds: (performance.now() - began) / 1e3 };
}

function next() {
  return inputs[turn++ % inputs.length];
}

/** Writes over so many bytes, so that nothing else is left in the processor's caches. */
function flusher(size) {
  const bytes = new Uint8Array(size);
  let value = 0;
  return () => bytes.fill(++value);
}

async function readMemory() {
  const { peak_bytes, ...steady } = await (await fetch(new URL("memory", import.meta.url))).json();
  return { type: "MemoryRead", steady, peak_bytes, allocator_bytes: null };
}

/** The memory of the browser's processes, which no page is told: the harness looks. */
async function pages() {
  const { peak_bytes, ...found } = await (await fetch(new URL("memory", import.meta.url))).json();
  return found;
}

async function predict({ batch: { dtype, shape, data } }) {
  const bytes = await through(new DecompressionStream("deflate"), Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
  const logits = await model.read(await model.run(model.place(new ARRAYS[dtype](bytes), shape)));
  const packed = new Uint8Array(await through(new CompressionStream("deflate"), logits));
  const text = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
  const found = { dtype: "float32", shape: [shape[0], logits.length / shape[0]], data: text };
  return { type: "Predicted", logits: found };
}

function through(stream, bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();
}

/** An array in NumPy's format, version 1 (numpy.lib.format). */
function arrayOf(buffer) {
  const length = new DataView(buffer).getUint16(8, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, 10, length));
  const shape = header.match(/'shape': \(([^)]*)\)/)[1].split(",").filter((n) => n.trim()).map(Number);
  const kind = header.includes("'<f4'") ? Float32Array : Uint8Array;
  return { shape, data: new kind(buffer.slice(10 + length)) };
}
