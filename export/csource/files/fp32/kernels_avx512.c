/* AVX-512: 16 floats in a vector. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f")))
#include "kernels.h"
#include "layers.h"

#define RUN model_run_avx512
#define TILE 0

enum { LANES = 16 };
typedef __m512 vec;

KERNEL ALWAYS_INLINE vec loaded(const float *p)
{
    return _mm512_loadu_ps(p);
}

KERNEL ALWAYS_INLINE void stored(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

KERNEL ALWAYS_INLINE vec repeated(float value)
{
    return _mm512_set1_ps(value);
}

KERNEL ALWAYS_INLINE vec plus(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

KERNEL ALWAYS_INLINE vec product_plus(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

KERNEL ALWAYS_INLINE vec larger(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

#include "vectors.h"
#include "network.h"
#else
typedef int no_avx512; /* a file must not be empty */
#endif
