/* A segment is written: lists are packed as they come, terms are gathered, and all of it is laid into one block. */
#include "knowledge/packed.h"
#include "knowledge/rice.h"
#include "knowledge/text_segment_internal.h"

#include "base/assert.h"

#define NAME_MAX 255

/* Grows by halves; what was not written yet is zero. */
struct bytes {
	uint8_t *v;
	size_t n, cap;
};

struct nx_segment_writer {
	uint32_t n;
	const int64_t *keys;
	const uint32_t *lengths;
	struct bytes terms, lists, postings, names; /* of the first two, elements one after the other */
	uint32_t nterms, nroots;
	uint32_t root;     /* whose forms are being written */
	uint32_t *root_of; /* by doc: the last root that was found in it */
};

static bool reserve(struct bytes *b, size_t more)
{
	if (b->n + more <= b->cap)
		return true;
	size_t cap = nx_max(b->n + more, b->cap + b->cap / 2 + 4096);
	uint8_t *v = realloc(b->v, cap);
	if (!v)
		return false;
	memset(v + b->cap, 0, cap - b->cap);
	b->v = v;
	b->cap = cap;
	return true;
}

static struct nx_segment_term *terms_of(const struct nx_segment_writer *w)
{
	return (struct nx_segment_term *)(void *)w->terms.v;
}

static struct nx_segment_list *lists_of(const struct nx_segment_writer *w)
{
	return (struct nx_segment_list *)(void *)w->lists.v;
}

struct nx_segment_writer *nx_segment_writer_new(uint32_t n, const int64_t *keys, const uint32_t *lengths)
{
	struct nx_segment_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	*w = (struct nx_segment_writer){.n = n, .keys = keys, .lengths = lengths};
	w->root_of = calloc((size_t)n + 1, sizeof(*w->root_of));
	if (w->root_of && reserve(&w->terms, sizeof(struct nx_segment_term)) &&
	    reserve(&w->lists, sizeof(struct nx_segment_list))) {
		w->terms.n = sizeof(struct nx_segment_term); /* number 0 is nobody's */
		w->lists.n = sizeof(struct nx_segment_list);
		return w;
	}
	nx_segment_writer_free(w);
	return NULL;
}

void nx_segment_writer_free(struct nx_segment_writer *w)
{
	if (!w)
		return;
	free(w->terms.v);
	free(w->lists.v);
	free(w->postings.v);
	free(w->names.v);
	free(w->root_of);
	free(w);
}

/* ---- terms ---- */

/* A form that reads as its root, as one mostly does, has the root's bytes. */
static bool put_name(struct nx_segment_writer *w, nx_str s, uint32_t *ret)
{
	const struct nx_segment_term *root = w->root ? &terms_of(w)[w->root] : NULL;
	if (root && root->name_bytes == s.n && memcmp(w->names.v + root->name, s.p, s.n) == 0) {
		*ret = root->name;
		return true;
	}
	*ret = (uint32_t)w->names.n;
	if (w->names.n + s.n > UINT32_MAX || !reserve(&w->names, s.n + 1))
		return false;
	memcpy(w->names.v + w->names.n, s.p, s.n);
	w->names.n += s.n;
	return true;
}

static bool put_term(struct nx_segment_writer *w, enum nx_text_term kind, nx_str string, uint32_t flags)
{
	nx_str s = nx_utf8_truncate(string, NAME_MAX);
	uint32_t name;
	if (!put_name(w, s, &name) || !reserve(&w->terms, sizeof(struct nx_segment_term)) ||
	    !reserve(&w->lists, sizeof(struct nx_segment_list)))
		return false;
	w->terms.n += sizeof(struct nx_segment_term);
	w->lists.n += sizeof(struct nx_segment_list);
	terms_of(w)[++w->nterms] = (struct nx_segment_term){.name = name,
							    .name_bytes = (uint8_t)s.n,
							    .kind = (uint8_t)kind,
							    .flags = (uint8_t)flags,
							    .root = kind == NX_TEXT_SURFACE ? w->root : 0};
	lists_of(w)[w->nterms] = (struct nx_segment_list){0};
	return true;
}

bool nx_segment_write_root(struct nx_segment_writer *w, nx_str root)
{
	w->root = 0;
	if (!put_term(w, NX_TEXT_ROOT, root, 0))
		return false;
	w->root = w->nterms;
	w->nroots++;
	return true;
}

/* ---- lists ---- */

struct block {
	uint32_t n, first; /* postings, from posting `first` on */
	uint32_t before;   /* the doc before it */
	const uint32_t *positions;
	uint32_t npositions;
};

static enum nx_segment_capitals capitals_of(const struct block *b)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->npositions; i++)
		n += b->positions[i] & 1;
	return n == 0 ? NX_CAPITALS_NONE : n == b->npositions ? NX_CAPITALS_ALL : NX_CAPITALS_EACH;
}

static bool put_positions(struct nx_segment_writer *w, const struct nx_postings_run *r, const struct block *b,
			  struct nx_segment_block *ret)
{
	uint64_t sum = 0, at = 0;
	const uint32_t *p = b->positions;
	for (uint32_t i = b->first; i < b->first + b->n; p += r->tfs[i], i++)
		sum += p[r->tfs[i] - 1] >> 1; /* the gaps of a passage add up to its last position */
	ret->position_k = (uint8_t)nx_rice_k(sum, b->npositions);
	ret->capitals = (uint8_t)capitals_of(b);
	if (!reserve(&w->postings, (size_t)b->npositions * (NX_RICE_BITS_MAX + 1) / 8 + NX_RICE_SLACK + 1))
		return false;
	uint8_t *to = w->postings.v + w->postings.n;
	p = b->positions;
	for (uint32_t i = b->first; i < b->first + b->n; i++)
		for (uint32_t j = 0; j < r->tfs[i]; j++, p++) {
			if (ret->capitals == NX_CAPITALS_EACH)
				nx_rice_put_bits(to, &at, *p & 1, 1);
			nx_rice_put(to, &at, (*p >> 1) - (j ? p[-1] >> 1 : 0), ret->position_k);
		}
	w->postings.n += (at + 7) / 8;
	return true;
}

static bool put_block(struct nx_segment_writer *w, const struct nx_postings_run *r, const struct block *b,
		      struct nx_segment_block *ret)
{
	uint32_t gaps[NX_SEGMENT_BLOCK], tfs[NX_SEGMENT_BLOCK], max_tf = 0, min_length = UINT16_MAX, before = b->before;
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t doc = r->docs[b->first + i];
		gaps[i] = doc - before - 1;
		tfs[i] = r->tfs[b->first + i] - 1;
		before = doc;
		max_tf = nx_max(max_tf, tfs[i] + 1);
		min_length = nx_min(min_length, w->lengths[doc]);
	}
	ret->last = before;
	ret->max_tf = (uint16_t)nx_min(max_tf, (uint32_t)UINT16_MAX);
	ret->min_length = (uint16_t)min_length;
	ret->gap_bits = (uint8_t)nx_packed_bits(gaps, b->n);
	ret->tf_bits = (uint8_t)nx_packed_bits(tfs, b->n);
	if (!reserve(&w->postings,
		     nx_packed_bytes(b->n, ret->gap_bits) + nx_packed_bytes(b->n, ret->tf_bits) + NX_PACKED_SLACK))
		return false;
	uint8_t *to = w->postings.v;
	w->postings.n += nx_pack(gaps, b->n, ret->gap_bits, to + w->postings.n);
	w->postings.n += nx_pack(tfs, b->n, ret->tf_bits, to + w->postings.n);
	return !b->positions || put_positions(w, r, b, ret);
}

static bool put_blocks(struct nx_segment_writer *w, const struct nx_postings_run *r)
{
	uint32_t nblocks = (r->n + NX_SEGMENT_BLOCK - 1) / NX_SEGMENT_BLOCK;
	size_t at = w->postings.n, data = at + nblocks * sizeof(struct nx_segment_block);
	struct block b = {.before = UINT32_MAX, .positions = r->positions};
	if (!reserve(&w->postings, nblocks * sizeof(struct nx_segment_block)))
		return false;
	w->postings.n = data;
	for (uint32_t i = 0; i < nblocks; i++) {
		struct nx_segment_block made = {.offset = (uint32_t)(w->postings.n - data)};
		b.first = i * NX_SEGMENT_BLOCK;
		b.n = nx_min(r->n - b.first, (uint32_t)NX_SEGMENT_BLOCK);
		b.npositions = 0;
		for (uint32_t j = b.first; b.positions && j < b.first + b.n; j++)
			b.npositions += r->tfs[j];
		if (!put_block(w, r, &b, &made))
			return false;
		memcpy(w->postings.v + at + i * sizeof(made), &made, sizeof(made));
		b.before = made.last;
		if (b.positions)
			b.positions += b.npositions;
	}
	return true;
}

static bool put_single(struct nx_segment_writer *w, const struct nx_postings_run *r)
{
	struct block b = {.n = r->n, .before = UINT32_MAX, .positions = r->positions};
	struct nx_segment_block made = {0};
	size_t at = w->postings.n;
	for (uint32_t i = 0; b.positions && i < r->n; i++)
		b.npositions += r->tfs[i];
	if (!reserve(&w->postings, sizeof(struct nx_segment_single)))
		return false;
	w->postings.n += sizeof(struct nx_segment_single);
	if (!put_block(w, r, &b, &made))
		return false;
	struct nx_segment_single s = {.max_tf = made.max_tf,
				      .min_length = made.min_length,
				      .gap_bits = made.gap_bits,
				      .tf_bits = made.tf_bits,
				      .position_k = made.position_k,
				      .capitals = made.capitals};
	memcpy(w->postings.v + at, &s, sizeof(s));
	return true;
}

static bool put_one(struct nx_segment_writer *w, const struct nx_postings_run *r)
{
	struct nx_segment_one one = {r->docs[0], r->positions ? r->positions[0] : 0};
	if (!reserve(&w->postings, sizeof(one)))
		return false;
	memcpy(w->postings.v + w->postings.n, &one, sizeof(one));
	w->postings.n += sizeof(one);
	return true;
}

/* Lists begin at multiples of 4 bytes. */
static bool align(struct nx_segment_writer *w)
{
	size_t to = (w->postings.n + 3) / 4 * 4;
	if (to / 4 > UINT32_MAX || !reserve(&w->postings, 4))
		return false;
	w->postings.n = to;
	return true;
}

static void count_root(struct nx_segment_writer *w, const struct nx_postings_run *r)
{
	struct nx_segment_list *root = &lists_of(w)[w->root];
	for (uint32_t i = 0; i < r->n; i++) {
		root->n += w->root_of[r->docs[i]] != w->root;
		w->root_of[r->docs[i]] = w->root;
	}
}

bool nx_segment_write_term(struct nx_segment_writer *w, enum nx_text_term kind, nx_str string, uint32_t flags,
			   const struct nx_postings_run *r)
{
	nx_assert(kind != NX_TEXT_SURFACE || w->root);
	if (kind == NX_TEXT_GRAM)
		w->root = 0;
	if (!put_term(w, kind, string, flags) || !align(w))
		return false;
	bool is_one = r->n == 1 && r->tfs[0] == 1;
	lists_of(w)[w->nterms] =
		(struct nx_segment_list){is_one ? NX_SEGMENT_ONE : r->n, (uint32_t)(w->postings.n / 4)};
	if (kind == NX_TEXT_SURFACE && !(flags & NX_TEXT_STOP))
		count_root(w, r);
	return is_one ? put_one(w, r) : r->n <= NX_SEGMENT_BLOCK ? put_single(w, r) : put_blocks(w, r);
}

/* ---- the end ---- */

int nx_segment_writer_finish(struct nx_segment_writer *w, struct nx_segment **ret, struct nx_error **err)
{
	nx_auto_free uint16_t *lengths = malloc(((size_t)w->n + 1) * sizeof(*lengths));
	uint64_t total = 0;
	if (!lengths)
		return nx_error_set(err, NX_ENOMEM, "no memory for a segment of %u passages", w->n);
	for (uint32_t d = 0; d < w->n; d++) {
		lengths[d] = (uint16_t)w->lengths[d];
		total += lengths[d];
	}
	return nx_segment_assemble(&(struct nx_segment_parts){.n = w->n,
							      .nterms = w->nterms,
							      .total_length = total,
							      .keys = w->keys,
							      .lengths = lengths,
							      .terms = terms_of(w),
							      .lists = lists_of(w),
							      .postings = w->postings.v,
							      .names = (char *)w->names.v,
							      .postings_bytes = w->postings.n,
							      .names_bytes = w->names.n},
				   ret, err);
}
