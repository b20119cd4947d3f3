/* What both NEON sets share: 4 outputs in a vector. A set defines `dot` and `start` after it. */
#include <arm_neon.h>

enum { LANES = 4, DELAYED = 0 };
typedef int32x4_t vec;

KERNEL ALWAYS_INLINE int8x16_t weights_at(const int8_t *p)
{
    return vld1q_s8(p);
}

/* Even and odd outputs are multiplied to 64 bits apart; the upper halves come together again. */
KERNEL ALWAYS_INLINE vec rescaled(vec sums, const struct layer *layer, int channel)
{
    const int64_t *constants = layer->constants + constant_of(channel);
    vec multipliers = vld1q_s32(layer->multipliers + channel);
    int64x2_t even = vmlal_s32(vld1q_s64(constants), vget_low_s32(vuzp1q_s32(sums, sums)),
                               vget_low_s32(vuzp1q_s32(multipliers, multipliers)));
    int64x2_t odd = vmlal_s32(vld1q_s64(constants + BLOCK / 2), vget_low_s32(vuzp2q_s32(sums, sums)),
                              vget_low_s32(vuzp2q_s32(multipliers, multipliers)));
    vec upper = vtrn2q_s32(vreinterpretq_s32_s64(even), vreinterpretq_s32_s64(odd));
    return vshlq_s32(upper, vnegq_s32(vld1q_s32(layer->shifts + channel)));
}

struct addition {
    struct sum sum;
    int32_t first_least;
};

KERNEL ALWAYS_INLINE struct addition addition_of(const struct sum *sum, int32_t first_least)
{
    struct addition made = {*sum, first_least};
    return made;
}

KERNEL ALWAYS_INLINE vec with_residual(vec q, const uint8_t *p, int count, struct addition by)
{
    uint8_t copy[8] = {0};
    q = vminq_s32(vmaxq_s32(q, vdupq_n_s32(by.first_least)), vdupq_n_s32(255));
    memcpy(copy, p, count < LANES ? (size_t)count : LANES);
    vec other = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(copy)))));
    vec low = vmlaq_n_s32(vdupq_n_s32(by.sum.constant_low), q, by.sum.first_low);
    vec high = vmlaq_n_s32(vdupq_n_s32(by.sum.constant_high), q, by.sum.first_high);
    low = vmlaq_n_s32(low, other, by.sum.second_low);
    high = vmlaq_n_s32(high, other, by.sum.second_high);
    return vshlq_s32(vaddq_s32(high, vshrq_n_s32(low, 15)), vdupq_n_s32(-by.sum.shift));
}

KERNEL ALWAYS_INLINE void store(uint8_t *p, vec q, vec least, int count)
{
    uint8_t copy[8];
    uint16x4_t words = vqmovun_s32(vmaxq_s32(q, least));
    vst1_u8(copy, vqmovn_u16(vcombine_u16(words, words)));
    memcpy(p, copy, count < LANES ? (size_t)count : LANES);
}

KERNEL ALWAYS_INLINE vec repeated(int32_t value)
{
    return vdupq_n_s32(value);
}

KERNEL ALWAYS_INLINE void store_sums(int32_t *p, vec sums)
{
    vst1q_s32(p, sums);
}
