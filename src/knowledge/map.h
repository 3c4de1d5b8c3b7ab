/* A map from 64-bit keys (rows of the store, never 0) to 32-bit values: open addressing, no removal of keys. */
#ifndef NX_KNOWLEDGE_MAP_H
#define NX_KNOWLEDGE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NX_MAP_NONE UINT32_MAX

struct nx_map {
	uint64_t *keys;
	uint32_t *values;
	size_t n, cap; /* cap: a power of two, or 0 */
};

void nx_map_done(struct nx_map *m);
uint32_t nx_map_get(const struct nx_map *m, uint64_t key);       /* NX_MAP_NONE when absent */
bool nx_map_set(struct nx_map *m, uint64_t key, uint32_t value); /* false when out of memory */
bool nx_map_reserve(struct nx_map *m, size_t more);              /* so that the next `more` sets cannot fail */
void nx_map_clear(struct nx_map *m);

#endif
