/*
 * Plain C, for any processor. GNU C has vectors that compilers turn into those that the processor surely has: four floats
 * in one, or a float by itself where there is nothing of the kind.
 */
#define KERNEL
#include "kernels.h"
#include "layers.h"

#define RUN model_run_portable

#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON) || defined(__ALTIVEC__) || defined(__wasm_simd128__))
#define TILE 3
enum { LANES = 4 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));

ALWAYS_INLINE vec larger(vec a, vec b)
{
    mask is_a = a > b;
    return (vec)((is_a & (mask)a) | (~is_a & (mask)b));
}
#else
#define TILE 4
enum { LANES = 1 };
typedef float vec;

ALWAYS_INLINE vec larger(vec a, vec b)
{
    return a > b ? a : b;
}
#endif

ALWAYS_INLINE vec loaded(const float *p)
{
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}

ALWAYS_INLINE void stored(float *p, vec x)
{
    memcpy(p, &x, sizeof x);
}

ALWAYS_INLINE vec repeated(float value)
{
    return value - (vec){0};
}

ALWAYS_INLINE vec plus(vec a, vec b)
{
    return a + b;
}

ALWAYS_INLINE vec product_plus(vec a, vec b, vec c)
{
    return a * b + c;
}

#include "vectors.h"
#include "network.h"
