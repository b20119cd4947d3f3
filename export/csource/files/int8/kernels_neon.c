/* NEON, as every 64-bit ARM has it: products are made in 16 bits and added in 32. */
#if defined(__aarch64__) && defined(__GNUC__)
#define KERNEL
#include "kernels.h"
#include "layers.h"

#define RUN model_run_neon
#define TILE 2

#include "neon.h"
typedef int8x16_t some_weights;
typedef int16x4_t some_pixel;

KERNEL ALWAYS_INLINE vec start(const int32_t *starts)
{
    (void)starts;
    return vdupq_n_s32(0);
}

KERNEL ALWAYS_INLINE some_pixel pixel_at(const uint8_t *p)
{
    uint8_t copy[8] = {0};
    memcpy(copy, p, 4);
    return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(vld1_u8(copy))));
}

KERNEL ALWAYS_INLINE vec dot(vec sums, some_pixel pixel, some_weights weights)
{
    int16x8_t low = vmovl_s8(vget_low_s8(weights)), high = vmovl_s8(vget_high_s8(weights));
    vec first = vpaddq_s32(vmull_s16(vget_low_s16(low), pixel), vmull_s16(vget_high_s16(low), pixel));
    vec second = vpaddq_s32(vmull_s16(vget_low_s16(high), pixel), vmull_s16(vget_high_s16(high), pixel));
    return vaddq_s32(sums, vpaddq_s32(first, second));
}

#include "convolve.h"
#include "network.h"
#else
typedef int no_neon; /* a file must not be empty */
#endif
