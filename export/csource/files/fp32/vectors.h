/*
 * What sets of kernels with vectors of floats share. A set defines before: `vec` and LANES, loaded(p), stored(p, x),
 * repeated(value), plus(a, b), product_plus(a, b, c), larger(a, b), which is b where one is NaN.
 */
enum { DELAYED = 0 };
typedef vec some_weights, some_pixel;

KERNEL ALWAYS_INLINE vec weights_at(const float *p)
{
    return loaded(p);
}

KERNEL ALWAYS_INLINE vec pixel_at(const float *p)
{
    return repeated(*p);
}

KERNEL ALWAYS_INLINE vec start(const float *starts)
{
    return loaded(starts);
}

KERNEL ALWAYS_INLINE vec dot(vec sums, vec pixel, vec weights)
{
    return product_plus(pixel, weights, sums);
}

KERNEL ALWAYS_INLINE vec rescaled(vec sums, const struct layer *layer, int channel)
{
    (void)layer;
    (void)channel;
    return sums;
}

struct addition {
    vec first_least;
};

KERNEL ALWAYS_INLINE struct addition addition_of(const struct sum *sum, float first_least)
{
    struct addition made = {repeated(first_least)};
    (void)sum;
    return made;
}

KERNEL ALWAYS_INLINE vec with_residual(vec q, const float *p, int count, struct addition by)
{
    float copy[LANES] = {0};
    if (count < (int)LANES) {
        memcpy(copy, p, (size_t)count * sizeof *p);
        p = copy;
    }
    return plus(larger(by.first_least, q), loaded(p));
}

KERNEL ALWAYS_INLINE void store(float *p, vec q, vec least, int count)
{
    float copy[LANES];
    q = larger(least, q);
    if (count < (int)LANES) {
        stored(copy, q);
        memcpy(p, copy, (size_t)count * sizeof *p);
    } else {
        stored(p, q);
    }
}

KERNEL ALWAYS_INLINE void store_sums(float *p, vec sums)
{
    stored(p, sums);
}

#include "convolve.h"
