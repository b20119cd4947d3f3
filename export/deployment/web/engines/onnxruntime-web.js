/** ONNX Runtime Web on WebAssembly. */

import * as ort from "../runtime/onnxruntime-web/dist/ort.wasm.min.mjs";

export const opens = ".onnx";

/**
 * @param {{url: URL, runtime: URL, input: {name: string}, output: {name: string}, threads: number}} model
 *   `runtime` is the folder of the packages; more than one thread needs a page that is isolated from other origins
 */
export async function load({ url, runtime, input, output, threads }) {
  Object.assign(ort.env.wasm, { wasmPaths: new URL("onnxruntime-web/dist/", runtime).href, numThreads: threads });
  const session = await ort.InferenceSession.create(url.href, { executionProviders: ["wasm"] });
  return {
    name: "ONNX Runtime Web",
    threads,
    place: (data, shape) => new ort.Tensor(data, shape),
    run: (tensor) => session.run({ [input.name]: tensor }),
    read: (outputs) => outputs[output.name].data,
    drop: (tensor) => tensor.dispose(),
  };
}
