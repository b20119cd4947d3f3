/* Plain C, for any processor: the definition of what the other sets compute faster. */
#define KERNEL
#include "kernels.h"
#include "layers.h"

#define RUN model_run_portable
#define TILE 0 /* not used */

/* The sum of one output: `weights` are its own four of the first group, every other group is a block further. */
static int32_t dot(const uint8_t *in, ptrdiff_t in_row, const int8_t *weights, int kernel, int groups)
{
    int32_t sum = 0;
    for (int y = 0; y < kernel; y++)
        for (int group = 0; group < groups; group++, weights += 4 * BLOCK) {
            const uint8_t *four = in + y * in_row + 4 * group;
            for (int i = 0; i < 4; i++)
                sum += four[i] * weights[i];
        }
    return sum;
}

static void convolve(const struct layer *layer, const uint8_t *in, uint8_t *out, const uint8_t *residual,
                     struct shape shape, struct tile tile)
{
    const ptrdiff_t block = (ptrdiff_t)shape.kernel * shape.groups * 4 * BLOCK;
    (void)tile;
    for (int y = 0; y < shape.height; y++)
        for (int x = 0; x < shape.width; x++)
            for (int c = 0; c < shape.channels; c++) {
                const int8_t *weights = layer->weights + c / BLOCK * block + c % BLOCK * 4;
                int32_t sum = dot(in + y * shape.in_down + x * shape.in_right, shape.in_row, weights, shape.kernel,
                                  shape.groups);
                int64_t product = (int64_t)sum * layer->multipliers[c] + layer->constants[constant_of(c)];
                int32_t q = limited((int32_t)(product >> 32) >> layer->shifts[c], layer->least);
                ptrdiff_t place = (ptrdiff_t)x * shape.channels + c;
                if (shape.adds)
                    q = added(q, residual[y * shape.residual_row + place], &layer->sum);
                out[y * shape.out_row + place] = (uint8_t)q;
            }
}

static void classify(const struct head *head, const uint8_t *in, int32_t *sums, float *logits, int groups, int classes)
{
    for (int c = 0; c < classes; c++)
        sums[c] = dot(in, 0, head->weights + c / BLOCK * groups * 4 * BLOCK + c % BLOCK * 4, 1, groups);
    logits_of(head, sums, logits, classes);
}

#include "network.h"
