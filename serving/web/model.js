/** The page's end of the line to the server: in the place of the module that runs a model in the browser. */

/** @returns {(method: string, ...args: any[]) => Promise<any>} as the page calls a model */
export function connect() {
  const methods = { open, classify };
  return (method, ...args) => methods[method](...args);
}

async function open() {
  const began = performance.now();
  const { about, engine, threads } = await json(await fetch("page/about.json"));
  return { about, engine, threads, isIsolated: true, seconds: (performance.now() - began) / 1e3 };
}

/** The classes stand in the place of the logits, for `top` to cut. Times are the server's. */
async function classify([picture]) {
  const body = picture instanceof ImageBitmap ? await encoded(picture) : picture;
  const answer = await json(await fetch("predict", { method: "POST", body }));
  const { height, width, preparing_ms: preparing, running_ms: running } = answer;
  return { logits: [answer.top], sizes: [{ width, height }], preparing, running };
}

export function top(classes, labels, n) {
  return classes.slice(0, n);
}

async function encoded(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}

async function json(response) {
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
