/* Networks of floats: what layers are, and the steps that are the same in every set of kernels. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include <float.h>

typedef float activation;
typedef float weight;
typedef float accumulator;

enum { GROUP = 1 };
#define LOWEST (-FLT_MAX)

/* What a sum with a residual is at least: 0 where an activation follows, else LOWEST. */
struct sum {
    float least;
};

/*
 * A convolution, whose results are at least `least`. All arrays are filled up to a whole BLOCK of outputs.
 *
 * weights    of each block: kernel rows, floats of such a row, 16 outputs
 * starts     the biases
 */
struct layer {
    const float *weights, *starts;
    float least;
    struct sum sum; /* with the residual, where there is one */
};

struct head {
    const float *weights, *starts;
};

/* x * factor + shift, at least `least`. */
struct map {
    const float *factors, *shifts;
    float least;
};

/* NaN stays NaN. */
ALWAYS_INLINE float limited(float value, float least)
{
    return value < least ? least : value;
}

/* Pixels, normalised. */
KERNEL ALWAYS_INLINE void feed_bytes(const uint8_t *image, float *out, int height, int width, int channels,
                                     ptrdiff_t out_row, const float *scales, const float *shifts)
{
    for (int y = 0; y < height; y++, out += out_row)
        for (int x = 0; x < width * channels; x += channels)
            for (int c = 0; c < channels; c++)
                out[x + c] = (float)*image++ * scales[c] + shifts[c];
}

/* Normalised floats, channel by channel. */
KERNEL ALWAYS_INLINE void feed_floats(const float *image, float *out, int height, int width, int channels,
                                      ptrdiff_t out_row)
{
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                out[y * out_row + x * channels + c] = *image++;
}

/* A batch norm, or an activation by itself. */
KERNEL ALWAYS_INLINE void convert(const struct map *map, const float *in, float *restrict out, int height, int width,
                                  int channels, ptrdiff_t in_row, ptrdiff_t out_row)
{
    const float *factors = map->factors, *shifts = map->shifts, least = map->least;
    for (int y = 0; y < height; y++, in += in_row, out += out_row)
        for (int x = 0; x < width * channels; x += channels)
            for (int c = 0; c < channels; c++)
                out[x + c] = limited(in[x + c] * factors[c] + shifts[c], least);
}

/* Some of the pixels, with channels of zeros before and behind theirs. */
KERNEL ALWAYS_INLINE void pick(const float *in, float *out, int height, int width, int in_channels, int before,
                               int channels, ptrdiff_t in_down, ptrdiff_t in_right, ptrdiff_t out_row)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float *to = out + y * out_row + (ptrdiff_t)x * channels;
            memset(to, 0, (size_t)channels * sizeof *to);
            memcpy(to + before, in + y * in_down + x * in_right, (size_t)in_channels * sizeof *to);
        }
}

/* An addition that no convolution has done. */
KERNEL ALWAYS_INLINE void add(const float *first, const float *second, float *restrict out, int height,
                              int row_values, ptrdiff_t first_row, ptrdiff_t second_row, ptrdiff_t out_row, float least)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < row_values; x++)
            out[y * out_row + x] = limited(first[y * first_row + x] + second[y * second_row + x], least);
}

/* The mean of each channel. */
KERNEL ALWAYS_INLINE void average(const float *in, float *restrict out, int height, int width, int channels, ptrdiff_t row)
{
    memset(out, 0, (size_t)channels * sizeof *out);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width * channels; x += channels)
            for (int c = 0; c < channels; c++)
                out[c] += in[y * row + x + c];
    for (int c = 0; c < channels; c++)
        out[c] /= (float)(height * width);
}

ALWAYS_INLINE void logits_of(const struct head *head, const float *sums, float *logits, int classes)
{
    (void)head;
    memcpy(logits, sums, (size_t)classes * sizeof *logits);
}

#endif
