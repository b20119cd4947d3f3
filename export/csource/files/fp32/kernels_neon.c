/* NEON, as every 64-bit ARM has it: 4 floats in a vector. */
#if defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>

#define KERNEL
#include "kernels.h"
#include "layers.h"

#define RUN model_run_neon
#define TILE 2

enum { LANES = 4 };
typedef float32x4_t vec;

KERNEL ALWAYS_INLINE vec loaded(const float *p)
{
    return vld1q_f32(p);
}

KERNEL ALWAYS_INLINE void stored(float *p, vec x)
{
    vst1q_f32(p, x);
}

KERNEL ALWAYS_INLINE vec repeated(float value)
{
    return vdupq_n_f32(value);
}

KERNEL ALWAYS_INLINE vec plus(vec a, vec b)
{
    return vaddq_f32(a, b);
}

KERNEL ALWAYS_INLINE vec product_plus(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

KERNEL ALWAYS_INLINE vec larger(vec a, vec b)
{
    return vmaxq_f32(a, b);
}

#include "vectors.h"
#include "network.h"
#else
typedef int no_neon; /* a file must not be empty */
#endif
