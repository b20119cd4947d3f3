/** From a picture to the network's input: decoded, resized and cut as artifact.json says, to the pixel as in Python. */

import { resize } from "./resize.js";

const MAX_PIXELS = 89_478_485; // as many as Pillow decodes without a warning

/**
 * @typedef {object} Preprocess as in artifact.json
 * @property {number[]} mean of each channel, of values from 0 to 1
 * @property {number[]} std
 * @property {[number, number, number]} input channels, height, width
 * @property {?number} resize the shorter side
 * @property {?number} crop
 * @property {"bilinear" | "bicubic"} interpolation
 */

/**
 * A picture as the network sees it.
 * @param {Blob | ImageBitmap} picture
 * @param {Preprocess} preprocess
 * @returns {Promise<{pixels: Uint8Array, width: number, height: number}>} pixels (H, W, C), and the picture's own size
 */
export async function prepare(picture, preprocess) {
  const { pixels, width, height } = await decode(picture, preprocess.input[0]);
  const plan = cover(width, height, preprocess);
  if (plan.width * plan.height > MAX_PIXELS) {
    throw new Error(`It is too narrow: it would become ${plan.width}x${plan.height}. Cut it to the part that matters.`);
  }
  const channels = preprocess.input[0];
  const resized = resize(pixels, { width, height, channels }, plan, preprocess.interpolation);
  return { pixels: cut(resized, plan, preprocess.input), width, height };
}

/** Grey or RGB, upright, without transparency and without colour management, as Pillow reads it. */
async function decode(picture, channels) {
  const bitmap = await bitmapOf(picture);
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new Error(`It has ${width}x${height} pixels, which is too many. Shrink it.`);
  const rgba = read(bitmap);
  bitmap.close();
  const pixels = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const [r, g, b] = [rgba[from], rgba[from + 1], rgba[from + 2]];
    if (channels === 1) {
      pixels[to++] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16; // ITU-R 601-2, in Pillow's fixed point
    } else {
      pixels[to++] = r;
      pixels[to++] = g;
      pixels[to++] = b;
    }
  }
  return { pixels, width, height };
}

async function bitmapOf(picture) {
  if (picture instanceof ImageBitmap) return picture;
  try {
    // EXIF's orientation is applied by default
    return await createImageBitmap(picture, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw new Error("It is no picture that this browser can read. PNG, JPEG, WebP, GIF and BMP work everywhere.");
  }
}

/** RGBA. A canvas keeps colours multiplied by their opacity; where that loses something, WebGL reads them. */
function read(bitmap) {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return readThroughTexture(bitmap) ?? data;
  return data;
}

/** The same through a texture, which keeps colours as they are; null where there is no WebGL, or none so large. */
function readThroughTexture(bitmap) {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const data = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const isRead = gl.getError() === gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return isRead ? data : null;
}

/**
 * The size to resize to, and where the network's input lies in it. Without a `resize`, the least that covers the input.
 * @param {number} width
 * @param {number} height
 * @param {Preprocess} preprocess
 */
export function cover(width, height, preprocess) {
  const [, inputHeight, inputWidth] = preprocess.input;
  let plan;
  if (preprocess.resize) {
    const [scale, shorter] = [preprocess.resize, Math.min(width, height)];
    plan = { width: Math.trunc((scale * width) / shorter), height: Math.trunc((scale * height) / shorter) };
  } else if (inputWidth * height >= inputHeight * width) {
    plan = { width: inputWidth, height: Math.trunc((inputWidth * height) / width) };
  } else {
    plan = { width: Math.trunc((inputHeight * width) / height), height: inputHeight };
  }
  const [spareWidth, spareHeight] = [plan.width - inputWidth, plan.height - inputHeight];
  if (Math.min(spareWidth, spareHeight) < 0) {
    throw new Error(`It is ${width}x${height}, and the model takes ${inputWidth}x${inputHeight}.`);
  }
  return { ...plan, left: halved(spareWidth), top: halved(spareHeight) };
}

/** Rounded to the even number, as Python does it. */
function halved(n) {
  return n % 2 ? 2 * Math.round(n / 4) : n / 2;
}

function cut(pixels, plan, [channels, height, width]) {
  const out = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const start = ((plan.top + y) * plan.width + plan.left) * channels;
    out.set(pixels.subarray(start, start + width * channels), y * width * channels);
  }
  return out;
}

/**
 * Pictures as the model takes them: raw (N, H, W, C), or normalised float32 (N, C, H, W).
 * @param {Uint8Array[]} pictures
 * @param {{dtype: string}} input
 * @param {Preprocess} preprocess
 * @returns {{data: Uint8Array | Float32Array, shape: number[]}}
 */
export function feed(pictures, input, preprocess) {
  const [channels, height, width] = preprocess.input;
  const area = height * width;
  if (input.dtype === "uint8") {
    const data = new Uint8Array(pictures.length * area * channels);
    pictures.forEach((pixels, n) => data.set(pixels, n * pixels.length));
    return { data, shape: [pictures.length, height, width, channels] };
  }
  const data = new Float32Array(pictures.length * area * channels);
  const tables = preprocess.mean.map((mean, channel) => normalised(mean, preprocess.std[channel]));
  pictures.forEach((pixels, n) => {
    for (let channel = 0; channel < channels; channel++) {
      const to = (n * channels + channel) * area;
      for (let at = 0; at < area; at++) data[to + at] = tables[channel][pixels[at * channels + channel]];
    }
  });
  return { data, shape: [pictures.length, channels, height, width] };
}

/** What each value of a pixel becomes: (x / 255 - mean) / std, rounded to float32 at each step as NumPy does. */
function normalised(mean, std) {
  const f = Math.fround;
  return Float32Array.from({ length: 256 }, (_, x) => f(f(f(x / 255) - f(mean)) / f(std)));
}
