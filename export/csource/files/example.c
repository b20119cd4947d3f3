/* Runs the network on one picture, by each set of kernels that is here, and compares its logits with those expected. */
#include <stdio.h>
#include <string.h>

#include "example_data.h"
#include "model.h"

static uint64_t workspace[(MODEL_WORKSPACE_BYTES + 64 + 7) / 8];

/* Integers to the last bit; floats, which not all sets round equally often, within EXAMPLE_TOLERANCE. */
static int is_expected(const float *logits)
{
    if (EXAMPLE_TOLERANCE <= 0)
        return memcmp(logits, example_logits, sizeof example_logits) == 0;
    for (int c = 0; c < MODEL_CLASSES; c++) {
        float difference = logits[c] - example_logits[c];
        if (!(difference <= EXAMPLE_TOLERANCE && -difference <= EXAMPLE_TOLERANCE)) /* NaN is wrong */
            return 0;
    }
    return 1;
}

int main(void)
{
    /* the first byte that is aligned */
    unsigned char *aligned = (unsigned char *)workspace;
    aligned += (64 - (uintptr_t)aligned % 64) % 64;
    int wrong = 0;
    for (int set = 0; set < MODEL_SETS; set++) {
        enum model_kernels kernels = (enum model_kernels)set;
        float logits[MODEL_CLASSES];
        if (!model_has(kernels)) {
            printf("%s: not on this processor\n", model_name(kernels));
            continue;
        }
        int said = model_run_with(kernels, example_image, logits, aligned);
        int same = said == MODEL_OK && is_expected(logits);
        int best = 0;
        for (int c = 1; c < MODEL_CLASSES; c++)
            best = logits[c] > logits[best] ? c : best;
        printf("%s: class %d, %s\n", model_name(kernels), best, same ? EXAMPLE_AGREES : "WRONG");
        wrong += !same;
    }
    return wrong;
}
