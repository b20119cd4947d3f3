/* AVX2 with FMA: 8 floats in a vector. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx2,fma")))
#include "kernels.h"
#include "layers.h"

#define RUN model_run_avx2
#define TILE 1

enum { LANES = 8 };
typedef __m256 vec;

KERNEL ALWAYS_INLINE vec loaded(const float *p)
{
    return _mm256_loadu_ps(p);
}

KERNEL ALWAYS_INLINE void stored(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}

KERNEL ALWAYS_INLINE vec repeated(float value)
{
    return _mm256_set1_ps(value);
}

KERNEL ALWAYS_INLINE vec plus(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

KERNEL ALWAYS_INLINE vec product_plus(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

KERNEL ALWAYS_INLINE vec larger(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

#include "vectors.h"
#include "network.h"
#else
typedef int no_avx2; /* a file must not be empty */
#endif
