/*
 * What all sets of kernels share, whatever they compute with, which arithmetic.h says.
 *
 * A tensor lies in the workspace as rows of pixels, the channels of a pixel side by side, each one `activation`. Around
 * it is a border of pixels that stand for zero, so that no convolution has to ask where an image ends.
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
#error "The kernels read words of several bytes, the lowest first."
#endif

#ifdef __GNUC__
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#else
#define ALWAYS_INLINE static inline
#define NEVER_INLINE
#endif

/*
 * Before a loop: two of its rounds at a time. GCC would write out loops of up to 16 rounds wholly, and then keep more
 * weights at once than there are registers.
 */
#if defined(__GNUC__) && !defined(__clang__)
#define TWO_AT_A_TIME _Pragma("GCC unroll 2")
#else
#define TWO_AT_A_TIME
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

/* How a convolution walks through its tensors; all steps in activations. */
struct shape {
    int kernel;              /* rows of the kernel */
    int groups;              /* of GROUP in such a row: its pixels lie side by side, so they are one run */
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

#include "arithmetic.h"

/* The frame of a tensor whose first pixel is at `image`; `row` is with the border, and each byte becomes `value`. */
KERNEL ALWAYS_INLINE void fill_border(activation *image, int height, ptrdiff_t row, ptrdiff_t border, int channels,
                                      int value)
{
    ptrdiff_t edge = border * channels, size = (ptrdiff_t)sizeof *image;
    activation *last = image + (height - 1) * row + row - 2 * edge;
    memset(image - border * row - edge, value, (size_t)((border * row + edge) * size));
    for (int y = 0; y < height - 1; y++)
        memset(image + y * row + row - 2 * edge, value, (size_t)(2 * edge * size));
    memset(last, value, (size_t)((border * row + edge) * size));
}

/* The largest of each window; what lies outside the image does not count. */
KERNEL ALWAYS_INLINE void max_pool(const activation *in, activation *restrict out, int in_height, int in_width, int height,
                                   int width, int channels, int kernel, int stride, int pad, ptrdiff_t in_row,
                                   ptrdiff_t out_row)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            activation *restrict to = out + y * out_row + (ptrdiff_t)x * channels;
            for (int c = 0; c < channels; c++)
                to[c] = LOWEST;
            for (int v = y * stride - pad; v < y * stride - pad + kernel; v++)
                for (int u = x * stride - pad; u < x * stride - pad + kernel; u++) {
                    if (v < 0 || v >= in_height || u < 0 || u >= in_width)
                        continue;
                    const activation *from = in + v * in_row + (ptrdiff_t)u * channels;
                    for (int c = 0; c < channels; c++)
                        to[c] = from[c] > to[c] ? from[c] : to[c];
                }
        }
}

#endif
