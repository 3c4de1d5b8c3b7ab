/*
 * A dictionary: strings to dense numbers from 1, and back. Open addressing over the xxh3 hash, strings in an arena of its
 * own; nothing is ever removed. Readers and the writer are kept apart by whoever owns it.
 */
#ifndef NX_KNOWLEDGE_DICT_H
#define NX_KNOWLEDGE_DICT_H

#include "base/str.h"

struct nx_dict {
	struct nx_arena *arena;
	nx_str *strings;  /* by number; [0] unused */
	uint32_t *hashes; /* upper half of the hash, by number */
	uint32_t n, cap;  /* numbers given + 1, room */
	uint32_t *slots;  /* power of two */
	uint32_t mask;
};

int nx_dict_init(struct nx_dict *d, struct nx_error **err);
void nx_dict_done(struct nx_dict *d);
uint32_t nx_dict_find(const struct nx_dict *d, nx_str s); /* 0: not there */
/* The number of `s`, new when it was not there; 0 when out of memory or past 2^32 - 2 strings. */
uint32_t nx_dict_add(struct nx_dict *d, nx_str s);
static inline nx_str nx_dict_string(const struct nx_dict *d, uint32_t id)
{
	return id < d->n ? d->strings[id] : NX_STR_NULL;
}
size_t nx_dict_bytes(const struct nx_dict *d);

#endif
