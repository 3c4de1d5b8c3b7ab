/*
 * Rice codes (Rice and Plaunt 1971): a number is its part above k bits in ones, a zero, and its k lowest bits. For gaps, which
 * are mostly small and seldom large, it takes about half a bit more than there is to say. A part of RICE_ESCAPE or more is so
 * many ones and 32 plain bits. Bits go from the least significant on.
 *
 * Reading takes whole words: whoever keeps codes keeps NX_RICE_SLACK bytes behind them.
 */
#ifndef NX_KNOWLEDGE_RICE_H
#define NX_KNOWLEDGE_RICE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NX_RICE_SLACK 8
#define NX_RICE_ESCAPE 24u
#define NX_RICE_BITS_MAX (NX_RICE_ESCAPE + 32) /* of a number, when k is at most 24 */
#define NX_RICE_K_MAX 24u

/* Into bytes that are zero from `at` (bits) on. */
static inline void nx_rice_put_bits(uint8_t *to, uint64_t *at, uint64_t v, unsigned n)
{
	uint64_t word;
	memcpy(&word, to + *at / 8, sizeof(word));
	word |= v << *at % 8;
	memcpy(to + *at / 8, &word, sizeof(word));
	*at += n;
}
static inline void nx_rice_put(uint8_t *to, uint64_t *at, uint32_t v, unsigned k)
{
	uint32_t q = v >> k;
	if (q >= NX_RICE_ESCAPE) {
		nx_rice_put_bits(to, at, (UINT64_C(1) << NX_RICE_ESCAPE) - 1, NX_RICE_ESCAPE);
		nx_rice_put_bits(to, at, v, 32);
		return;
	}
	nx_rice_put_bits(to, at, (UINT64_C(1) << q) - 1, q + 1);
	nx_rice_put_bits(to, at, v & ((UINT32_C(1) << k) - 1), k);
}

static inline uint64_t nx_rice_bits(const uint8_t *from, uint64_t at)
{
	uint64_t word;
	memcpy(&word, from + at / 8, sizeof(word));
	return word >> at % 8; /* 57 of them at least */
}
static inline uint32_t nx_rice_get(const uint8_t *from, uint64_t *at, unsigned k)
{
	uint64_t word = nx_rice_bits(from, *at);
	unsigned q = (unsigned)__builtin_ctzll(~word | UINT64_C(1) << NX_RICE_ESCAPE);
	if (q >= NX_RICE_ESCAPE) {
		*at += NX_RICE_ESCAPE;
		uint32_t v = (uint32_t)nx_rice_bits(from, *at);
		*at += 32;
		return v;
	}
	*at += q + 1 + k;
	return q << k | ((uint32_t)(word >> (q + 1)) & ((UINT32_C(1) << k) - 1));
}

/* The k that is best for numbers of this sum: that of the geometric distribution with their mean. */
static inline unsigned nx_rice_k(uint64_t sum, uint64_t n)
{
	unsigned k = 0;
	for (uint64_t mean = n ? sum * 69 / 100 / n : 0; mean > 1 && k < NX_RICE_K_MAX; mean /= 2)
		k++;
	return k;
}

#endif
