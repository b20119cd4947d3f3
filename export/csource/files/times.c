/* When each call of a run began, and the last one ended: for builds with MODEL_TIMES. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <time.h>

int64_t model_times[4096];

int64_t model_now(void);

int64_t model_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
