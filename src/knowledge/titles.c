#include "knowledge/titles.h"

#include <stdlib.h>
#include <string.h>

void nx_titles_done(struct nx_titles *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->v[i].forms);
	free(t->v);
	nx_map_done(&t->by_hash);
	nx_map_done(&t->longest);
	*t = (struct nx_titles){0};
}

/* FNV-1a over the forms; never 0, which the map does not take. */
static uint64_t hash_step(uint64_t h, uint32_t form)
{
	return (h ^ form) * UINT64_C(0x100000001b3);
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* The key for the `probe`-th of titles whose hashes collide. */
static uint64_t key_of(uint64_t h, uint32_t probe)
{
	return (h + probe * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

static uint32_t find(const struct nx_titles *t, const uint32_t *forms, uint32_t n, uint64_t h, uint32_t *ret_probe)
{
	for (uint32_t probe = 0;; probe++) {
		uint32_t i = nx_map_get(&t->by_hash, key_of(h, probe));
		*ret_probe = probe;
		if (i == NX_MAP_NONE)
			return NX_MAP_NONE;
		if (t->v[i].n == n && memcmp(t->v[i].forms, forms, n * sizeof(*forms)) == 0)
			return i;
	}
}

uint32_t nx_titles_add(struct nx_titles *t, const uint32_t *forms, uint32_t n, bool arabic, bool *ret_is_new)
{
	uint64_t h = HASH_START;
	uint32_t probe;
	for (uint32_t i = 0; i < n; i++)
		h = hash_step(h, forms[i]);
	uint32_t found = find(t, forms, n, h, &probe);
	*ret_is_new = found == NX_MAP_NONE;
	if (found != NX_MAP_NONE)
		return found;
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? 2 * t->cap : 64;
		struct nx_title *v = realloc(t->v, cap * sizeof(*v));
		if (!v)
			return NX_MAP_NONE;
		t->v = v;
		t->cap = cap;
	}
	uint32_t *copy = malloc(n * sizeof(*copy));
	uint32_t longest = nx_map_get(&t->longest, (uint64_t)forms[0] + 1);
	bool is_longer = longest == NX_MAP_NONE || longest < n;
	if (!copy || !nx_map_reserve(&t->by_hash, 1) ||
	    (is_longer && !nx_map_set(&t->longest, (uint64_t)forms[0] + 1, n))) {
		free(copy);
		return NX_MAP_NONE;
	}
	memcpy(copy, forms, n * sizeof(*copy));
	(void)nx_map_set(&t->by_hash, key_of(h, probe), t->n);
	t->v[t->n] = (struct nx_title){.forms = copy, .n = n, .arabic = arabic};
	return t->n++;
}

/* The longest title that begins with `first` and goes on with the forms after `at`. */
static bool match_from(const struct nx_titles *t, const struct nx_form *f, size_t n, size_t at, uint32_t first,
		       struct nx_title_match *ret)
{
	uint32_t forms[NX_TITLE_WORDS_MAX];
	uint64_t hashes[NX_TITLE_WORDS_MAX + 1] = {HASH_START};
	uint32_t longest = nx_map_get(&t->longest, (uint64_t)first + 1);
	if (longest == NX_MAP_NONE)
		return false;
	uint32_t len = 0;
	while (len < longest && len < NX_TITLE_WORDS_MAX && at + len < n) {
		forms[len] = len ? f[at + len].form : first;
		hashes[len + 1] = hash_step(hashes[len], forms[len]);
		len++;
	}
	for (; len > 0; len--) {
		uint32_t probe, i = find(t, forms, len, hashes[len], &probe);
		if (i == NX_MAP_NONE || (len == 1 && !t->v[i].arabic && !f[at].capital))
			continue;
		*ret = (struct nx_title_match){.title = i, .at = (uint32_t)at, .n = len};
		return true;
	}
	return false;
}

bool nx_titles_match(const struct nx_titles *t, const struct nx_form *f, size_t n, size_t at,
		     struct nx_title_match *ret)
{
	if (f[at].form && match_from(t, f, n, at, f[at].form, ret))
		return true;
	return f[at].without_particle && match_from(t, f, n, at, f[at].without_particle, ret);
}
