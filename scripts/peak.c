/* The most products that one core makes: 16 sums that do not wait for each other, so that only the multipliers limit. */
#define _POSIX_C_SOURCE 199309L
#include <immintrin.h>
#include <stdio.h>
#include <time.h>

#define SUMS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
enum { ROUNDS = 100000, REPEATS = 30 };

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

__attribute__((target("avx512f,avx512vnni"))) static double vnni(void)
{
    __m512i pixel = _mm512_set1_epi32(0x01020304), weights = _mm512_set1_epi32(0x04030201);
    double best = 1e9;
#define BEGIN(i) __m512i s##i = _mm512_set1_epi32(i);
    SUMS(BEGIN)
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        for (int round = 0; round < ROUNDS; round++) {
/* in assembly, as a compiler may merge what it knows to be equal */
#define DOT(i) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(s##i) : "v"(pixel), "v"(weights));
            SUMS(DOT)
        }
        double took = now() - start;
        best = took < best ? took : best;
    }
    return 64.0 * 16 * ROUNDS / best;
}

__attribute__((target("avx2"))) static double avx2(void)
{
    __m256i pixel = _mm256_set1_epi32(0x01020304), weights = _mm256_set1_epi32(0x04030201), ones = _mm256_set1_epi16(1);
    double best = 1e9;
#define BEGIN2(i) __m256i t##i = _mm256_set1_epi32(i);
    SUMS(BEGIN2)
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double start = now();
        for (int round = 0; round < ROUNDS; round++) {
#define DOT2(i)                                                                                                          \
    if (i < 12) {                                                                                                        \
        __m256i pairs;                                                                                                   \
        __asm__ volatile("vpmaddubsw %3, %2, %0\n\tvpmaddwd %4, %0, %0\n\tvpaddd %0, %1, %1"                             \
                         : "=&x"(pairs), "+x"(t##i)                                                                      \
                         : "x"(pixel), "x"(weights), "x"(ones));                                                         \
    }
            SUMS(DOT2)
        }
        double took = now() - start;
        best = took < best ? took : best;
    }
    return 32.0 * 12 * ROUNDS / best;
}

int main(void)
{
    int has_vnni = __builtin_cpu_supports("avx512vnni");
    printf("{\"avx512vnni\": %.4g, \"avx2\": %.4g}\n", has_vnni ? vnni() : 0, avx2());
    return 0;
}
