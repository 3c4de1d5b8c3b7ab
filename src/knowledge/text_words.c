/* What words stand in passages, and where. */
#include "knowledge/text_index_internal.h"

#include "base/assert.h"

#define END UINT32_MAX

/* A word: the surfaces that it may be, walked together. */
struct word {
	struct nx_text_cursor *cursors;
	uint32_t *surfaces;
	uint32_t n, cap;
	uint64_t postings;
	bool failed; /* out of memory */
};
struct adding {
	struct word *w;
	const struct nx_text_part *part;
	struct nx_arena *a;
	bool skips_stops;
};

static bool add_surface(void *ctx, uint32_t surface)
{
	struct adding *x = ctx;
	struct word *w = x->w;
	uint32_t postings = nx_text_part_postings(x->part, surface);
	if (postings == 0 || (x->skips_stops && nx_text_part_is_stop(x->part, surface)))
		return true;
	if (w->n == w->cap) {
		uint32_t cap = w->cap ? 2 * w->cap : 4;
		struct nx_text_cursor *c = nx_arena_realloc(x->a, w->cursors, w->cap * sizeof(*c), cap * sizeof(*c));
		uint32_t *s = c ? nx_arena_realloc(x->a, w->surfaces, w->cap * sizeof(*s), cap * sizeof(*s)) : NULL;
		if (!s) {
			w->failed = true;
			return false;
		}
		w->cursors = c;
		w->surfaces = s;
		w->cap = cap;
	}
	nx_text_cursor_init(&w->cursors[w->n], x->part, surface);
	w->surfaces[w->n++] = surface;
	w->postings += postings;
	return true;
}

static void add_root(struct adding *x, nx_str root)
{
	uint32_t term = nx_text_part_find(x->part, NX_TEXT_ROOT, root);
	if (term)
		(void)nx_text_part_forms(x->part, term, add_surface, x);
}

/* و ف ب ك ل س, two bytes each, are written as one word with what follows. */
static void add_behind_particles(struct adding *x, nx_str root)
{
	static const char *const particles[] = {"و", "ف", "ب", "ك", "ل", "س"};
	char text[2 + NX_WORD_MAX];
	if (root.n > NX_WORD_MAX)
		return;
	memcpy(text + 2, root.p, root.n);
	for (size_t i = 0; i < nx_countof(particles); i++) {
		memcpy(text, particles[i], 2);
		add_root(x, nx_str_n(text, root.n + 2));
	}
}

static uint32_t doc_of(const struct word *w)
{
	uint32_t doc = END;
	for (uint32_t i = 0; i < w->n; i++)
		doc = nx_min(doc, nx_text_cursor_doc(&w->cursors[i]));
	return doc;
}

static void seek(struct word *w, uint32_t doc)
{
	for (uint32_t i = 0; i < w->n; i++)
		nx_text_cursor_seek(&w->cursors[i], doc);
}

/* ---- sequences ---- */

struct finder {
	const struct nx_text_sequence *q;
	const struct nx_text_part *part;
	struct word words[NX_TEXT_SEQUENCE_MAX];
	uint32_t rarest;
	struct nx_arena *a;
};

/* False: not in this part, or out of memory. */
static bool open_words(struct finder *f)
{
	f->rarest = 0;
	for (uint32_t i = 0; i < f->q->n; i++) {
		struct word *w = &f->words[i];
		struct adding x = {.w = w, .part = f->part, .a = f->a};
		*w = (struct word){0};
		if (f->q->is_arabic) {
			add_root(&x, f->q->words[i]);
			if (i == 0)
				add_behind_particles(&x, f->q->words[i]);
		} else {
			uint32_t surface = nx_text_part_find(f->part, NX_TEXT_SURFACE, f->q->words[i]);
			if (surface)
				(void)add_surface(&x, surface);
		}
		if (w->failed || w->n == 0)
			return false;
		if (w->postings < f->words[f->rarest].postings)
			f->rarest = i;
	}
	return true;
}

static bool is_one_of(const struct word *w, uint32_t surface)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->surfaces[i] == surface)
			return true;
	return false;
}

/* In the tail the words are there to be read. */
static bool begins_here(const struct finder *f, struct nx_tail_words at)
{
	uint32_t v;
	for (uint32_t i = 0; i < f->q->n; i++) {
		if (!nx_tail_next_word(&at, &v) || v == 0)
			return false;
		if (!is_one_of(&f->words[i], v >> 1) || (i == 0 && f->q->needs_capital && !(v & 1)))
			return false;
	}
	return true;
}

static bool tail_has(const struct finder *f, uint32_t doc)
{
	uint32_t v;
	struct nx_tail_words w = nx_tail_words(f->part->tail, doc);
	for (struct nx_tail_words at = w; nx_tail_next_word(&w, &v); at = w)
		if (begins_here(f, at))
			return true;
	return false;
}

#define POSITIONS_MAX 1024 /* of a word in one passage that are looked at */

/* Is the word at `position`, in the doc that its cursors stand at? */
static bool is_at(struct word *w, uint32_t doc, uint32_t position)
{
	uint32_t v[POSITIONS_MAX];
	for (uint32_t i = 0; i < w->n; i++) {
		if (nx_text_cursor_doc(&w->cursors[i]) != doc)
			continue;
		uint32_t n = nx_segment_cursor_positions(&w->cursors[i].segment, v, POSITIONS_MAX);
		for (uint32_t j = 0; j < n; j++)
			if (v[j] >> 1 == position)
				return true;
	}
	return false;
}

static bool follows(struct finder *f, uint32_t doc, uint32_t start)
{
	for (uint32_t i = 1; i < f->q->n; i++)
		if (!is_at(&f->words[i], doc, start + i))
			return false;
	return true;
}

static bool segment_has(struct finder *f, uint32_t doc)
{
	uint32_t v[POSITIONS_MAX];
	struct word *w = &f->words[0];
	for (uint32_t i = 0; i < w->n; i++) {
		if (nx_text_cursor_doc(&w->cursors[i]) != doc)
			continue;
		uint32_t n = nx_segment_cursor_positions(&w->cursors[i].segment, v, POSITIONS_MAX);
		for (uint32_t j = 0; j < n; j++)
			if ((!f->q->needs_capital || (v[j] & 1)) && follows(f, doc, v[j] >> 1))
				return true;
	}
	return false;
}

static bool all_are_in(struct finder *f, uint32_t doc)
{
	for (uint32_t i = 0; i < f->q->n; i++) {
		seek(&f->words[i], doc);
		if (doc_of(&f->words[i]) != doc)
			return false;
	}
	return true;
}

/* False when `each` has had enough. */
static bool find_in_part(struct finder *f, bool (*each)(void *ctx, uint32_t slot), void *ctx)
{
	struct word *rarest = &f->words[f->rarest];
	for (uint32_t doc; (doc = doc_of(rarest)) != END; seek(rarest, doc + 1)) {
		if (f->part->slots[doc] == END || !all_are_in(f, doc))
			continue;
		if ((f->part->tail ? tail_has(f, doc) : segment_has(f, doc)) && !each(ctx, f->part->slots[doc]))
			return false;
	}
	return true;
}

static bool has_failed(const struct finder *f)
{
	for (uint32_t i = 0; i < f->q->n; i++)
		if (f->words[i].failed)
			return true;
	return false;
}

int nx_text_find_sequence(const struct nx_text_index *x, const struct nx_text_sequence *q, struct nx_arena *a,
			  bool (*each)(void *ctx, uint32_t slot), void *ctx, struct nx_error **err)
{
	nx_assert(q->n > 0 && q->n <= NX_TEXT_SEQUENCE_MAX);
	struct finder f = {.q = q, .a = a};
	for (uint32_t i = 0; i < x->nparts; i++) {
		memset(f.words, 0, sizeof(f.words));
		f.part = &x->parts[i];
		if (open_words(&f)) {
			if (!find_in_part(&f, each, ctx))
				return 0;
		} else if (has_failed(&f)) {
			return nx_error_set(err, NX_ENOMEM, "no memory to look for %u words", q->n);
		}
	}
	return 0;
}

/* ---- which words ---- */

static void mask_in_part(const struct nx_text_index *x, const struct nx_text_part *p, struct word *w, uint64_t bit,
			 const uint32_t *slots, size_t nslots, uint64_t *ret)
{
	for (size_t i = 0; i < nslots; i++) {
		struct nx_text_place at = slots[i] < x->nplaces ? x->places[slots[i]] : (struct nx_text_place){0};
		if (at.serial != p->serial)
			continue;
		seek(w, at.doc);
		if (doc_of(w) == at.doc)
			ret[i] |= bit;
	}
}

int nx_text_masks(const struct nx_text_index *x, const nx_str *roots, size_t n, const uint32_t *slots, size_t nslots,
		  struct nx_arena *a, uint64_t *ret, struct nx_error **err)
{
	nx_assert(n <= 64);
	for (size_t i = 0; i < nslots; i++)
		ret[i] = 0;
	for (uint32_t i = 0; i < x->nparts; i++) {
		for (size_t j = 0; j < n; j++) {
			struct word w = {0};
			add_root(&(struct adding){&w, &x->parts[i], a, true}, roots[j]);
			if (w.failed)
				return nx_error_set(err, NX_ENOMEM, "no memory to look for %zu words", n);
			if (w.n)
				mask_in_part(x, &x->parts[i], &w, UINT64_C(1) << j, slots, nslots, ret);
		}
	}
	return 0;
}
