/*
 * A dictionary: strings of some kind to dense numbers from 1, and back. The same string of two kinds has two numbers. Open
 * addressing over the xxh3 hash, strings in an arena of its own; nothing is ever removed. Readers and the writer are kept
 * apart by whoever owns it.
 */
#ifndef NX_KNOWLEDGE_DICT_H
#define NX_KNOWLEDGE_DICT_H

#include "base/str.h"

/* The upper half of the hash beside the number: a probe of another string costs no look at it. */
struct nx_dict_slot {
	uint32_t number, tag; /* number 0: free */
};
struct nx_dict_entry {
	const char *p;
	uint32_t n;
	uint8_t kind;
};
struct nx_dict {
	struct nx_arena *arena;
	struct nx_dict_entry *entries; /* by number; [0] unused */
	uint32_t n, cap;               /* numbers given + 1, room */
	struct nx_dict_slot *slots;    /* power of two */
	uint32_t mask;
};

int nx_dict_init(struct nx_dict *d, struct nx_error **err);
void nx_dict_done(struct nx_dict *d);
static inline uint64_t nx_dict_hash(uint8_t kind, nx_str s)
{
	return nx_str_hash(s) + kind * UINT64_C(0x9e3779b97f4a7c15);
}
uint32_t nx_dict_find(const struct nx_dict *d, uint8_t kind, nx_str s); /* 0: not there */
/* The number of `s`, new when it was not there; 0 when out of memory or past 2^30 strings. */
uint32_t nx_dict_add(struct nx_dict *d, uint8_t kind, nx_str s);
/* The same with a hash that is known. */
uint32_t nx_dict_find_hashed(const struct nx_dict *d, uint8_t kind, nx_str s, uint64_t hash);
/* Has what look-ups of these hashes will read brought into the cache, all at once: one by one they would wait for it. */
void nx_dict_expect(const struct nx_dict *d, const uint64_t *hashes, size_t n);
static inline nx_str nx_dict_string(const struct nx_dict *d, uint32_t id)
{
	return id < d->n ? nx_str_n(d->entries[id].p, d->entries[id].n) : NX_STR_NULL;
}
static inline uint8_t nx_dict_kind(const struct nx_dict *d, uint32_t id)
{
	return id < d->n ? d->entries[id].kind : 0;
}
size_t nx_dict_bytes(const struct nx_dict *d);

#endif
