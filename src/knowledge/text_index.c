#include "knowledge/text_index.h"

#include "base/assert.h"

#include <math.h>

void nx_text_index_init(struct nx_text_index *x)
{
	*x = (struct nx_text_index){0};
}

static void part_done(struct nx_text_part *p)
{
	nx_segment_free(p->segment);
	nx_tail_free(p->tail);
	free(p->slots);
}

void nx_text_index_done(struct nx_text_index *x)
{
	for (uint32_t i = 0; i < x->nparts; i++)
		part_done(&x->parts[i]);
	free(x->parts);
	free(x->places);
	*x = (struct nx_text_index){0};
}

static int no_memory(struct nx_error **err)
{
	return nx_error_set(err, NX_ENOMEM, "no memory for the text index");
}

/* ---- adding ---- */

static struct nx_text_part *open_tail(struct nx_text_index *x)
{
	if (x->nparts && x->parts[x->nparts - 1].tail)
		return &x->parts[x->nparts - 1];
	if (x->nparts == x->parts_cap) {
		uint32_t cap = x->parts_cap + 8;
		struct nx_text_part *v = realloc(x->parts, cap * sizeof(*v));
		if (!v)
			return NULL;
		x->parts = v;
		x->parts_cap = cap;
	}
	struct nx_tail *t = nx_tail_new();
	if (!t)
		return NULL;
	x->parts[x->nparts] = (struct nx_text_part){.tail = t, .serial = ++x->serials};
	return &x->parts[x->nparts++];
}

static bool reserve_slots(struct nx_text_part *p)
{
	if (p->n < p->slots_cap)
		return true;
	uint32_t cap = p->slots_cap ? 2 * p->slots_cap : 64;
	uint32_t *v = realloc(p->slots, cap * sizeof(*v));
	if (!v)
		return false;
	p->slots = v;
	p->slots_cap = cap;
	return true;
}

static bool reserve_places(struct nx_text_index *x, uint32_t slot)
{
	if (slot >= x->places_cap) {
		uint32_t cap = nx_max(2 * x->places_cap, slot + 256);
		struct nx_text_place *v = realloc(x->places, cap * sizeof(*v));
		if (!v)
			return false;
		x->places = v;
		x->places_cap = cap;
	}
	return true;
}

/* Last, so that a slot whose passage could not be added may be tried again. */
static void put_place(struct nx_text_index *x, uint32_t slot, struct nx_text_place place)
{
	while (x->nplaces < slot)
		x->places[x->nplaces++] = (struct nx_text_place){0};
	x->places[x->nplaces++] = place;
}

struct passage {
	uint32_t *words;
	uint64_t *hashes;
	size_t n;
};

static void hash_words(struct passage *p, const struct nx_term *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p->hashes[p->n++] = nx_tail_hash(v[i].surface);
}

static bool put_words(struct nx_tail *t, const struct nx_term *v, size_t n, struct passage *p)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t flags =
			(v[i].flags & NX_W_STOP ? NX_TEXT_STOP : 0) | (v[i].flags & NX_W_ARABIC ? NX_TEXT_ARABIC : 0);
		uint32_t surface = nx_tail_surface(t, v[i].surface, p->hashes[p->n], v[i].stem, flags);
		if (!surface)
			return false;
		p->words[p->n++] = surface << 1 | ((v[i].flags & NX_W_CAPITAL) != 0);
	}
	return true;
}

int nx_text_index_add(struct nx_text_index *x, uint32_t slot, int64_t key, const struct nx_term *title, size_t ntitle,
		      const struct nx_term *text, size_t ntext, struct nx_error **err)
{
	nx_assert(slot >= x->nplaces && slot < UINT32_C(1) << 31);
	struct nx_text_part *p = open_tail(x);
	size_t n = ntitle + ntext + 1;
	nx_auto_free uint64_t *memory = malloc(n * (sizeof(uint64_t) + sizeof(uint32_t)));
	struct passage at = {.hashes = memory, .words = memory ? (uint32_t *)(memory + n) : NULL};
	if (!p || !memory || !reserve_slots(p) || !reserve_places(x, slot))
		return no_memory(err);
	hash_words(&at, title, ntitle);
	at.hashes[at.n++] = 0;
	hash_words(&at, text, ntext);
	nx_dict_expect(&p->tail->names, at.hashes, n);
	at.n = 0;
	bool ok = put_words(p->tail, title, ntitle, &at);
	at.words[at.n++] = 0;
	if (!ok || !put_words(p->tail, text, ntext, &at))
		return no_memory(err);
	int r = nx_tail_add(p->tail, key, at.words, at.n, err);
	if (r < 0)
		return r;
	put_place(x, slot, (struct nx_text_place){p->serial, p->n});
	p->slots[p->n++] = slot;
	return 0;
}

size_t nx_text_index_bytes(const struct nx_text_index *x)
{
	size_t n = x->places_cap * sizeof(*x->places);
	for (uint32_t i = 0; i < x->nparts; i++) {
		const struct nx_text_part *p = &x->parts[i];
		n += (p->segment ? p->segment->bytes + ((size_t)p->segment->table_mask + 1) * sizeof(*p->segment->table)
				 : nx_tail_bytes(p->tail)) +
		     p->slots_cap * sizeof(*p->slots);
	}
	return n;
}

/* ---- parts ---- */

uint32_t nx_text_part_find(const struct nx_text_part *p, enum nx_text_term kind, nx_str string)
{
	return p->segment ? nx_segment_find(p->segment, kind, string) : nx_tail_find(p->tail, kind, string);
}

static uint32_t part_df(const struct nx_text_part *p, enum nx_text_term kind, uint32_t term)
{
	if (!term)
		return 0;
	if (p->segment)
		return nx_segment_df(p->segment, term);
	return kind == NX_TEXT_ROOT ? p->tail->terms[term].df : nx_postings_df(&p->tail->postings, term);
}

uint32_t nx_text_df(const struct nx_text_index *x, enum nx_text_term kind, nx_str string)
{
	uint32_t df = 0;
	for (uint32_t i = 0; i < x->nparts; i++)
		df += part_df(&x->parts[i], kind, nx_text_part_find(&x->parts[i], kind, string));
	return df;
}

struct least {
	const struct nx_text_index *x;
	uint32_t df;
};

static bool least_gram(void *ctx, nx_str gram)
{
	struct least *l = ctx;
	l->df = nx_min(l->df, nx_text_df(l->x, NX_TEXT_GRAM, gram));
	return true;
}

uint32_t nx_text_word_df(const struct nx_text_index *x, const struct nx_term *t)
{
	struct least l = {x, UINT32_MAX};
	if (!(t->flags & NX_W_ARABIC))
		return nx_text_df(x, NX_TEXT_ROOT, t->stem);
	(void)nx_stem_parts(t->stem, true, least_gram, &l);
	return l.df == UINT32_MAX ? 0 : l.df;
}

double nx_text_idf(const struct nx_text_index *x, uint32_t df)
{
	double n = 0;
	for (uint32_t i = 0; i < x->nparts; i++)
		n += x->parts[i].n;
	return df ? log1p((fmax(n - df, 0) + 0.5) / (df + 0.5)) : 0;
}
