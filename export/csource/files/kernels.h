/*
 * What all sets of kernels share: how layers are described, and the steps that are the same in each.
 *
 * A tensor lies in the workspace as rows of pixels, the channels of a pixel side by side, one byte each. Around it is a
 * border of pixels that stand for zero, so that no convolution has to ask where an image ends.
 *
 * A set of kernels is one file. It defines KERNEL, the attributes of its functions, includes this file, defines
 * `convolve` and `classify`, and includes network.h, which is the network.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The kernels read four channels as one word, lowest byte first."
#endif

#ifdef __GNUC__
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#else
#define ALWAYS_INLINE static inline
#define NEVER_INLINE
#endif

/* A build with MODEL_TIMES notes when each call begins. */
#ifdef MODEL_TIMES
extern int64_t model_times[];
int64_t model_now(void);
#define MARK(call) (model_times[call] = model_now())
#else
#define MARK(call) ((void)0)
#endif

enum { BLOCK = 16 }; /* outputs whose weights lie together */

/* q = (a * first + b * second + constant) >> shift, limited to least..255; each factor is high * 2^15 + low. */
struct sum {
    int16_t first_high, first_low, second_high, second_low;
    int32_t constant_high, constant_low; /* constant = high * 2^15 + low */
    int32_t shift;                       /* what is left of it after 15 */
    int32_t least;
};

/*
 * A convolution: q = (x * multiplier + constant) >> (32 + shift), limited to least..255, where x is the sum of bytes
 * times weights. All arrays are filled up to a whole BLOCK of outputs.
 *
 * weights    of each block: kernel rows, groups of four bytes of such a row, 16 outputs, 4 bytes
 * totals     the sum of each output's weights
 * constants  of each block: those of the even outputs, then those of the odd ones
 */
struct layer {
    const int8_t *weights;
    const int32_t *totals;
    const int32_t *multipliers;
    const int64_t *constants;
    const int32_t *shifts;
    int32_t least;
    struct sum sum; /* with the residual, where there is one */
};

/* How a convolution walks through its tensors; all steps in bytes. */
struct shape {
    int kernel;              /* rows of the kernel */
    int groups;              /* of four bytes in such a row: its pixels lie side by side, so they are one run */
    ptrdiff_t in_row;        /* from one row of the input to the next */
    ptrdiff_t in_down;       /* from an output to the one below it: strides * in_row */
    ptrdiff_t in_right;      /* from an output to the next one: strides * channels */
    int height, width, channels; /* of the output */
    ptrdiff_t out_row;
    ptrdiff_t residual_row;
    int adds;                /* whether a residual is added */
};

/* Outputs that are computed together: rows x columns of pixels, vectors of channels. */
struct tile {
    int rows, columns, vectors;
};

/* logit = (x + offset) * scale + bias */
struct head {
    const int8_t *weights;
    const int32_t *totals;
    const int32_t *offsets;
    const double *scales, *biases;
};

/* q = (x * multiplier + constant) >> shift, limited to least..255, of single bytes. */
struct map {
    const int32_t *multipliers, *constants, *shifts;
    int32_t least;
};

ALWAYS_INLINE int32_t limited(int32_t value, int32_t least)
{
    return value < least ? least : value > 255 ? 255 : value;
}

/* Where the constant of an output stands in its array. */
ALWAYS_INLINE ptrdiff_t constant_of(int channel)
{
    int place = channel % BLOCK;
    return channel - place + (place % 2) * (BLOCK / 2) + place / 2;
}

/* The frame of a tensor whose first pixel is at `image`; `row` is in bytes, with the border. */
KERNEL ALWAYS_INLINE void fill_border(uint8_t *image, int height, ptrdiff_t row, ptrdiff_t border, int channels, int value)
{
    ptrdiff_t edge = border * channels;
    uint8_t *first = image - border * row - edge;
    memset(first, value, (size_t)(border * row + edge));
    for (int y = 0; y < height - 1; y++)
        memset(image + y * row + row - 2 * edge, value, (size_t)(2 * edge));
    memset(image + (height - 1) * row + row - 2 * edge, value, (size_t)(border * row + edge));
}

/* Pixels to integers, by a table of 256 for each channel. */
KERNEL ALWAYS_INLINE void feed_bytes(const uint8_t *image, uint8_t *out, int height, int width, int channels,
                                     ptrdiff_t out_row, const uint8_t *table)
{
    for (int y = 0; y < height; y++, out += out_row)
        for (int x = 0; x < width * channels; x += channels)
            for (int c = 0; c < channels; c++)
                out[x + c] = table[256 * c + *image++];
}

/* Normalised floats, channel by channel, to integers: rounded half to even. */
KERNEL ALWAYS_INLINE void feed_floats(const float *image, uint8_t *out, int height, int width, int channels,
                                      ptrdiff_t out_row, double scale, double zero)
{
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                double steps = (double)*image++ / scale + zero;
                steps = steps > 0 ? steps : 0; /* NaN is 0, too */
                steps = steps < 255 ? steps : 255;
                double rounded = steps + 6755399441055744.0; /* 1.5 * 2^52: the last bit is worth one */
                out[y * out_row + x * channels + c] = (uint8_t)(rounded - 6755399441055744.0);
            }
}

/* A batch norm, or a change of scale; with steps above one pixel it also leaves pixels out. */
KERNEL ALWAYS_INLINE void convert(const struct map *map, const uint8_t *in, uint8_t *out, int height, int width, int channels,
                                  ptrdiff_t in_down, ptrdiff_t in_right, ptrdiff_t out_row)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const uint8_t *from = in + y * in_down + x * in_right;
            uint8_t *to = out + y * out_row + (ptrdiff_t)x * channels;
            for (int c = 0; c < channels; c++)
                to[c] = (uint8_t)limited((from[c] * map->multipliers[c] + map->constants[c]) >> map->shifts[c],
                                         map->least);
        }
}

ALWAYS_INLINE int32_t added(int32_t a, int32_t b, const struct sum *sum)
{
    int32_t low = a * sum->first_low + b * sum->second_low + sum->constant_low;
    int32_t high = a * sum->first_high + b * sum->second_high + sum->constant_high;
    return limited((high + (low >> 15)) >> sum->shift, sum->least);
}

/* An addition that no convolution has done. */
KERNEL ALWAYS_INLINE void add(const struct sum *sum, const uint8_t *first, const uint8_t *second, uint8_t *out, int height,
                              int row_bytes, ptrdiff_t first_row, ptrdiff_t second_row, ptrdiff_t out_row)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < row_bytes; x++)
            out[y * out_row + x] = (uint8_t)added(first[y * first_row + x], second[y * second_row + x], sum);
}

/* The largest byte of each window; what lies outside the image does not count. */
KERNEL ALWAYS_INLINE void max_pool(const uint8_t *in, uint8_t *out, int in_height, int in_width, int height, int width,
                                   int channels, int kernel, int stride, int pad, ptrdiff_t in_row, ptrdiff_t out_row)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *to = out + y * out_row + (ptrdiff_t)x * channels;
            memset(to, 0, (size_t)channels);
            for (int v = y * stride - pad; v < y * stride - pad + kernel; v++)
                for (int u = x * stride - pad; u < x * stride - pad + kernel; u++) {
                    if (v < 0 || v >= in_height || u < 0 || u >= in_width)
                        continue;
                    const uint8_t *from = in + v * in_row + (ptrdiff_t)u * channels;
                    for (int c = 0; c < channels; c++)
                        to[c] = from[c] > to[c] ? from[c] : to[c];
                }
        }
}

/* The mean of each channel: q = (sum * multiplier + constant) >> (32 + shift), limited to 0..255. */
KERNEL ALWAYS_INLINE void average(const uint8_t *in, uint8_t *out, int height, int width, int channels, ptrdiff_t row,
                                  int64_t multiplier, int64_t constant, int shift)
{
    for (int first = 0; first < channels; first += 64) { /* so many sums at once: they stay in registers */
        int32_t sums[64] = {0};
        int count = channels - first < 64 ? channels - first : 64;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const uint8_t *from = in + y * row + (ptrdiff_t)x * channels + first;
                for (int c = 0; c < count; c++)
                    sums[c] += from[c];
            }
        for (int c = 0; c < count; c++)
            out[first + c] = (uint8_t)limited((int32_t)((sums[c] * multiplier + constant) >> (32 + shift)), 0);
    }
}

KERNEL ALWAYS_INLINE void logits_of(const struct head *head, const int32_t *sums, float *logits, int classes)
{
    for (int c = 0; c < classes; c++) {
        double product = (double)(sums[c] + head->offsets[c]) * head->scales[c];
        logits[c] = (float)(product + head->biases[c]);
    }
}

#endif
