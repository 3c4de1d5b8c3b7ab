/*
 * What a passage leads to:
 *   titles    passages of the documents whose title it says; weight 1 / number of them
 *   back      passages that say its own title; BACK_WEIGHT / number of documents that bear it
 *   next      the passages before and after it in its document; NEXT_WEIGHT
 *   names     passages that say a name that it says; NAME_WEIGHT for names of several words, LONE_WEIGHT for a capitalised
 *             word within a sentence, by how rare the name is. What the question says already leads nowhere
 * The passage is read again from the store, because only its text says where a name stands, and what beside it.
 */
#include "knowledge/fuse_internal.h"

#include "knowledge/relation_words.h"

#include <math.h>

#define BACK_WEIGHT 0.7F
#define NEXT_WEIGHT 0.5F
#define NAME_WEIGHT 0.6
#define LONE_WEIGHT 0.4
#define NAME_PASSAGES_MAX 50
#define LONE_DF_MAX 200 /* a word of more passages is not looked at */
#define BACK_MAX 200
#define BEARERS_MAX 8
#define NEAR 6 /* words */
#define LEADS_MAX 8000

struct reader {
	struct nx_fusion *f;
	const struct nx_partition *p;
	struct nx_arena *a;
	struct nx_leads *out;
	uint32_t slot;
	nx_str text;
	const struct nx_term *t; /* of the text */
	size_t n;
	uint8_t *groups; /* of each word: of the relations that are asked for */
	bool *is_named;  /* each word: part of a name of several */
	bool failed;
};

static bool push(struct reader *r, uint32_t slot, double weight, double relation)
{
	struct nx_leads *l = r->out;
	if (slot == r->slot || l->n >= LEADS_MAX)
		return true;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct nx_lead *v = nx_arena_realloc(r->f->a, l->v, l->cap * sizeof(*v), cap * sizeof(*v));
		if (!v) {
			r->failed = true;
			return false;
		}
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct nx_lead){slot, (float)weight, (float)relation};
	return true;
}

/* ---- relations ---- */

static void find_relations(struct reader *r)
{
	for (size_t i = 0; i < r->n; i++) {
		uint8_t g = nx_relation_group(r->t[i].stem);
		bool is_asked = g != NX_RELATION_NONE && (r->f->asked.relations >> g & 1);
		r->groups[i] = is_asked ? g : NX_RELATION_NONE;
	}
}

/* How near a word of a relation that is asked for stands to these words. */
static double relation_at(const struct reader *r, size_t at, size_t n)
{
	for (size_t d = 1; d <= NEAR; d++) {
		bool before = at >= d && r->groups[at - d] != NX_RELATION_NONE;
		bool after = at + n + d <= r->n && r->groups[at + n + d - 1] != NX_RELATION_NONE;
		if (before || after)
			return 1 - (double)(d - 1) / NEAR;
	}
	return 0;
}

/* ---- documents ---- */

static void push_bearers(struct reader *r, uint32_t title, double relation)
{
	const struct nx_title *t = &r->p->titles.v[title];
	struct nx_edge e;
	size_t n = 0;
	for (struct nx_edge_iter it = nx_graph_edges(&r->p->graph, t->node);
	     n < BEARERS_MAX && nx_edge_next(&it, &e);) {
		uint32_t slot = r->p->nodes[e.to].ref;
		if (e.label != NX_EDGE_HAS_TITLE + NX_EDGE_BACK || !nx_slot_alive(r->p, slot))
			continue;
		n += push(r, slot, 1 / (double)t->ndocs, relation);
	}
}

/* Titles that it says; the first place of each counts, or the one nearest to a relation. */
static int read_titles(struct reader *r, struct nx_error **err)
{
	uint32_t own = r->p->docs[r->p->slots[r->slot].doc].title_number;
	struct nx_form *forms;
	int e = nx_partition_forms(r->p, r->t, r->n, r->a, &forms, err);
	for (size_t i = 0; e == 0 && i < r->n;) {
		struct nx_title_match m;
		if (!nx_titles_match(&r->p->titles, forms, r->n, i, &m)) {
			i++;
			continue;
		}
		i += m.n;
		if (m.title != own)
			push_bearers(r, m.title, relation_at(r, m.at, m.n));
	}
	return e;
}

static void read_own_title(struct reader *r)
{
	uint32_t own = r->p->docs[r->p->slots[r->slot].doc].title_number;
	struct nx_edge e;
	size_t n = 0;
	if (own == NX_MAP_NONE)
		return;
	const struct nx_title *t = &r->p->titles.v[own];
	for (struct nx_edge_iter it = nx_graph_edges(&r->p->graph, t->node); n < BACK_MAX && nx_edge_next(&it, &e);)
		if (e.label == NX_EDGE_SAYS_TITLE + NX_EDGE_BACK && nx_slot_alive(r->p, r->p->nodes[e.to].ref))
			n += push(r, r->p->nodes[e.to].ref, (double)BACK_WEIGHT / t->ndocs, 0);
}

static void read_next(struct reader *r)
{
	const struct nx_doc *d = &r->p->docs[r->p->slots[r->slot].doc];
	if (r->slot > d->first)
		(void)push(r, r->slot - 1, (double)NEXT_WEIGHT, 0);
	if (r->slot + 1 < d->first + d->n)
		(void)push(r, r->slot + 1, (double)NEXT_WEIGHT, 0);
}

/* ---- names ---- */

struct said {
	uint32_t slots[NAME_PASSAGES_MAX + 1];
	uint32_t n;
	const struct nx_partition *p;
};

static bool note_said(void *ctx, uint32_t slot)
{
	struct said *s = ctx;
	if (nx_slot_alive(s->p, slot))
		s->slots[s->n++] = slot;
	return s->n <= NAME_PASSAGES_MAX;
}

/* The rarer a name, the more it says that two passages are about the same. */
static void push_said(struct reader *r, const struct said *s, double weight, double relation)
{
	double all = log((double)r->p->nalive + 1);
	if (s->n < 2 || s->n > NAME_PASSAGES_MAX || all <= 0)
		return;
	weight *= (all - log((double)s->n)) / all;
	for (uint32_t i = 0; i < s->n; i++)
		(void)push(r, s->slots[i], weight, relation);
}

static bool is_at(const struct reader *r, size_t at, size_t n, nx_str folded)
{
	for (size_t i = 0; i < n; i++) {
		nx_str word = nx_str_cut(&folded, ' ');
		if (!nx_str_eq(word, r->t[at + i].surface))
			return false;
	}
	return folded.n == 0;
}

static size_t count_words(nx_str folded)
{
	size_t n = 1;
	for (size_t i = 0; i < folded.n; i++)
		n += folded.p[i] == ' ';
	return n;
}

static void read_name(struct reader *r, const struct nx_name *name)
{
	struct said s = {.p = r->p};
	struct nx_edge e;
	size_t n = count_words(name->folded), first = r->n;
	double relation = 0;
	for (size_t i = 0; i + n <= r->n; i++) {
		if (!is_at(r, i, n, name->folded))
			continue;
		first = nx_min(first, i);
		relation = fmax(relation, relation_at(r, i, n));
		for (size_t j = i; n > 1 && j < i + n; j++)
			r->is_named[j] = true;
	}
	uint32_t term = nx_partition_find_term(r->p, NX_TERM_NAME, name->folded);
	uint32_t node = term ? nx_map_get(&r->p->name_nodes, term) : NX_MAP_NONE;
	if (first == r->n || node == NX_MAP_NONE || nx_asked_says(&r->f->asked, r->t + first, n))
		return;
	for (struct nx_edge_iter it = nx_graph_edges(&r->p->graph, node); nx_edge_next(&it, &e);)
		if (e.label == NX_EDGE_SAYS_NAME + NX_EDGE_BACK && !note_said(&s, r->p->nodes[e.to].ref))
			break;
	push_said(r, &s, NAME_WEIGHT, relation);
}

static bool is_calendar(nx_str surface)
{
	static const char *const words[] = {"january",  "february", "march",    "april",     "may",
					    "june",     "july",     "august",   "september", "october",
					    "november", "december", "monday",   "tuesday",   "wednesday",
					    "thursday", "friday",   "saturday", "sunday"};
	for (size_t i = 0; i < nx_countof(words); i++)
		if (nx_str_eqz(surface, words[i]))
			return true;
	return false;
}

static bool is_lone_name(const struct reader *r, size_t i)
{
	const struct nx_term *t = &r->t[i];
	if (!(t->flags & NX_W_CAPITAL) || t->flags & (NX_W_FIRST | NX_W_STOP) || r->is_named[i])
		return false;
	return t->surface.n > 1 && !is_calendar(t->surface);
}

static bool was_before(const struct reader *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (nx_str_eq(r->t[i].surface, r->t[at].surface) && is_lone_name(r, i))
			return true;
	return false;
}

static int read_lone(struct reader *r, size_t at, struct nx_error **err)
{
	struct said s = {.p = r->p};
	nx_str word = r->t[at].surface;
	struct nx_text_sequence q = {.words = {word}, .n = 1, .needs_capital = true};
	uint32_t df = nx_text_df(&r->p->text, NX_TEXT_SURFACE, word);
	double relation = 0;
	if (df < 2 || df > LONE_DF_MAX || was_before(r, at) || nx_asked_says(&r->f->asked, r->t + at, 1))
		return 0;
	for (size_t i = at; i < r->n; i++)
		if (nx_str_eq(r->t[i].surface, word) && is_lone_name(r, i))
			relation = fmax(relation, relation_at(r, i, 1));
	int e = nx_text_find_sequence(&r->p->text, &q, r->a, note_said, &s, err);
	if (e == 0)
		push_said(r, &s, LONE_WEIGHT, relation);
	return e;
}

static int read_names(struct reader *r, struct nx_error **err)
{
	struct nx_name *names;
	size_t n;
	int e = nx_names_find(r->text, r->t, r->n, r->a, &names, &n, err);
	for (size_t i = 0; e == 0 && i < n; i++)
		read_name(r, &names[i]);
	for (size_t i = 0; e == 0 && i < r->n; i++)
		if (is_lone_name(r, i))
			e = read_lone(r, i, err);
	return e;
}

/* ---- all of it ---- */

static int read_text(struct reader *r, struct nx_stemmer *s, struct nx_error **err)
{
	struct nx_term *t;
	int e = nx_search_passage(r->f->r, r->slot, r->a, &r->text, err);
	if (e == 0)
		e = nx_text_analyse(s, r->text, r->a, &t, &r->n, err);
	if (e < 0)
		return e;
	r->t = t;
	r->groups = nx_arena_array(r->a, uint8_t, r->n + 1);
	r->is_named = nx_arena_array(r->a, bool, r->n + 1);
	if (!r->groups || !r->is_named)
		return nx_fusion_no_memory(err);
	find_relations(r);
	return 0;
}

int nx_leads_read(struct nx_fusion *f, struct nx_stemmer *s, uint32_t slot, struct nx_leads *ret, struct nx_error **err)
{
	struct reader r = {.f = f, .p = f->p, .a = f->a, .out = ret, .slot = slot};
	if (f->p->slots[slot].node == NX_MAP_NONE)
		return 0; /* its document is not in the graph */
	int e = read_text(&r, s, err);
	if (e == 0)
		e = read_titles(&r, err);
	if (e == 0)
		e = read_names(&r, err);
	if (e < 0)
		return e;
	read_own_title(&r);
	read_next(&r);
	return r.failed ? nx_fusion_no_memory(err) : 0;
}
