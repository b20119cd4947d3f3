"""model.h, model.c and the example's data: what a program of a user's includes, and how it is shown to work."""

from math import prod
from typing import NamedTuple

from ...core.types import TensorSpec
from ...quantize.integer import Array
from .arrays import array
from .kernel_sets import KernelSet


class Interface(NamedTuple):
    """What a model takes and gives, the bytes of its workspace, and whether all kernels give the same bits."""

    title: str
    fed: TensorSpec
    classes: int
    workspace: int
    constants: int
    is_exact: bool

    @property
    def pixel(self) -> str:
        return "uint8_t" if self.fed.dtype == "uint8" else "float"

    @property
    def values(self) -> int:
        return prod(int(side) for side in self.fed.shape[1:])


def header(model: Interface, sets: tuple[KernelSet, ...]) -> str:
    _, *sides = model.fed.shape
    if model.fed.dtype == "uint8":
        fed = f"raw pixels, {sides[0]} rows of {sides[1]} pixels of {sides[2]} bytes"
    else:
        fed = f"normalised floats, {sides[0]} planes of {sides[1]} rows of {sides[2]}"
    agreeing = (
        "All of them give the same bits." if model.is_exact else "Those that fuse products with sums round less often."
    )
    listed = "\n".join(f"    {each.macro}," for each in sets)
    return f"""/*
 * {model.title}
 *
 * A network without a runtime: it allocates nothing, writes to no global variable, and calls nothing but memset and
 * memcpy. Several threads may run it at once, each with a workspace of its own.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_IMAGE_VALUES {model.values} /* {fed} */
#define MODEL_CLASSES {model.classes}
#define MODEL_WORKSPACE_BYTES {model.workspace} /* aligned to {ALIGNMENT} bytes; what is in it does not matter */
#define MODEL_CONSTANT_BYTES {model.constants} /* weights and all else that layers have, all const */

typedef {model.pixel} model_pixel;

/* Sets of kernels. {agreeing} */
enum model_kernels {{
{listed}
    MODEL_SETS
}};

/* What model_run gives. */
enum {{ MODEL_OK = 0, MODEL_NULL = 1, MODEL_NOT_HERE = 2 }};

/* The sizes above, for programs that load the library. */
struct model_sizes {{
    int32_t image_values, pixel_bytes, classes, workspace_bytes;
}};
extern const struct model_sizes model_sizes;

/*
 * The logits of one image, by the fastest kernels that this processor has.
 *
 * image      MODEL_IMAGE_VALUES values: {fed}
 * logits     MODEL_CLASSES floats; the largest is the likeliest class
 * workspace  MODEL_WORKSPACE_BYTES bytes, aligned to {ALIGNMENT}
 *
 * Gives MODEL_OK, or MODEL_NULL where an argument is missing.
 */
int model_run(const model_pixel *image, float *logits, void *workspace);

/* The same by one set of kernels; MODEL_NOT_HERE where the processor has not what they need. */
int model_run_with(enum model_kernels kernels, const model_pixel *image, float *logits, void *workspace);

/* The same for `count` images that lie one behind the other; their logits do, too. */
int model_run_many(enum model_kernels kernels, const model_pixel *images, float *logits, size_t count, void *workspace);

/* Whether this processor can run a set. */
int model_has(enum model_kernels kernels);

/* The fastest set that it can run. */
enum model_kernels model_best(void);

/* What a set is called, such as "portable". */
const char *model_name(enum model_kernels kernels);

#ifdef __cplusplus
}}
#endif

#endif
"""


ALIGNMENT = 64
DOT_PRODUCT = """
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static int has_dot_product(void)
{
    return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* HWCAP_ASIMDDP */
}
#elif defined(__ARM_FEATURE_DOTPROD)
#define has_dot_product() 1
#else
#define has_dot_product() 0
#endif
"""


def dispatch(sets: tuple[KernelSet, ...]) -> str:
    """model.c: which kernels run."""
    declared = "\n".join(
        f"#if {each.guard}\n"
        f"void model_run_{each.identifier}(const model_pixel *image, float *logits, uint8_t *workspace);\n"
        f"#define HAS_{each.identifier.upper()} ({each.test})\n"
        f"#else\n#define model_run_{each.identifier} NULL\n#define HAS_{each.identifier.upper()} 0\n#endif"
        for each in sets
    )
    rows = "\n".join(f'    {{"{each.name}", model_run_{each.identifier}}},' for each in sets)
    cases = "\n".join(f"    case {each.macro}:\n        return HAS_{each.identifier.upper()};" for each in sets)
    dot = DOT_PRODUCT if any("has_dot_product" in each.test for each in sets) else ""
    return f"""/* Which set of kernels runs the network: the first of enum model_kernels that the processor has. */
#include "model.h"
{dot}
{declared}

static const struct {{
    const char *name;
    void (*run)(const model_pixel *image, float *logits, uint8_t *workspace);
}} sets[MODEL_SETS] = {{
{rows}
}};

const struct model_sizes model_sizes = {{MODEL_IMAGE_VALUES, sizeof(model_pixel), MODEL_CLASSES,
                                        MODEL_WORKSPACE_BYTES}};

int model_has(enum model_kernels kernels)
{{
    switch (kernels) {{
{cases}
    default:
        return 0;
    }}
}}

enum model_kernels model_best(void)
{{
    int kernels = 0;
    while (kernels < MODEL_SETS - 1 && !model_has((enum model_kernels)kernels))
        kernels++;
    return (enum model_kernels)kernels;
}}

const char *model_name(enum model_kernels kernels)
{{
    return (unsigned)kernels < MODEL_SETS ? sets[kernels].name : NULL;
}}

int model_run_many(enum model_kernels kernels, const model_pixel *images, float *logits, size_t count,
                   void *workspace)
{{
    if (images == NULL || logits == NULL || workspace == NULL)
        return MODEL_NULL;
    if (!model_has(kernels))
        return MODEL_NOT_HERE;
    for (size_t i = 0; i < count; i++)
        sets[kernels].run(images + i * MODEL_IMAGE_VALUES, logits + i * MODEL_CLASSES, workspace);
    return MODEL_OK;
}}

int model_run_with(enum model_kernels kernels, const model_pixel *image, float *logits, void *workspace)
{{
    return model_run_many(kernels, image, logits, 1, workspace);
}}

int model_run(const model_pixel *image, float *logits, void *workspace)
{{
    return model_run_with(model_best(), image, logits, workspace);
}}
"""


def example_data(image: Array, logits: Array, tolerance: float) -> str:
    """A test vector: one image as the model is fed with it, and the logits of the reference."""
    about = f"within {tolerance:.3g}" if tolerance else "to the last bit"
    head = f"/* A picture, and the logits that the network has for it, {about}. */\n#include <stdint.h>\n\n"
    agrees = "as expected" if tolerance else "every bit as expected"
    limits = f'#define EXAMPLE_TOLERANCE {tolerance!r}f\n#define EXAMPLE_AGREES "{agrees}"\n'
    arrays = f"{array('example_image', image)}\n{array('example_logits', logits)}"
    return f"{head}{limits}#define ALIGNED\n\n{arrays}"
