/**
 * The model, off the page's thread. A message `{id, method, args}` calls that function of a module, and is answered by
 * `{id, value}` or `{id, error}`, in the order in which they came.
 *
 * It is no module itself: LiteRT.js loads itself by `importScripts`, which modules do not have.
 */

const module = import(new URL(self.name || "classifier.js", self.location.href));
let last = Promise.resolve();

self.onmessage = ({ data }) => {
  last = last.then(() => answer(data));
};

async function answer({ id, method, args }) {
  try {
    self.postMessage({ id, value: await (await module)[method](...args) });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
}
