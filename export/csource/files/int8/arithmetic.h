/* Networks of bytes: what layers are, and the steps that are the same in every set of kernels. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

typedef uint8_t activation;
typedef int8_t weight;
typedef int32_t accumulator;

enum { GROUP = 4, LOWEST = 0 }; /* bytes that are multiplied at once; the least byte */

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
 * starts     the sum of each output's weights, which some kernels start from
 * constants  of each block: those of the even outputs, then those of the odd ones
 */
struct layer {
    const int8_t *weights;
    const int32_t *starts;
    const int32_t *multipliers;
    const int64_t *constants;
    const int32_t *shifts;
    int32_t least;
    struct sum sum; /* with the residual, where there is one */
};

/* logit = (x + offset) * scale + bias */
struct head {
    const int8_t *weights;
    const int32_t *starts;
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
