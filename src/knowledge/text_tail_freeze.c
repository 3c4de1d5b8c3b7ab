/* The tail becomes a segment: what it has in the order of passages is put into the order of terms. */
#include "knowledge/text_tail.h"

/* Positions of each surface, in the order of docs. */
struct places {
	uint32_t *v;
	uint64_t *first; /* by term; terms + 1 */
};

static bool gather_positions(const struct nx_tail *t, struct places *ret)
{
	uint32_t word;
	ret->first = calloc((size_t)t->names.n + 2, sizeof(*ret->first));
	if (!ret->first)
		return false;
	for (uint32_t d = 0; d < t->n; d++)
		for (struct nx_tail_words w = nx_tail_words(t, d); nx_tail_next_word(&w, &word);)
			ret->first[(word >> 1) + 2] += word != 0;
	for (uint32_t i = 2; i < t->names.n + 2; i++)
		ret->first[i] += ret->first[i - 1];
	ret->v = malloc((ret->first[t->names.n + 1] + 1) * sizeof(*ret->v));
	if (!ret->v)
		return false;
	for (uint32_t d = 0; d < t->n; d++) {
		uint32_t at = 0;
		for (struct nx_tail_words w = nx_tail_words(t, d); nx_tail_next_word(&w, &word);) {
			if (word)
				ret->v[ret->first[(word >> 1) + 1]++] = at << 1 | (word & 1);
			at += word ? 1 : NX_SEGMENT_GAP;
		}
	}
	return true;
}

/* One list, decoded. */
struct run {
	uint32_t *docs, *tfs;
	uint32_t cap;
};

static bool read_list(const struct nx_tail *t, uint32_t term, struct run *r, uint32_t *ret_n)
{
	uint32_t n = nx_postings_df(&t->postings, term);
	if (n > r->cap) {
		free(r->docs);
		free(r->tfs);
		r->cap = 2 * n;
		r->docs = malloc(r->cap * sizeof(*r->docs));
		r->tfs = malloc(r->cap * sizeof(*r->tfs));
		if (!r->docs || !r->tfs)
			return false;
	}
	struct nx_posting_cursor c;
	nx_posting_cursor_init(&c, &t->postings, term);
	for (*ret_n = 0; c.slot != UINT32_MAX; nx_posting_cursor_seek(&c, c.slot + 1)) {
		r->docs[*ret_n] = c.slot;
		r->tfs[(*ret_n)++] = nx_posting_cursor_tf(&c);
	}
	return true;
}

static bool write_term(const struct nx_tail *t, uint32_t term, const struct places *p, struct run *r,
		       struct nx_segment_writer *w)
{
	uint32_t n;
	if (!read_list(t, term, r, &n))
		return false;
	bool is_surface = t->terms[term].kind == NX_TEXT_SURFACE;
	const struct nx_postings_run run = {n, r->docs, r->tfs, is_surface ? p->v + p->first[term] : NULL};
	return n == 0 ||
	       nx_segment_write_term(w, t->terms[term].kind, nx_tail_string(t, term), t->terms[term].flags, &run);
}

static bool write_root(const struct nx_tail *t, uint32_t root, const struct places *p, struct run *r,
		       struct nx_segment_writer *w)
{
	bool ok = nx_segment_write_root(w, nx_tail_string(t, root));
	for (uint32_t f = t->terms[root].form; f && ok; f = t->terms[f].form)
		ok = write_term(t, f, p, r, w);
	return ok;
}

static bool write_all(const struct nx_tail *t, struct places *p, struct run *r, struct nx_segment_writer *w)
{
	bool ok = w && gather_positions(t, p);
	for (uint32_t i = 1; ok && i < t->names.n; i++)
		if (t->terms[i].kind == NX_TEXT_ROOT)
			ok = write_root(t, i, p, r, w);
	for (uint32_t i = 1; ok && i < t->names.n; i++)
		if (t->terms[i].kind == NX_TEXT_GRAM)
			ok = write_term(t, i, p, r, w);
	return ok;
}

int nx_tail_freeze(const struct nx_tail *t, struct nx_segment **ret, struct nx_error **err)
{
	struct places p = {0};
	struct run run = {0};
	struct nx_segment_writer *w = nx_segment_writer_new(t->n, t->keys, t->postings.lengths);
	int r = write_all(t, &p, &run, w)
			? nx_segment_writer_finish(w, ret, err)
			: nx_error_set(err, NX_ENOMEM, "no memory for a segment of %u passages", t->n);
	nx_segment_writer_free(w);
	free(p.v);
	free(p.first);
	free(run.docs);
	free(run.tfs);
	return r;
}
