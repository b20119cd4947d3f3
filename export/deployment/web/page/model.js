/** The page's end of the line to `worker.js`. */

/**
 * @param {string} [module] what the worker runs, as it sees it
 * @returns {(method: string, ...args: any[]) => Promise<any>} calls a function that the module exports
 */
export function connect(module = "classifier.js") {
  const worker = new Worker(new URL("worker.js", import.meta.url), { name: module });
  const waiting = new Map();
  let next = 0;
  worker.onmessage = ({ data: { id, value, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error === undefined ? resolve(value) : reject(new Error(error));
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || "The worker cannot be started."));
    waiting.clear();
  };
  return (method, ...args) =>
    new Promise((resolve, reject) => {
      waiting.set(next, { resolve, reject });
      worker.postMessage({ id: next++, method, args }, args.flat().filter((each) => each instanceof ImageBitmap));
    });
}

/**
 * The likeliest classes, by the softmax of the logits.
 * @param {Float32Array} logits
 * @param {string[]} labels
 * @param {number} n
 * @returns {{label: string, probability: number}[]}
 */
export function top(logits, labels, n) {
  if (!logits.every(Number.isFinite)) throw new Error("It gave no numbers. Export it again with precision fp32.");
  const largest = Math.max(...logits);
  const likely = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = likely.reduce((a, b) => a + b);
  const order = likely.map((_, index) => index).sort((a, b) => likely[b] - likely[a]);
  return order.slice(0, n).map((index) => ({ label: labels[index], probability: likely[index] / sum }));
}
