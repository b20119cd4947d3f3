/*
 * NEON with dot products (ARMv8.2): one instruction for four products of each of 4 outputs. It takes signed bytes on
 * both sides: 128 is taken from each pixel, and sums start at 128 times the sum of the weights.
 */
#if defined(__aarch64__) && defined(__GNUC__)
#ifdef __clang__
#define KERNEL __attribute__((target("dotprod")))
#else
#define KERNEL __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#include "kernels.h"
#include "layers.h"

#define RUN model_run_neon_dotprod
#define TILE 2

#include "neon.h"
typedef int8x16_t some_weights;
typedef int8x16_t some_pixel;

KERNEL ALWAYS_INLINE vec start(const int32_t *starts)
{
    return vshlq_n_s32(vld1q_s32(starts), 7);
}

KERNEL ALWAYS_INLINE some_pixel pixel_at(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
}

KERNEL ALWAYS_INLINE vec dot(vec sums, some_pixel pixel, some_weights weights)
{
    return vdotq_s32(sums, pixel, weights);
}

#include "convolve.h"
#include "network.h"
#else
typedef int no_neon_dotprod; /* a file must not be empty */
#endif
