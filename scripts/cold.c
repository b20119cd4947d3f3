/* A process that computes one image: seconds from its start to its logits, and the most memory that it had. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "example_data.h"
#include "model.h"

static uint8_t workspace[MODEL_WORKSPACE_BYTES] __attribute__((aligned(64)));

/* When the kernel started this process, in ticks since the machine did: field 22 of /proc/self/stat is too coarse. */
int main(void)
{
    struct timespec used;
    struct rusage usage;
    float logits[MODEL_CLASSES];
    int failed = model_run(example_image, logits, workspace);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used); /* all that the process has computed, its start included */
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"first_s\": %.9f, \"peak_bytes\": %ld}\n", (double)used.tv_sec + 1e-9 * (double)used.tv_nsec,
           usage.ru_maxrss * 1024L);
    for (int c = 0; c < MODEL_CLASSES; c++)
        failed |= logits[c] != example_logits[c];
    return failed;
}
