#include "knowledge/text_tail.h"

#include "knowledge/text.h"

#include "base/assert.h"
#include "base/fault.h"

#define NAME_MAX 255
#define VARINT_MAX 5

/* Room for `need` elements; false when out of memory, and all is as it was. */
static bool reserve(void *array, uint32_t *cap, size_t need, size_t size)
{
	void **at = array;
	if (need <= *cap)
		return true;
	size_t more = nx_max(need, (size_t)*cap + *cap / 2 + 64), bytes;
	if (more > UINT32_MAX || nx_mul_overflows(more, size, &bytes))
		return false;
	void *p = realloc(*at, bytes);
	if (!p)
		return false;
	memset((char *)p + *cap * size, 0, bytes - *cap * size);
	*at = p;
	*cap = (uint32_t)more;
	return true;
}

struct nx_tail *nx_tail_new(void)
{
	struct nx_tail *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	nx_postings_init(&t->postings);
	t->words_at = calloc(1, sizeof(*t->words_at));
	if (t->words_at && nx_dict_init(&t->names, NULL) == 0 &&
	    reserve(&t->terms, &t->terms_cap, 1, sizeof(*t->terms)))
		return t;
	nx_tail_free(t);
	return NULL;
}

void nx_tail_free(struct nx_tail *t)
{
	if (!t)
		return;
	nx_dict_done(&t->names);
	nx_postings_done(&t->postings);
	free(t->terms);
	free(t->grams);
	free(t->keys);
	free(t->words_at);
	free(t->words);
	free(t->scratch);
	free(t->scratch_at);
	free(t);
}

/* ---- terms ---- */

static nx_str cut(nx_str s)
{
	return s.n <= NAME_MAX ? s : nx_utf8_truncate(s, NAME_MAX);
}

uint32_t nx_tail_find(const struct nx_tail *t, enum nx_text_term kind, nx_str string)
{
	return nx_dict_find(&t->names, (uint8_t)kind, cut(string));
}

/* The number of a term, known or new; *ret_is_new tells. */
static uint32_t add_term(struct nx_tail *t, enum nx_text_term kind, nx_str s, bool *ret_is_new)
{
	if (!reserve(&t->terms, &t->terms_cap, (size_t)t->names.n + 1, sizeof(*t->terms)))
		return 0;
	uint32_t next = t->names.n, number = nx_dict_add(&t->names, (uint8_t)kind, cut(s));
	*ret_is_new = number == next;
	if (number && *ret_is_new)
		t->terms[number] = (struct nx_tail_term){.kind = (uint8_t)kind, .last_doc = UINT32_MAX};
	return number;
}

static bool add_gram(void *ctx, nx_str part)
{
	struct nx_tail *t = ctx;
	bool is_new;
	uint32_t number = add_term(t, NX_TEXT_GRAM, part, &is_new);
	if (!number || !reserve(&t->grams, &t->grams_cap, (size_t)t->ngrams + 1, sizeof(*t->grams)))
		return false;
	t->grams[t->ngrams++] = number;
	return true;
}

uint32_t nx_tail_surface(struct nx_tail *t, nx_str surface, uint64_t hash, nx_str root, uint32_t flags)
{
	bool is_new, root_is_new;
	uint32_t known = nx_dict_find_hashed(&t->names, NX_TEXT_SURFACE, surface, hash), grams = t->ngrams;
	if (known)
		return known;
	/* The surface last, so that it is never there without what belongs to it. */
	uint32_t r = add_term(t, NX_TEXT_ROOT, root, &root_is_new);
	if (!r || ((flags & NX_TEXT_ARABIC) && !nx_stem_parts(root, true, add_gram, t)))
		return 0;
	uint32_t number = add_term(t, NX_TEXT_SURFACE, surface, &is_new);
	if (!number)
		return 0;
	struct nx_tail_term *term = &t->terms[number], *of_root = &t->terms[r];
	term->flags = (uint8_t)flags;
	term->root = r;
	term->grams = grams;
	term->ngrams = t->ngrams - grams;
	term->form = of_root->form;
	of_root->form = number;
	of_root->nforms++;
	return number;
}

/* ---- passages ---- */

static bool count_term(struct nx_tail *t, uint32_t term)
{
	if (t->scratch_at[term]) {
		t->scratch[t->scratch_at[term] - 1].tf++;
		return true;
	}
	if (!reserve(&t->scratch, &t->scratch_cap, (size_t)t->nscratch + 1, sizeof(*t->scratch)))
		return false;
	t->scratch[t->nscratch++] = (struct nx_term_freq){term, 1};
	t->scratch_at[term] = t->nscratch;
	return true;
}

static bool count_words(struct nx_tail *t, const uint32_t *words, size_t n, uint32_t *ret_length)
{
	*ret_length = 0;
	for (size_t i = 0; i < n; i++) {
		const struct nx_tail_term *term = &t->terms[words[i] >> 1];
		if (words[i] == 0)
			continue;
		if (!count_term(t, words[i] >> 1))
			return false;
		if (term->flags & NX_TEXT_STOP) /* it is looked for in rows of words alone */
			continue;
		for (uint32_t g = 0; g < term->ngrams; g++)
			if (!count_term(t, t->grams[term->grams + g]))
				return false;
		*ret_length += term->ngrams ? 1 + term->ngrams : 2; /* a Latin word counts as itself and its root */
	}
	return true;
}

static void forget_counts(struct nx_tail *t)
{
	for (uint32_t i = 0; i < t->nscratch; i++)
		t->scratch_at[t->scratch[i].term] = 0;
	t->nscratch = 0;
}

static bool reserve_passage(struct nx_tail *t, size_t words)
{
	uint64_t need = t->nwords + words * VARINT_MAX;
	if (need > t->words_cap) {
		uint64_t cap = nx_max(need, t->words_cap + t->words_cap / 2);
		uint8_t *p = realloc(t->words, cap);
		if (!p)
			return false;
		t->words = p;
		t->words_cap = cap;
	}
	if (t->n == t->docs_cap) {
		size_t cap = t->docs_cap ? (size_t)t->docs_cap * 2 : 64;
		uint64_t *at = cap < NX_SEGMENT_DOCS_MAX ? realloc(t->words_at, (cap + 1) * sizeof(*at)) : NULL;
		if (!at)
			return false;
		t->words_at = at;
		int64_t *keys = realloc(t->keys, cap * sizeof(*keys));
		if (!keys)
			return false;
		t->keys = keys;
		t->docs_cap = (uint32_t)cap;
	}
	return reserve(&t->scratch_at, &t->scratch_at_cap, t->names.n, sizeof(*t->scratch_at));
}

static void put_words(struct nx_tail *t, const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t v = words[i];
		for (; v >= 0x80; v >>= 7)
			t->words[t->nwords++] = (uint8_t)(v | 0x80);
		t->words[t->nwords++] = (uint8_t)v;
	}
}

static void count_roots(struct nx_tail *t)
{
	for (uint32_t i = 0; i < t->nscratch; i++) {
		const struct nx_tail_term *term = &t->terms[t->scratch[i].term];
		struct nx_tail_term *root = &t->terms[term->root];
		if (term->kind != NX_TEXT_SURFACE || (term->flags & NX_TEXT_STOP) || root->last_doc == t->n)
			continue;
		root->last_doc = t->n;
		root->df++;
	}
}

int nx_tail_add(struct nx_tail *t, int64_t key, const uint32_t *words, size_t n, struct nx_error **err)
{
	uint32_t length = 0;
	if (NX_FAULT(index_add) || !reserve_passage(t, n) || !count_words(t, words, n, &length) ||
	    nx_postings_add(&t->postings, t->n, t->scratch, t->nscratch, nx_min(length, (uint32_t)UINT16_MAX), NULL) <
		    0) {
		if (t->nscratch)
			forget_counts(t);
		return nx_error_set(err, NX_ENOMEM, "no memory for the text index");
	}
	count_roots(t);
	forget_counts(t);
	put_words(t, words, n);
	t->keys[t->n++] = key;
	t->words_at[t->n] = t->nwords;
	return 0;
}

size_t nx_tail_bytes(const struct nx_tail *t)
{
	return nx_postings_bytes(&t->postings) + nx_dict_bytes(&t->names) + t->terms_cap * sizeof(*t->terms) +
	       t->words_cap + t->docs_cap * (sizeof(*t->keys) + sizeof(*t->words_at));
}
