#include "knowledge/asked.h"

#include "knowledge/relation_words.h"

#define COMMON_WEIGHT 0.25
#define NAME_SHARE 0.6 /* of a title's words that must be capitals for it to be a name */

struct reader {
	const struct nx_partition *p;
	struct nx_asked *q;
	bool is_cased; /* its writer uses capitals */
};

static bool is_cased(const struct nx_term *t, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (t[i].flags & NX_W_CAPITAL)
			return true;
	return false;
}

static bool is_name(const struct reader *r, const struct nx_asked_link *l)
{
	uint32_t capitals = 0, words = 0;
	for (uint32_t i = l->at; i < l->at + l->n; i++) {
		uint32_t flags = r->q->terms[i].flags;
		capitals += (flags & (NX_W_CAPITAL | NX_W_DIGIT)) != 0;
		words += !(flags & NX_W_STOP);
	}
	if (!r->is_cased)
		return words >= 2;
	return capitals >= 1 && capitals >= NAME_SHARE * words && words > 0;
}

/* How many words of the question the document's whole title is, from `at` on; 0: it goes on otherwise. */
static uint32_t whole_title(const struct nx_asked *q, nx_str title, size_t at)
{
	struct nx_words it;
	struct nx_word w;
	uint32_t n = 0;
	nx_words_init(&it, title);
	while (nx_words_next(&it, &w)) {
		char form[NX_WORD_MAX];
		nx_str surface = nx_str_n(form, nx_word_fold(nx_str_n(title.p + w.start, w.length), form));
		if (at + n >= q->nterms || !nx_str_eq(surface, q->terms[at + n].surface))
			return 0;
		n++;
	}
	return n;
}

/* Passages of the documents that bear the title; of those alone whose whole title is `whole` words of the question. */
static void take_bearers(const struct reader *r, struct nx_asked_link *l, uint32_t whole)
{
	const struct nx_partition *p = r->p;
	struct nx_edge e;
	uint32_t last = NX_MAP_NONE;
	l->nslots = l->ndocs = 0;
	for (struct nx_edge_iter it = nx_graph_edges(&p->graph, p->titles.v[l->title].node);
	     l->nslots < NX_ASKED_SLOTS && nx_edge_next(&it, &e);) {
		uint32_t slot = p->nodes[e.to].ref;
		if (e.label != NX_EDGE_HAS_TITLE + NX_EDGE_BACK || !nx_slot_alive(p, slot))
			continue;
		uint32_t doc = p->slots[slot].doc;
		if (whole && whole_title(r->q, p->docs[doc].title, l->at) != whole)
			continue;
		l->slots[l->nslots++] = slot;
		l->ndocs += doc != last;
		last = doc;
	}
}

static uint32_t longest_whole(const struct reader *r, const struct nx_asked_link *l)
{
	uint32_t longest = 0;
	for (uint32_t i = 0; i < l->nslots; i++) {
		nx_str title = r->p->docs[r->p->slots[l->slots[i]].doc].title;
		longest = nx_max(longest, whole_title(r->q, title, l->at));
	}
	return longest;
}

/* Returns the number of words that are taken. */
static uint32_t take_link(struct reader *r, const struct nx_title_match *m)
{
	struct nx_asked_link *l = &r->q->links[r->q->nlinks];
	*l = (struct nx_asked_link){.title = m->title, .at = m->at, .n = m->n};
	take_bearers(r, l, 0);
	uint32_t whole = longest_whole(r, l);
	if (whole > l->n) {
		l->n = whole;
		take_bearers(r, l, whole);
	}
	l->weight = is_name(r, l) ? 1 : COMMON_WEIGHT;
	r->q->nlinks += l->nslots > 0;
	return l->n;
}

static bool is_in_name(const struct nx_asked *q, size_t i)
{
	for (size_t j = 0; j < q->nlinks; j++)
		if (q->links[j].weight >= 1 && i >= q->links[j].at && i < q->links[j].at + q->links[j].n)
			return true;
	return false;
}

static uint32_t relations_of(const struct nx_asked *q)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < q->nterms; i++) {
		uint8_t g = is_in_name(q, i) ? NX_RELATION_NONE : nx_relation_group(q->terms[i].stem);
		if (g != NX_RELATION_NONE)
			bits |= UINT32_C(1) << g;
	}
	return bits;
}

int nx_asked_read(const struct nx_partition *p, const struct nx_term *t, size_t n, struct nx_arena *a,
		  struct nx_asked *ret, struct nx_error **err)
{
	struct nx_form *forms;
	*ret = (struct nx_asked){.terms = t, .nterms = n, .links = nx_arena_array(a, struct nx_asked_link, n + 1)};
	if (!ret->links)
		return nx_error_set(err, NX_ENOMEM, "no memory for a question");
	int e = nx_partition_forms(p, t, n, a, &forms, err);
	if (e < 0)
		return e;
	struct reader r = {.p = p, .q = ret, .is_cased = is_cased(t, n)};
	for (size_t i = 0; i < n;) {
		struct nx_title_match m;
		i += nx_titles_match(&p->titles, forms, n, i, &m) ? take_link(&r, &m) : 1;
	}
	ret->relations = relations_of(ret);
	return 0;
}

bool nx_asked_says(const struct nx_asked *q, const struct nx_term *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t j = 0;
		while (j < q->nterms && !nx_str_eq(q->terms[j].surface, t[i].surface))
			j++;
		if (j == q->nterms)
			return false;
	}
	return true;
}
