#include "knowledge/dict.h"

#define FIRST_CAP 64

int nx_dict_init(struct nx_dict *d, struct nx_error **err)
{
	*d = (struct nx_dict){.n = 1, .cap = FIRST_CAP, .mask = 2 * FIRST_CAP - 1};
	d->arena = nx_arena_new(0);
	d->entries = calloc(d->cap, sizeof(*d->entries));
	d->slots = calloc((size_t)d->mask + 1, sizeof(*d->slots));
	if (d->arena && d->entries && d->slots)
		return 0;
	nx_dict_done(d);
	return nx_error_set(err, NX_ENOMEM, "no memory for a dictionary");
}

void nx_dict_done(struct nx_dict *d)
{
	nx_arena_free(d->arena);
	free(d->entries);
	free(d->slots);
	*d = (struct nx_dict){0};
}

static bool is_entry(const struct nx_dict_entry *e, uint8_t kind, nx_str s)
{
	return e->kind == kind && e->n == s.n && (s.n == 0 || memcmp(e->p, s.p, s.n) == 0);
}

static struct nx_dict_slot *slot_of(const struct nx_dict *d, uint8_t kind, nx_str s, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	for (uint32_t i = (uint32_t)hash & d->mask;; i = (i + 1) & d->mask) {
		struct nx_dict_slot *slot = &d->slots[i];
		if (slot->number == 0 || (slot->tag == tag && is_entry(&d->entries[slot->number], kind, s)))
			return slot;
	}
}

uint32_t nx_dict_find_hashed(const struct nx_dict *d, uint8_t kind, nx_str s, uint64_t hash)
{
	return d->slots ? slot_of(d, kind, s, hash)->number : 0;
}

uint32_t nx_dict_find(const struct nx_dict *d, uint8_t kind, nx_str s)
{
	return nx_dict_find_hashed(d, kind, s, nx_dict_hash(kind, s));
}

void nx_dict_expect(const struct nx_dict *d, const uint64_t *hashes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&d->slots[(uint32_t)hashes[i] & d->mask], 0, 3);
	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&d->entries[d->slots[(uint32_t)hashes[i] & d->mask].number], 0, 3);
	for (size_t i = 0; i < n; i++) {
		const struct nx_dict_slot *slot = &d->slots[(uint32_t)hashes[i] & d->mask];
		if (slot->number)
			__builtin_prefetch(d->entries[slot->number].p, 0, 3);
	}
}

static bool grow(struct nx_dict *d)
{
	if (d->cap >= UINT32_C(1) << 30)
		return false;
	uint32_t cap = 2 * d->cap, mask = 2 * cap - 1;
	struct nx_dict_entry *entries = realloc(d->entries, cap * sizeof(*entries));
	if (!entries)
		return false;
	d->entries = entries;
	struct nx_dict_slot *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	free(d->slots);
	d->slots = slots;
	d->mask = mask;
	d->cap = cap;
	for (uint32_t number = 1; number < d->n; number++) {
		nx_str s = nx_dict_string(d, number);
		uint8_t kind = d->entries[number].kind;
		uint64_t hash = nx_dict_hash(kind, s);
		*slot_of(d, kind, s, hash) = (struct nx_dict_slot){number, (uint32_t)(hash >> 32)};
	}
	return true;
}

uint32_t nx_dict_add(struct nx_dict *d, uint8_t kind, nx_str s)
{
	uint64_t hash = nx_dict_hash(kind, s);
	struct nx_dict_slot *slot = slot_of(d, kind, s, hash);
	if (slot->number || s.n > UINT32_MAX)
		return slot->number;
	if (d->n == d->cap) {
		if (!grow(d))
			return 0;
		slot = slot_of(d, kind, s, hash);
	}
	nx_str copy = nx_str_dup(d->arena, s);
	if (!copy.p)
		return 0;
	d->entries[d->n] = (struct nx_dict_entry){copy.p, (uint32_t)copy.n, kind};
	*slot = (struct nx_dict_slot){d->n, (uint32_t)(hash >> 32)};
	return d->n++;
}

size_t nx_dict_bytes(const struct nx_dict *d)
{
	return nx_arena_used(d->arena) + d->cap * sizeof(*d->entries) + ((size_t)d->mask + 1) * sizeof(*d->slots);
}
