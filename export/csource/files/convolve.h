/*
 * The loop nest of all sets of kernels that have vectors. A set defines before:
 *
 *   vec                        a vector of accumulators, one for each of LANES outputs
 *   some_weights, some_pixel   what the next two give
 *   weights_at(p)              LANES x GROUP weights
 *   pixel_at(p)                GROUP activations, for each lane
 *   start(starts)              the sums to begin with, from what a layer has for it
 *   dot(sums, pixel, weights)  sums + the products of a group of activations and of weights, lane by lane
 *   rescaled(sums, layer, c)   the results of the outputs from c on, not yet limited
 *   repeated(value)            in each lane
 *   addition_of(sum, least)    what the next one needs: a `struct addition`
 *   with_residual(q, p, n, s)  q limited, and added to n activations at p; not yet limited again
 *   store(p, q, least, n)      n outputs, limited: at least `least`, and at most what an activation holds
 *   store_sums(p, sums)        LANES of them
 *
 * A tile of pixels and channels is computed at once: each activation is read once for all channels of the tile, each
 * weight once for all its pixels, and the sums never leave the registers before they are activations again.
 */

#define PIXELS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

/* Where output i of a tile reads and writes; i, and the tile, are constants. */
#define DOWN(i) ((i) / tile.columns)
#define RIGHT(i) ((i) % tile.columns)
#define IN(i) (DOWN(i) * shape.in_down + RIGHT(i) * shape.in_right)
#define OUT(i, row) (DOWN(i) * (row) + RIGHT(i) * (ptrdiff_t)shape.channels)

/* From the weights of output `first` of a block to those `v` vectors on: they lie side by side in a block. */
#define BESIDE(v) ((first + (v) * LANES) / BLOCK * block + ((first + (v) * LANES) % BLOCK - first) * GROUP)

/* Sums to activations, from output `channel` on. */
KERNEL ALWAYS_INLINE void finish(vec sums, const struct layer *layer, struct shape shape, struct addition addition,
                                 vec least, int channel, activation *out, const activation *residual)
{
    int left = shape.channels - channel;
    int count = shape.channels % LANES == 0 || left > LANES ? LANES : left;
    vec q = rescaled(sums, layer, channel);
    store(out, shape.adds ? with_residual(q, residual, count, addition) : q, least, count);
}

/*
 * One layer. `shape` and `tile` are constants, so that each layer gets a loop of its own. Whole tiles cover the output,
 * but the last of a pixel's channels may be fewer than there are lanes.
 *
 * Where there are registers enough (DELAYED), the sums of a tile wait until those of the next one are under way, and
 * become activations then.
 */
KERNEL ALWAYS_INLINE void convolve(const struct layer *layer, const activation *in, activation *out,
                                   const activation *residual, struct shape shape, struct tile tile)
{
    const ptrdiff_t block = (ptrdiff_t)shape.kernel * shape.groups * GROUP * BLOCK;
    const int pixels = tile.rows * tile.columns, together = tile.vectors * LANES;
    const struct addition addition = addition_of(&layer->sum, layer->least);
    const vec least = repeated(shape.adds ? layer->sum.least : layer->least);
    ptrdiff_t out_at = 0, residual_at = 0; /* of the tile that waits */
    int waiting = -1;                      /* its first channel */

#define DECLARE(i) vec p##i = start(layer->starts), q##i = p##i, r##i = p##i;
    PIXELS(DECLARE)
    for (int channel = 0; channel < shape.channels; channel += together)
        for (int y = 0; y < shape.height; y += tile.rows)
            for (int x = 0; x < shape.width; x += tile.columns) {
                const int first = (int)LANES == (int)BLOCK ? 0 : channel % BLOCK;
                const weight *weights = layer->weights + channel / BLOCK * block + first * GROUP;
                const activation *row = in + y * shape.in_down + x * shape.in_right;
                const accumulator *starts = layer->starts + channel;
                const vec start_a = start(starts);
                const vec start_b = tile.vectors > 1 ? start(starts + LANES) : start_a;
                const vec start_c = tile.vectors > 2 ? start(starts + 2 * LANES) : start_a;
#define BEGIN(i) vec a##i = start_a, b##i = start_b, c##i = start_c;
                PIXELS(BEGIN)
                for (int v = 0; v < shape.kernel; v++, row += shape.in_row - GROUP * shape.groups)
                    TWO_AT_A_TIME
                    for (int group = 0; group < shape.groups; group++, row += GROUP, weights += GROUP * BLOCK) {
                        some_weights wa = weights_at(weights);
                        some_weights wb = tile.vectors > 1 ? weights_at(weights + BESIDE(1)) : wa;
                        some_weights wc = tile.vectors > 2 ? weights_at(weights + BESIDE(2)) : wa;
#define MULTIPLY(i)                                                                                                      \
    if (i < pixels) {                                                                                                    \
        some_pixel pixel = pixel_at(row + IN(i));                                                                        \
        a##i = dot(a##i, pixel, wa);                                                                                     \
        if (tile.vectors > 1)                                                                                            \
            b##i = dot(b##i, pixel, wb);                                                                                 \
        if (tile.vectors > 2)                                                                                            \
            c##i = dot(c##i, pixel, wc);                                                                                 \
    }
                        PIXELS(MULTIPLY)
                    }
#define FINISH(sums, i, v)                                                                                               \
    if (i < pixels && (v) < tile.vectors)                                                                                \
        finish(sums##i, layer, shape, addition, least, waiting + (v) * LANES,                                            \
               out + out_at + OUT(i, shape.out_row) + (v) * LANES,                                                       \
               residual + residual_at + OUT(i, shape.residual_row) + (v) * LANES);
#define FINISH_WAITING(i) FINISH(p, i, 0) FINISH(q, i, 1) FINISH(r, i, 2)
                if (DELAYED && waiting >= 0) {
                    PIXELS(FINISH_WAITING)
                }
#define WAIT(i) p##i = a##i, q##i = b##i, r##i = c##i;
                PIXELS(WAIT)
                waiting = channel;
                out_at = y * shape.out_row + (ptrdiff_t)x * shape.channels + channel;
                residual_at = y * shape.residual_row + (ptrdiff_t)x * shape.channels + channel;
                if (!DELAYED) {
                    PIXELS(FINISH_WAITING)
                }
            }
    if (DELAYED) {
        PIXELS(FINISH_WAITING)
    }
}

/* The matrix product behind the pool; `sums` is room for a whole BLOCK more than there are classes. */
KERNEL ALWAYS_INLINE void classify(const struct head *head, const activation *in, accumulator *sums, float *logits,
                                   int groups, int classes)
{
    const weight *weights = head->weights;
    for (int first = 0; first < classes; first += BLOCK) {
        vec found[BLOCK / LANES];
        for (int v = 0; v < BLOCK / LANES; v++)
            found[v] = start(head->starts + first + LANES * v);
        for (int group = 0; group < groups; group++, weights += GROUP * BLOCK)
            for (int v = 0; v < BLOCK / LANES; v++)
                found[v] = dot(found[v], pixel_at(in + GROUP * group), weights_at(weights + GROUP * LANES * v));
        for (int v = 0; v < BLOCK / LANES; v++)
            store_sums(sums + first + LANES * v, found[v]);
    }
    logits_of(head, sums, logits, classes);
}
