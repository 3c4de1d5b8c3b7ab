/*
 * Inner products of vectors, by the widest instructions that the processor has: AVX-512 (VNNI), AVX2 or NEON, chosen when
 * first asked; plain C otherwise.
 *
 * Lengths are multiples of NX_VECTOR_LANES; pad with zero (codes: with NX_CODE_ZERO). No alignment is asked for. The
 * integer kernels give the same number on every processor; the others differ by rounding alone. Any thread.
 */
#ifndef NX_KNOWLEDGE_VECTOR_KERNELS_H
#define NX_KNOWLEDGE_VECTOR_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define NX_VECTOR_LANES 64
#define NX_CODE_ZERO 128 /* a code is a signed component plus this: VNNI multiplies unsigned by signed bytes */

struct nx_vector_kernels {
	const char *name;
	/* Σ stored[i] · query[i], the offset of `stored` included. |sum| < 2³¹ for n ≤ 65,536. */
	int32_t (*codes)(const uint8_t *stored, const int8_t *query, uint32_t n);
	/* Σ (a[i] - 128) · (b[i] - 128) */
	int32_t (*pair)(const uint8_t *a, const uint8_t *b, uint32_t n);
	/* bfloat16 (the upper half of a float32) by float32 */
	float (*bf16)(const uint16_t *stored, const float *query, uint32_t n);
	float (*f32)(const float *stored, const float *query, uint32_t n);
};

/* The best of this processor. */
const struct nx_vector_kernels *nx_vector_kernels(void);
/* All that this processor can run, the plain ones first; for tests that compare them. */
size_t nx_vector_kernels_all(const struct nx_vector_kernels **ret, size_t max);

#endif
