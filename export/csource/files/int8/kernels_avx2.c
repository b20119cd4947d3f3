/*
 * AVX2: 8 outputs in a vector. `maddubs` adds two products in 16 bits and would saturate there; the weights have a
 * certificate that no two of them can, whatever the bytes are.
 */
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx2")))
#include "kernels.h"
#include "layers.h"

#define RUN model_run_avx2
#define TILE 1

enum { LANES = 8, DELAYED = 0 };
typedef __m256i vec;
typedef vec some_weights, some_pixel;

KERNEL ALWAYS_INLINE vec start(const int32_t *starts)
{
    (void)starts;
    return _mm256_setzero_si256();
}

KERNEL ALWAYS_INLINE vec weights_at(const int8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

KERNEL ALWAYS_INLINE vec pixel_at(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}

KERNEL ALWAYS_INLINE vec dot(vec sums, vec pixel, vec weights)
{
    vec pairs = _mm256_maddubs_epi16(pixel, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Even and odd outputs are multiplied to 64 bits apart; the upper halves come together again. */
KERNEL ALWAYS_INLINE vec rescaled(vec sums, const struct layer *layer, int channel)
{
    const int64_t *constants = layer->constants + constant_of(channel);
    vec multipliers = _mm256_loadu_si256((const __m256i *)(layer->multipliers + channel));
    vec even = _mm256_mul_epi32(sums, multipliers);
    vec odd = _mm256_mul_epi32(_mm256_srli_epi64(sums, 32), _mm256_srli_epi64(multipliers, 32));
    even = _mm256_add_epi64(even, _mm256_loadu_si256((const __m256i *)constants));
    odd = _mm256_add_epi64(odd, _mm256_loadu_si256((const __m256i *)(constants + BLOCK / 2)));
    vec upper = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_srav_epi32(upper, _mm256_loadu_si256((const __m256i *)(layer->shifts + channel)));
}

/* What an addition needs, in registers: bytes are stored in between, and memory might have changed for the compiler. */
struct addition {
    vec first_least, low_factors, high_factors, constant_low, constant_high;
    __m128i shift;
};

KERNEL ALWAYS_INLINE struct addition addition_of(const struct sum *sum, int32_t first_least)
{
    struct addition made = {
        .first_least = _mm256_set1_epi32(first_least),
        .low_factors = _mm256_set1_epi32(sum->second_low * 65536 + sum->first_low),
        .high_factors = _mm256_set1_epi32(sum->second_high * 65536 + sum->first_high),
        .constant_low = _mm256_set1_epi32(sum->constant_low),
        .constant_high = _mm256_set1_epi32(sum->constant_high),
        .shift = _mm_cvtsi32_si128(sum->shift),
    };
    return made;
}

KERNEL ALWAYS_INLINE vec with_residual(vec q, const uint8_t *p, int count, struct addition sum)
{
    uint8_t copy[LANES] = {0};
    q = _mm256_min_epi32(_mm256_max_epi32(q, sum.first_least), _mm256_set1_epi32(255));
    if (count < LANES) {
        memcpy(copy, p, (size_t)count);
        p = copy;
    }
    vec bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    vec pairs = _mm256_or_si256(q, _mm256_slli_epi32(bytes, 16));
    vec low = _mm256_add_epi32(_mm256_madd_epi16(pairs, sum.low_factors), sum.constant_low);
    vec high = _mm256_add_epi32(_mm256_madd_epi16(pairs, sum.high_factors), sum.constant_high);
    return _mm256_sra_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(low, 15)), sum.shift);
}

KERNEL ALWAYS_INLINE void store(uint8_t *p, vec q, vec least, int count)
{
    q = _mm256_max_epi32(q, least);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    __m128i bytes = _mm_packus_epi16(words, words);
    if (count < LANES) {
        uint8_t copy[LANES];
        _mm_storel_epi64((__m128i *)copy, bytes);
        memcpy(p, copy, (size_t)count);
    } else {
        _mm_storel_epi64((__m128i *)p, bytes);
    }
}

KERNEL ALWAYS_INLINE vec repeated(int32_t value)
{
    return _mm256_set1_epi32(value);
}

KERNEL ALWAYS_INLINE void store_sums(int32_t *p, vec sums)
{
    _mm256_storeu_si256((__m256i *)p, sums);
}

#include "convolve.h"
#include "network.h"
#else
typedef int no_avx2; /* a file must not be empty */
#endif
