#include "knowledge/dict.h"

#define FIRST_CAP 64

int nx_dict_init(struct nx_dict *d, struct nx_error **err)
{
	*d = (struct nx_dict){.n = 1, .cap = FIRST_CAP, .mask = 2 * FIRST_CAP - 1};
	d->arena = nx_arena_new(0);
	d->strings = calloc(d->cap, sizeof(*d->strings));
	d->hashes = calloc(d->cap, sizeof(*d->hashes));
	d->slots = calloc((size_t)d->mask + 1, sizeof(*d->slots));
	if (d->arena && d->strings && d->hashes && d->slots)
		return 0;
	nx_dict_done(d);
	return nx_error_set(err, NX_ENOMEM, "no memory for a dictionary");
}

void nx_dict_done(struct nx_dict *d)
{
	nx_arena_free(d->arena);
	free(d->strings);
	free(d->hashes);
	free(d->slots);
	*d = (struct nx_dict){0};
}

static uint32_t *slot_of(const struct nx_dict *d, nx_str s, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	for (uint32_t i = (uint32_t)hash & d->mask;; i = (i + 1) & d->mask) {
		uint32_t id = d->slots[i];
		if (id == 0 || (d->hashes[id] == tag && nx_str_eq(d->strings[id], s)))
			return &d->slots[i];
	}
}

uint32_t nx_dict_find(const struct nx_dict *d, nx_str s)
{
	return d->slots ? *slot_of(d, s, nx_str_hash(s)) : 0;
}

static bool grow(struct nx_dict *d)
{
	if (d->cap >= UINT32_C(1) << 30)
		return false;
	uint32_t cap = 2 * d->cap, mask = 2 * cap - 1;
	nx_str *strings = realloc(d->strings, cap * sizeof(*strings));
	if (!strings)
		return false;
	d->strings = strings;
	uint32_t *hashes = realloc(d->hashes, cap * sizeof(*hashes));
	if (!hashes)
		return false;
	d->hashes = hashes;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	free(d->slots);
	d->slots = slots;
	d->mask = mask;
	d->cap = cap;
	for (uint32_t id = 1; id < d->n; id++)
		*slot_of(d, d->strings[id], nx_str_hash(d->strings[id])) = id;
	return true;
}

uint32_t nx_dict_add(struct nx_dict *d, nx_str s)
{
	uint64_t hash = nx_str_hash(s);
	uint32_t *slot = slot_of(d, s, hash);
	if (*slot)
		return *slot;
	if (d->n == d->cap) {
		if (!grow(d))
			return 0;
		slot = slot_of(d, s, hash);
	}
	nx_str copy = nx_str_dup(d->arena, s);
	if (!copy.p)
		return 0;
	d->strings[d->n] = copy;
	d->hashes[d->n] = (uint32_t)(hash >> 32);
	*slot = d->n;
	return d->n++;
}

size_t nx_dict_bytes(const struct nx_dict *d)
{
	return nx_arena_used(d->arena) + d->cap * (sizeof(nx_str) + sizeof(uint32_t)) +
	       ((size_t)d->mask + 1) * sizeof(uint32_t);
}
