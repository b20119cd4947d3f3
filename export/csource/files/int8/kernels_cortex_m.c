/* Cortex-M with the DSP extension: SMLAD makes two products of 16 bits and adds both. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__GNUC__)
#include <arm_acle.h>

#define KERNEL
#include "kernels.h"
#include "layers.h"

#define RUN model_run_cortex_m
#define TILE 0 /* not used */

ALWAYS_INLINE uint32_t word_at(const void *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* By one byte, which the next instruction does on its way. */
ALWAYS_INLINE uint32_t turned(uint32_t word)
{
    return word >> 8 | word << 24;
}

/* The sums of two pixels by two outputs, whose weights lie side by side: each word is read once, and used twice. */
ALWAYS_INLINE void dot(int32_t sums[4], const uint8_t *in, ptrdiff_t next, ptrdiff_t in_row, const int8_t *weights,
                       int kernel, int groups)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int y = 0; y < kernel; y++, in += in_row)
        for (int group = 0; group < groups; group++, weights += 4 * BLOCK) {
            uint32_t x = word_at(in + 4 * group), z = word_at(in + next + 4 * group);
            uint32_t w = word_at(weights), v = word_at(weights + 4);
            uint32_t x_even = __uxtb16(x), x_odd = __uxtb16(turned(x));
            uint32_t z_even = __uxtb16(z), z_odd = __uxtb16(turned(z));
            int16x2_t w_even = __sxtb16(w), w_odd = __sxtb16(turned(w));
            int16x2_t v_even = __sxtb16(v), v_odd = __sxtb16(turned(v));
            a = __smlad((int16x2_t)x_odd, w_odd, __smlad((int16x2_t)x_even, w_even, a));
            b = __smlad((int16x2_t)x_odd, v_odd, __smlad((int16x2_t)x_even, v_even, b));
            c = __smlad((int16x2_t)z_odd, w_odd, __smlad((int16x2_t)z_even, w_even, c));
            d = __smlad((int16x2_t)z_odd, v_odd, __smlad((int16x2_t)z_even, v_even, d));
        }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

ALWAYS_INLINE void finish(const struct layer *layer, const struct shape *shape, int32_t sum, int c, uint8_t *out,
                          const uint8_t *residual)
{
    int64_t product = (int64_t)sum * layer->multipliers[c] + layer->constants[constant_of(c)];
    int32_t q = limited((int32_t)(product >> 32) >> layer->shifts[c], layer->least);
    out[c] = (uint8_t)(shape->adds ? added(q, residual[c], &layer->sum) : q);
}

static void convolve(const struct layer *layer, const uint8_t *in, uint8_t *out, const uint8_t *residual,
                     struct shape shape, struct tile tile)
{
    const ptrdiff_t block = (ptrdiff_t)shape.kernel * shape.groups * 4 * BLOCK;
    (void)tile;
    for (int y = 0; y < shape.height; y++)
        for (int x = 0; x < shape.width; x += 2)
            for (int c = 0; c < shape.channels; c += 2) {
                int pixels = x + 1 < shape.width ? 2 : 1, channels = c + 1 < shape.channels ? 2 : 1;
                int32_t sums[4];
                dot(sums, in + y * shape.in_down + x * shape.in_right, pixels == 2 ? shape.in_right : 0, shape.in_row,
                    layer->weights + c / BLOCK * block + c % BLOCK * 4, shape.kernel, shape.groups);
                for (int p = 0; p < pixels; p++)
                    for (int k = 0; k < channels; k++) {
                        ptrdiff_t place = (ptrdiff_t)(x + p) * shape.channels;
                        finish(layer, &shape, sums[2 * p + k], c + k, out + y * shape.out_row + place,
                               shape.adds ? residual + y * shape.residual_row + place : residual);
                    }
            }
}

static void classify(const struct head *head, const uint8_t *in, int32_t *sums, float *logits, int groups, int classes)
{
    for (int c = 0; c < classes; c += 2) {
        int32_t found[4];
        dot(found, in, 0, 0, head->weights + c / BLOCK * groups * 4 * BLOCK + c % BLOCK * 4, 1, groups);
        sums[c] = found[0];
        sums[c + 1] = found[1]; /* of the room behind the last class, where their number is odd */
    }
    logits_of(head, sums, logits, classes);
}

#include "network.h"
#else
typedef int no_cortex_m; /* a file must not be empty */
#endif
