/* kernel_isa: the kernels of single instruction sets; only kernel.c asks which may run. */
#ifndef INDEX_KERNEL_ISA_H
#define INDEX_KERNEL_ISA_H

#include "index/kernel.h"

void euclidean_scalar(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void dot_scalar(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void coarse_scalar(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void nibbles_scalar(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void bits_scalar(const uint8_t *planes,
                 const uint8_t *const *rows,
                 size_t n_rows,
                 size_t n,
                 uint32_t *sums,
                 uint32_t *ones);
float fine_scalar(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n);
void halves_scalar(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void half_pairs_scalar(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void hadamard_scalar(float *vector, size_t n);

#if defined(__x86_64__)
void euclidean_avx2(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void dot_avx2(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void coarse_avx2(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void nibbles_avx2(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void bits_popcnt(const uint8_t *planes,
                 const uint8_t *const *rows,
                 size_t n_rows,
                 size_t n,
                 uint32_t *sums,
                 uint32_t *ones);
float fine_avx2(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n);
void hadamard_avx2(float *vector, size_t n);
/* These need F16C. */
void halves_avx2(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void half_pairs_avx2(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);

void euclidean_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void dot_avx512(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void halves_avx512(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void half_pairs_avx512(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
/* These need AVX-512 BW and VNNI. */
void coarse_vnni(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void nibbles_vnni(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void bits_bitalg(const uint8_t *planes,
                 const uint8_t *const *rows,
                 size_t n_rows,
                 size_t n,
                 uint32_t *sums,
                 uint32_t *ones);
float fine_vnni(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n);
void hadamard_avx512(float *vector, size_t n);
#elif defined(__aarch64__)
void euclidean_neon(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void dot_neon(
    const float *query, const float *const *rows, size_t n_rows, size_t n_floats, float *out);
void coarse_neon(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void nibbles_neon(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void bits_neon(const uint8_t *planes,
               const uint8_t *const *rows,
               size_t n_rows,
               size_t n,
               uint32_t *sums,
               uint32_t *ones);
void coarse_dotprod(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
void nibbles_dotprod(
    const uint8_t *query, const uint8_t *const *rows, size_t n_rows, size_t n, float *out);
float fine_neon(const float *query, const uint8_t *coarse, const uint8_t *fine, size_t n);
void halves_neon(
    const float *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void half_pairs_neon(
    const uint16_t *query, const uint16_t *const *rows, size_t n_rows, size_t n, float *out);
void hadamard_neon(float *vector, size_t n);
#endif

#endif
