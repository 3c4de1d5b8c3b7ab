#include "knowledge/map.h"

#include <stdlib.h>
#include <string.h>

/* Finalizer of splitmix64: rows are consecutive numbers. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static size_t slot_of(const struct nx_map *m, uint64_t key)
{
	size_t i = mix(key) & (m->cap - 1);
	while (m->keys[i] && m->keys[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

void nx_map_done(struct nx_map *m)
{
	free(m->keys);
	free(m->values);
	*m = (struct nx_map){0};
}

void nx_map_clear(struct nx_map *m)
{
	if (m->cap)
		memset(m->keys, 0, m->cap * sizeof(*m->keys));
	m->n = 0;
}

uint32_t nx_map_get(const struct nx_map *m, uint64_t key)
{
	if (!m->cap)
		return NX_MAP_NONE;
	size_t i = slot_of(m, key);
	return m->keys[i] ? m->values[i] : NX_MAP_NONE;
}

bool nx_map_reserve(struct nx_map *m, size_t more)
{
	size_t cap = m->cap ? m->cap : 16;
	while (cap / 2 < m->n + more)
		cap *= 2;
	if (cap == m->cap)
		return true;
	struct nx_map next = {
		.keys = calloc(cap, sizeof(*next.keys)), .values = calloc(cap, sizeof(*next.values)), .cap = cap};
	if (!next.keys || !next.values) {
		nx_map_done(&next);
		return false;
	}
	for (size_t i = 0; i < m->cap; i++) {
		if (m->keys[i]) {
			size_t to = slot_of(&next, m->keys[i]);
			next.keys[to] = m->keys[i];
			next.values[to] = m->values[i];
		}
	}
	next.n = m->n;
	nx_map_done(m);
	*m = next;
	return true;
}

bool nx_map_set(struct nx_map *m, uint64_t key, uint32_t value)
{
	if (!nx_map_reserve(m, 1))
		return false;
	size_t i = slot_of(m, key);
	if (!m->keys[i]) {
		m->keys[i] = key;
		m->n++;
	}
	m->values[i] = value;
	return true;
}
