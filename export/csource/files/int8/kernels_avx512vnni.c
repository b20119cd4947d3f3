/* AVX-512 with VNNI: 16 outputs in a vector, and one instruction for four products of each. */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#include "kernels.h"
#include "layers.h"

#define RUN model_run_avx512vnni
#define TILE 0

enum { LANES = 16, DELAYED = 1 };
typedef __m512i vec;
typedef vec some_weights, some_pixel;

KERNEL ALWAYS_INLINE vec start(const int32_t *starts)
{
    (void)starts;
    return _mm512_setzero_si512();
}

KERNEL ALWAYS_INLINE vec weights_at(const int8_t *p)
{
    return _mm512_loadu_si512(p);
}

KERNEL ALWAYS_INLINE vec pixel_at(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

KERNEL ALWAYS_INLINE vec dot(vec sums, vec pixel, vec weights)
{
    return _mm512_dpbusd_epi32(sums, pixel, weights);
}

/* Even and odd outputs are multiplied to 64 bits apart; the upper halves come together again. */
KERNEL ALWAYS_INLINE vec rescaled(vec sums, const struct layer *layer, int channel)
{
    vec multipliers = _mm512_loadu_si512(layer->multipliers + channel);
    vec even = _mm512_mul_epi32(sums, multipliers);
    vec odd = _mm512_mul_epi32(_mm512_srli_epi64(sums, 32), _mm512_srli_epi64(multipliers, 32));
    even = _mm512_add_epi64(even, _mm512_loadu_si512(layer->constants + channel));
    odd = _mm512_add_epi64(odd, _mm512_loadu_si512(layer->constants + channel + BLOCK / 2));
    vec upper = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    return _mm512_srav_epi32(upper, _mm512_loadu_si512(layer->shifts + channel));
}

/* What an addition needs, in registers: bytes are stored in between, and memory might have changed for the compiler. */
struct addition {
    vec first_least, low_factors, high_factors, constant_low, constant_high;
    __m128i shift;
};

KERNEL ALWAYS_INLINE struct addition addition_of(const struct sum *sum, int32_t first_least)
{
    struct addition made = {
        .first_least = _mm512_set1_epi32(first_least),
        .low_factors = _mm512_set1_epi32(sum->second_low * 65536 + sum->first_low),
        .high_factors = _mm512_set1_epi32(sum->second_high * 65536 + sum->first_high),
        .constant_low = _mm512_set1_epi32(sum->constant_low),
        .constant_high = _mm512_set1_epi32(sum->constant_high),
        .shift = _mm_cvtsi32_si128(sum->shift),
    };
    return made;
}

KERNEL ALWAYS_INLINE vec with_residual(vec q, const uint8_t *p, int count, struct addition sum)
{
    q = _mm512_min_epi32(_mm512_max_epi32(q, sum.first_least), _mm512_set1_epi32(255));
    __m128i bytes = count == LANES ? _mm_loadu_si128((const __m128i *)p)
                                   : _mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1), p);
    vec pairs = _mm512_or_si512(q, _mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 16));
    vec low = _mm512_dpwssd_epi32(sum.constant_low, pairs, sum.low_factors);
    vec high = _mm512_dpwssd_epi32(sum.constant_high, pairs, sum.high_factors);
    return _mm512_sra_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(low, 15)), sum.shift);
}

KERNEL ALWAYS_INLINE void store(uint8_t *p, vec q, vec least, int count)
{
    __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, least));
    if (count == LANES)
        _mm_storeu_si128((__m128i *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, (__mmask16)((1u << count) - 1), bytes);
}

KERNEL ALWAYS_INLINE vec repeated(int32_t value)
{
    return _mm512_set1_epi32(value);
}

KERNEL ALWAYS_INLINE void store_sums(int32_t *p, vec sums)
{
    _mm512_storeu_si512(p, sums);
}

#include "convolve.h"
#include "network.h"
#else
typedef int no_avx512vnni; /* a file must not be empty */
#endif
