/* Parts of the text index become one: list by list, without the dead. */
#include "knowledge/dict.h"
#include "knowledge/text_index.h"

#include "base/assert.h"

/* ---- what ---- */

/* Sizes are of one class when they are within a factor of NX_TEXT_MERGE. */
static unsigned class_of(const struct nx_text_part *p)
{
	unsigned c = 0;
	for (uint32_t n = p->n / NX_TEXT_TAIL_DOCS; n >= NX_TEXT_MERGE; n /= NX_TEXT_MERGE)
		c++;
	return c;
}

struct run {
	uint32_t first, n;
};

static struct run find_run(const struct nx_text_index *x)
{
	uint32_t run = 0, docs = 0;
	for (uint32_t i = 0; i < x->nparts && x->parts[i].segment; i++) {
		const struct nx_text_part *p = &x->parts[i];
		if (run == 0 || class_of(p) != class_of(p - 1) || docs + p->n > NX_TEXT_SEGMENT_DOCS)
			run = docs = 0;
		run++;
		docs += p->n;
		if (run == NX_TEXT_MERGE)
			return (struct run){i + 1 - run, run};
	}
	return (struct run){0};
}

static struct run find_dead(const struct nx_text_index *x, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx)
{
	for (uint32_t i = 0; is_alive && i < x->nparts && x->parts[i].segment; i++) {
		const struct nx_text_part *p = &x->parts[i];
		uint32_t dead = 0;
		for (uint32_t d = 0; d < p->n; d++)
			dead += p->slots[d] == UINT32_MAX || !is_alive(ctx, p->slots[d]);
		if (dead > p->n / 3)
			return (struct run){i, 1};
	}
	return (struct run){0};
}

static struct run choose(const struct nx_text_index *x, bool everything, bool (*is_alive)(void *ctx, uint32_t slot),
			 void *ctx)
{
	const struct nx_text_part *last = x->nparts ? &x->parts[x->nparts - 1] : NULL;
	if (!last)
		return (struct run){0};
	if (last->tail && last->n > 0 && (everything || last->n >= NX_TEXT_TAIL_DOCS))
		return (struct run){x->nparts - 1, 1};
	if (everything)
		return x->nparts > 1 ? (struct run){0, nx_min(x->nparts, (uint32_t)NX_TEXT_PARTS_MAX)}
				     : (struct run){0};
	struct run r = find_run(x);
	return r.n ? r : find_dead(x, is_alive, ctx);
}

void nx_text_merge_plan(const struct nx_text_index *x, bool everything, bool (*is_alive)(void *ctx, uint32_t slot),
			void *ctx, struct nx_text_merge *ret)
{
	struct run r = choose(x, everything, is_alive, ctx);
	*ret = (struct nx_text_merge){.first = r.first, .n = r.n};
	for (uint32_t i = 0; i < r.n; i++)
		ret->parts[i] = x->parts[r.first + i];
	ret->is_freeze = r.n && ret->parts[0].tail;
}

/* ---- merging segments ---- */

#define GONE UINT32_MAX

struct merge {
	const struct nx_text_part *parts;
	uint32_t nparts;
	struct nx_dict names; /* kind and string → number */
	uint32_t *terms;      /* number · nparts + part: the term there; 0: none */
	uint32_t names_cap;
	uint32_t **docs; /* by part: what its docs become */
	uint32_t n, *slots, *lengths;
	int64_t *keys;
	struct nx_segment_writer *w;
	uint32_t *run_docs, *run_tfs, *run_positions; /* of the term in hand */
	size_t run_n, run_cap, positions_n, positions_cap;
};

static bool reserve(uint32_t **v, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	size_t more = nx_max(need, *cap + *cap / 2 + 1024);
	uint32_t *p = realloc(*v, more * sizeof(*p));
	if (!p)
		return false;
	*v = p;
	*cap = more;
	return true;
}

static bool map_docs(struct merge *m, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx)
{
	size_t most = 1;
	for (uint32_t i = 0; i < m->nparts; i++)
		most += m->parts[i].n;
	m->slots = malloc(most * sizeof(*m->slots));
	m->keys = malloc(most * sizeof(*m->keys));
	m->lengths = malloc(most * sizeof(*m->lengths));
	m->docs = calloc(m->nparts, sizeof(*m->docs));
	if (!m->slots || !m->keys || !m->lengths || !m->docs)
		return false;
	for (uint32_t i = 0; i < m->nparts; i++) {
		const struct nx_text_part *p = &m->parts[i];
		m->docs[i] = malloc(((size_t)p->n + 1) * sizeof(**m->docs));
		if (!m->docs[i])
			return false;
		for (uint32_t d = 0; d < p->n; d++) {
			bool lives = p->slots[d] != GONE && (!is_alive || is_alive(ctx, p->slots[d]));
			m->docs[i][d] = lives ? m->n : GONE;
			if (!lives)
				continue;
			m->slots[m->n] = p->slots[d];
			m->keys[m->n] = p->segment->keys[d];
			m->lengths[m->n++] = p->segment->lengths[d];
		}
	}
	return true;
}

static bool know_term(struct merge *m, uint32_t part, uint32_t term)
{
	const struct nx_segment *s = m->parts[part].segment;
	uint32_t number = nx_dict_add(&m->names, s->terms[term].kind, nx_segment_string(s, term));
	if (!number)
		return false;
	if (number >= m->names_cap) {
		uint32_t cap = nx_max(2 * m->names_cap, number + 1024);
		uint32_t *v = realloc(m->terms, (size_t)cap * m->nparts * sizeof(*v));
		if (!v)
			return false;
		memset(v + (size_t)m->names_cap * m->nparts, 0, (size_t)(cap - m->names_cap) * m->nparts * sizeof(*v));
		m->terms = v;
		m->names_cap = cap;
	}
	m->terms[(size_t)number * m->nparts + part] = term;
	return true;
}

static bool know_terms(struct merge *m)
{
	for (uint32_t i = 0; i < m->nparts; i++)
		for (uint32_t t = 1; t <= m->parts[i].segment->nterms; t++)
			if (!know_term(m, i, t))
				return false;
	return true;
}

static bool read_posting(struct merge *m, struct nx_segment_cursor *c, uint32_t doc, bool has_positions)
{
	size_t cap = m->run_cap;
	uint32_t tf = nx_segment_cursor_tf(c);
	if (!reserve(&m->run_docs, &cap, m->run_n + 1) || !reserve(&m->run_tfs, &m->run_cap, m->run_n + 1) ||
	    !reserve(&m->run_positions, &m->positions_cap, m->positions_n + tf))
		return false;
	m->run_docs[m->run_n] = doc;
	m->run_tfs[m->run_n++] = tf;
	if (has_positions)
		m->positions_n += nx_segment_cursor_positions(c, m->run_positions + m->positions_n, tf);
	return true;
}

static bool write_term(struct merge *m, uint32_t number)
{
	const uint32_t *terms = m->terms + (size_t)number * m->nparts;
	enum nx_text_term kind = nx_dict_kind(&m->names, number);
	uint32_t flags = 0;
	m->run_n = m->positions_n = 0;
	for (uint32_t i = 0; i < m->nparts; i++) {
		struct nx_segment_cursor c;
		if (!terms[i])
			continue;
		flags = m->parts[i].segment->terms[terms[i]].flags;
		nx_segment_cursor_init(&c, m->parts[i].segment, terms[i]);
		for (; c.doc != UINT32_MAX; nx_segment_cursor_seek(&c, c.doc + 1))
			if (m->docs[i][c.doc] != GONE &&
			    !read_posting(m, &c, m->docs[i][c.doc], kind == NX_TEXT_SURFACE))
				return false;
	}
	const struct nx_postings_run r = {(uint32_t)m->run_n, m->run_docs, m->run_tfs,
					  kind == NX_TEXT_SURFACE ? m->run_positions : NULL};
	return r.n == 0 || nx_segment_write_term(m->w, kind, nx_dict_string(&m->names, number), flags, &r);
}

/* A form of several parts is written with the first of them. */
static bool is_first(const struct merge *m, uint32_t number, uint32_t part)
{
	const uint32_t *terms = m->terms + (size_t)number * m->nparts;
	for (uint32_t i = 0; i < part; i++)
		if (terms[i])
			return false;
	return true;
}

static uint32_t number_of(const struct merge *m, uint32_t part, uint32_t term)
{
	const struct nx_segment *s = m->parts[part].segment;
	return nx_dict_find(&m->names, s->terms[term].kind, nx_segment_string(s, term));
}

static bool write_forms(struct merge *m, uint32_t root)
{
	const uint32_t *terms = m->terms + (size_t)root * m->nparts;
	if (!nx_segment_write_root(m->w, nx_dict_string(&m->names, root)))
		return false;
	for (uint32_t i = 0; i < m->nparts; i++) {
		uint32_t n = 0, first = terms[i] ? nx_segment_forms(m->parts[i].segment, terms[i], &n) : 0;
		for (uint32_t f = 0; f < n; f++) {
			uint32_t number = number_of(m, i, first + f);
			if (is_first(m, number, i) && !write_term(m, number))
				return false;
		}
	}
	return true;
}

static bool write_all(struct merge *m)
{
	m->w = nx_segment_writer_new(m->n, m->keys, m->lengths);
	bool ok = m->w != NULL;
	for (uint32_t t = 1; ok && t < m->names.n; t++)
		if (nx_dict_kind(&m->names, t) == NX_TEXT_ROOT)
			ok = write_forms(m, t);
	for (uint32_t t = 1; ok && t < m->names.n; t++)
		if (nx_dict_kind(&m->names, t) == NX_TEXT_GRAM)
			ok = write_term(m, t);
	return ok;
}

static void merge_done(struct merge *m)
{
	nx_dict_done(&m->names);
	for (uint32_t i = 0; m->docs && i < m->nparts; i++)
		free(m->docs[i]);
	free(m->docs);
	free(m->terms);
	free(m->slots);
	free(m->lengths);
	free(m->keys);
	free(m->run_docs);
	free(m->run_tfs);
	free(m->run_positions);
	nx_segment_writer_free(m->w);
}

static int merge_segments(struct nx_text_merge *to, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx,
			  struct nx_error **err)
{
	struct merge m = {.parts = to->parts, .nparts = to->n};
	int r = nx_dict_init(&m.names, err);
	if (r == 0)
		r = map_docs(&m, is_alive, ctx) && know_terms(&m) && write_all(&m)
			    ? nx_segment_writer_finish(m.w, &to->segment, err)
			    : nx_error_set(err, NX_ENOMEM, "no memory to merge the text index");
	if (r == 0)
		to->slots = nx_steal(m.slots);
	merge_done(&m);
	return r;
}

/* ---- freezing the tail: what is dead in it goes with the first merge ---- */

static int freeze(const struct nx_text_part *p, struct nx_text_merge *m, struct nx_error **err)
{
	m->slots = malloc(((size_t)p->n + 1) * sizeof(*m->slots));
	if (!m->slots)
		return nx_error_set(err, NX_ENOMEM, "no memory to merge the text index");
	memcpy(m->slots, p->slots, p->n * sizeof(*m->slots));
	return nx_tail_freeze(p->tail, &m->segment, err);
}

int nx_text_merge_build(struct nx_text_merge *m, bool (*is_alive)(void *ctx, uint32_t slot), void *ctx,
			struct nx_error **err)
{
	nx_assert(m->n > 0);
	return m->is_freeze ? freeze(&m->parts[0], m, err) : merge_segments(m, is_alive, ctx, err);
}

void nx_text_merge_cancel(struct nx_text_merge *m)
{
	nx_segment_free(m->segment);
	free(m->slots);
	*m = (struct nx_text_merge){0};
}

static void forget_part(struct nx_text_index *x, struct nx_text_part *p)
{
	for (uint32_t d = 0; d < p->n; d++)
		if (p->slots[d] != GONE)
			x->places[p->slots[d]] = (struct nx_text_place){0};
	nx_segment_free(p->segment);
	nx_tail_free(p->tail);
	free(p->slots);
}

void nx_text_merge_commit(struct nx_text_index *x, struct nx_text_merge *m)
{
	struct nx_text_part *at = &x->parts[m->first];
	for (uint32_t i = 0; i < m->n; i++)
		forget_part(x, at + i);
	*at = (struct nx_text_part){.segment = m->segment,
				    .serial = ++x->serials,
				    .n = m->segment->n,
				    .slots = m->slots,
				    .slots_cap = m->segment->n};
	for (uint32_t d = 0; d < at->n; d++)
		x->places[at->slots[d]] = (struct nx_text_place){at->serial, d};
	memmove(at + 1, at + m->n, (x->nparts - m->first - m->n) * sizeof(*at));
	x->nparts -= m->n - 1;
	*m = (struct nx_text_merge){0};
}
