/** What Python asks of an artifact's page. Each function takes a task and bytes, and gives a value and typed arrays. */

import * as classifier from "/page/classifier.js";

const ARRAYS = { float32: Float32Array, uint8: Uint8Array };

export async function open({ threads, variant }) {
  const { engine, threads: given } = await classifier.open({ threads, variant });
  return [{ engine, threads: given, agent: navigator.userAgent }];
}

/** The logits of picture files, as one batch. */
export async function classify({ sizes }, bytes) {
  const { logits } = await classifier.classify(files(sizes, bytes));
  return [{}, ...logits];
}

/** The pixels that the network sees of picture files. */
export async function pixels({ sizes }, bytes) {
  return [{}, ...(await classifier.pixels(files(sizes, bytes)))];
}

/** The logits of an input that was made in Python. */
export async function run({ shape, dtype }, bytes) {
  return [{}, await classifier.run(new ARRAYS[dtype](bytes), shape)];
}

function files(sizes, bytes) {
  let end = 0;
  return sizes.map((size) => new Blob([bytes.slice(end, (end += size))]));
}
