/*
 * Numbers in as few bits as the largest of a block needs (frame of reference; Zukowski et al. 2006), least significant bit
 * first. Decoding reads up to PACKED_SLACK bytes beyond the last number: whoever keeps blocks keeps as many behind them.
 */
#ifndef NX_KNOWLEDGE_PACKED_H
#define NX_KNOWLEDGE_PACKED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NX_PACKED_SLACK 8

/* Bits that the greatest of the numbers needs; 0 when all are 0. */
static inline unsigned nx_packed_bits(const uint32_t *v, uint32_t n)
{
	uint32_t all = 0;
	for (uint32_t i = 0; i < n; i++)
		all |= v[i];
	return all ? 32 - (unsigned)__builtin_clz(all) : 0;
}

static inline size_t nx_packed_bytes(uint32_t n, unsigned bits)
{
	return ((size_t)n * bits + 7) / 8;
}

/* Into bytes that are zero. Returns how many. */
static inline size_t nx_pack(const uint32_t *v, uint32_t n, unsigned bits, uint8_t *ret)
{
	uint64_t at = 0;
	for (uint32_t i = 0; i < n; i++, at += bits) {
		uint64_t word;
		memcpy(&word, ret + at / 8, sizeof(word));
		word |= (uint64_t)v[i] << at % 8;
		memcpy(ret + at / 8, &word, sizeof(word));
	}
	return nx_packed_bytes(n, bits);
}

/* The numbers from number `first` on. */
static inline void nx_unpack_from(const uint8_t *p, uint64_t first, uint32_t n, unsigned bits, uint32_t *ret)
{
	const uint32_t mask = bits == 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1;
	uint64_t at = first * bits;
	for (uint32_t i = 0; i < n; i++, at += bits) {
		uint64_t word;
		memcpy(&word, p + at / 8, sizeof(word));
		ret[i] = (uint32_t)(word >> at % 8) & mask;
	}
}

static inline void nx_unpack(const uint8_t *p, uint32_t n, unsigned bits, uint32_t *ret)
{
	nx_unpack_from(p, 0, n, bits, ret);
}

#endif
