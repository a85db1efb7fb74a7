/* kernel_isa: the kernels of single instruction sets; only kernel.c asks which may run. */
#ifndef INDEX_KERNEL_ISA_H
#define INDEX_KERNEL_ISA_H

#include "index/kernel.h"

#if defined(__x86_64__)
extern const struct kernel kernel_avx2;
extern const struct kernel kernel_avx512;
#elif defined(__aarch64__)
extern const struct kernel kernel_neon;
#endif

#endif
