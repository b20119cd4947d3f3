/** LiteRT.js on WebAssembly. */

import { loadAndCompile, loadLiteRt, Tensor } from "../runtime/@litertjs/core/dist/index.js";

export const opens = ".tflite";

/**
 * @param {{url: URL, runtime: URL, threads: number, variant: string}} model `runtime` is the folder of the packages;
 *   more than one thread needs a page that is isolated from other origins; the variant "compat" uses no relaxed SIMD
 */
export async function load({ url, runtime, threads, variant }) {
  const isCompatible = variant === "compat";
  if (isCompatible) threads = 1; // it has no more without relaxed SIMD
  const folder = new URL("@litertjs/core/wasm/", runtime).href;
  // in a worker its files, and what its threads start with, would be looked for beside the worker's script
  self.Module = {
    locateFile: (name) => folder + name,
    mainScriptUrlOrBlob: `${folder}litert_wasm_threaded_internal.js`,
  };
  await loadLiteRt(isCompatible ? `${folder}litert_wasm_compat_internal.js` : folder, { threads: threads > 1 });
  const model = await loadAndCompile(url.href, { accelerator: "wasm", cpuOptions: { numThreads: threads } });
  let last = [];
  return {
    name: "LiteRT.js",
    threads,
    place: (data, shape) => new Tensor(data, shape),
    run: async (tensor) => {
      for (const output of last) output.delete(); // they lie in WebAssembly's memory
      last = await model.run([tensor]);
      return last;
    },
    read: ([output]) => output.data(),
    drop: (tensor) => tensor.delete(),
  };
}
