/* A process that computes one image: seconds from its start to its logits, and the most memory that it had. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <time.h>

#include "example_data.h"
#include "model.h"

static uint8_t workspace[MODEL_WORKSPACE_BYTES] __attribute__((aligned(64)));

/* In kB. Not getrusage's, which counts what the process that started this one had as well (getrusage(2)). */
static long peak_kb(void)
{
    char line[128];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status) && sscanf(line, "VmHWM: %ld kB", &kb) != 1)
        ;
    return kb;
}

int main(void)
{
    struct timespec used;
    float logits[MODEL_CLASSES];
    int failed = model_run(example_image, logits, workspace);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used); /* all that the process has computed, its start included */
    printf("{\"first_s\": %.9f, \"peak_bytes\": %ld}\n", (double)used.tv_sec + 1e-9 * (double)used.tv_nsec,
           peak_kb() * 1024L);
    for (int c = 0; c < MODEL_CLASSES; c++)
        failed |= logits[c] != example_logits[c];
    return failed;
}
