/**
 * Pillow's antialiased resize of 8-bit pixels, to the same bits: each side by itself, with weights in fixed point and a
 * rounding to 8 bits after each (Pillow, src/libImaging/Resample.c). The width is first, but for pictures that are
 * more than twice as high as wide and become smaller, for which Pillow 13 begins with the height, and older ones do not.
 */

const PRECISION_BITS = 22; // of a weight: 8 bits are the pixel's, 2 are for sums above 1

/** The support of each filter in pixels, and its weight at a distance. */
const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
};

/** Keys 1981, with a = -0.5. */
function cubic(x) {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/**
 * For each place along a side of the result: where its sum begins, how long it is, and its weights.
 * @param {number} size of the side, before
 * @param {number} newSize
 * @param {{support: number, weight: (x: number) => number}} filter
 */
function sums(size, newSize, filter) {
  const scale = size / newSize;
  const stretch = Math.max(scale, 1); // a smaller picture is smoothed, a larger one interpolated
  const support = filter.support * stretch;
  return Array.from({ length: newSize }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), size);
    const inverse = 1 / stretch;
    const weights = Array.from({ length: end - start }, (_, i) => filter.weight((i + start - centre + 0.5) * inverse));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: Int32Array.from(weights, (weight) => fixed(total ? weight / total : weight)) };
  });
}

function fixed(weight) {
  return Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

function toByte(sum) {
  return Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);
}

/**
 * @param {Uint8Array} pixels (height, width, channels)
 * @param {{width: number, height: number, channels: number}} size
 * @param {{width: number, height: number}} wanted
 * @param {"bilinear" | "bicubic"} interpolation
 * @returns {Uint8Array} (wanted.height, wanted.width, channels)
 */
export function resize(pixels, size, wanted, interpolation) {
  const filter = FILTERS[interpolation];
  let [found, { width, height, channels }] = [pixels, size];
  const steps = {
    width() {
      const places = sums(width, wanted.width, filter);
      if (wanted.width !== width) found = resizeLines(found, height, width, channels, places);
      width = wanted.width;
    },
    height() {
      const places = sums(height, wanted.height, filter);
      if (wanted.height !== height) found = resizeLines(found, 1, height, width * channels, places);
      height = wanted.height;
    },
  };
  const isTall = size.height > 2 * size.width && wanted.height < size.height;
  for (const side of isTall ? ["height", "width"] : ["width", "height"]) steps[side]();
  return found;
}

/** Along the middle side of (lines, size, step): the width of each row, or, of whole rows as steps, the height. */
function resizeLines(pixels, lines, size, step, places) {
  const out = new Uint8Array(lines * places.length * step);
  const half = 1 << (PRECISION_BITS - 1);
  let to = 0;
  for (let line = 0; line < lines; line++) {
    const first = line * size * step;
    for (const { start, weights } of places) {
      const from = first + start * step;
      for (let i = 0; i < step; i++) {
        let sum = half;
        for (let k = 0, at = from + i; k < weights.length; k++, at += step) sum += pixels[at] * weights[k];
        out[to++] = toByte(sum);
      }
    }
  }
  return out;
}
