/*
 * Runs a model's test vector on an emulated microcontroller and tells how many instructions that takes. Under
 * `-icount shift=0` an instruction takes a nanosecond, and SysTick counts each 40 of them (25 MHz).
 */
#include <stdint.h>
#include <string.h>

#include "example_data.h"
#include "model.h"

#define TICK 40u
#define SYSTICK ((volatile uint32_t *)0xE000E010)

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
void start(void);

static uint8_t workspace[MODEL_WORKSPACE_BYTES] __attribute__((aligned(64)));
static volatile uint32_t rounds;

static void systick(void)
{
    rounds++;
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, start, [15] = systick};

/* ARM's semihosting: 4 writes a string, 24 ends with success. */
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void write_number(uint64_t number)
{
    char text[24] = {0};
    int at = 22;
    do
        text[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    semihosting(4, text + at);
}

static uint64_t ticks(void)
{
    return (uint64_t)rounds * 0x1000000u + (0xFFFFFFu - SYSTICK[2]);
}

void start(void)
{
    memcpy(data_start, data_load, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    SYSTICK[1] = 0xFFFFFF;
    SYSTICK[2] = 0;
    SYSTICK[0] = 7; /* on, with its interrupt, by the processor's clock */
    for (int set = 0; set < MODEL_SETS; set++) {
        float logits[MODEL_CLASSES];
        if (!model_has((enum model_kernels)set))
            continue;
        uint64_t before = ticks();
        model_run_with((enum model_kernels)set, example_image, logits, workspace);
        uint64_t after = ticks();
        semihosting(4, model_name((enum model_kernels)set));
        semihosting(4, memcmp(logits, example_logits, sizeof logits) == 0 ? " same " : " WRONG ");
        write_number((after - before) * TICK);
        semihosting(4, "\n");
    }
    semihosting(24, (const void *)0x20026); /* ADP_Stopped_ApplicationExit */
}
