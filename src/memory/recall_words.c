/*
 * Relevance: BM25 (k1 1.2, b 0.75) of the query's words over the user's turns. A word's turns stand together in turn_terms,
 * in their order and with all that ranking needs of them, so that a word is one short scan and no turn is touched.
 */
#include "memory/recall_internal.h"

#include <math.h>
#include <stdlib.h>

#define K1 1.2
#define B 0.75

static int read_figures(struct recall *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(c->db, "SELECT turns, length FROM turn_figures WHERE tenant_id=$1 AND user_id=$2",
			     NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id)), &rows, err);

	if (rc < 0 || (rc = nx_rows_next(rows, err)) <= 0)
		return rc;
	c->turns = (double)nx_rows_int(rows, 0);
	c->mean_length = fmax((double)nx_rows_int(rows, 1) / fmax(c->turns, 1), 1);
	return 0;
}

const struct recall_candidate *nx_recall_candidate(const struct recall *c, int64_t turn)
{
	uint32_t at = nx_map_get(&c->by_turn, (uint64_t)turn);

	return at == NX_MAP_NONE ? NULL : &c->candidates[at];
}

/* NULL when out of memory. */
static struct recall_candidate *add_candidate(struct recall *c, int64_t turn)
{
	uint32_t at = nx_map_get(&c->by_turn, (uint64_t)turn);

	if (at != NX_MAP_NONE)
		return &c->candidates[at];
	if (c->ncandidates == c->cap) {
		size_t more = c->cap ? c->cap * 2 : 256;
		struct recall_candidate *grown =
			nx_arena_realloc(c->r->arena, c->candidates, c->cap * sizeof(*grown), more * sizeof(*grown));
		if (!grown)
			return NULL;
		c->candidates = grown;
		c->cap = more;
	}
	if (!nx_map_set(&c->by_turn, (uint64_t)turn, (uint32_t)c->ncandidates))
		return NULL;
	c->candidates[c->ncandidates] = (struct recall_candidate){.turn = turn};
	return &c->candidates[c->ncandidates++];
}

struct posting {
	int64_t turn;
	double count, length;
};

/* The newest turns that have the word; the buffer serves one word after the other. */
struct postings {
	struct posting *p;
	size_t n, cap;
};

/* NULL when out of memory. */
static struct posting *add_posting(struct recall *c, struct postings *all)
{
	if (all->n == all->cap) {
		size_t more = all->cap ? all->cap * 2 : 256;
		struct posting *grown =
			nx_arena_realloc(c->r->arena, all->p, all->cap * sizeof(*grown), more * sizeof(*grown));
		if (!grown)
			return NULL;
		all->p = grown;
		all->cap = more;
	}
	return &all->p[all->n++];
}

static int read_postings(struct recall *c, nx_str term, struct postings *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(c->db,
			     "SELECT turn_id, count, length FROM turn_terms WHERE tenant_id=$1 AND user_id=$2 AND "
			     "term=$3 AND ($4=0 OR session_id=$4) ORDER BY turn_id DESC LIMIT $5",
			     NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_text(term),
				       nx_v_int(c->session), nx_v_int((int64_t)c->max_rows)),
			     &rows, err);

	ret->n = 0;
	while (rc >= 0 && (rc = nx_rows_next(rows, err)) > 0) {
		struct posting *p = add_posting(c, ret);
		if (!p)
			return nx_error_set(err, NX_ENOMEM, "recall");
		*p = (struct posting){nx_rows_int(rows, 0), (double)nx_rows_int(rows, 1), (double)nx_rows_int(rows, 2)};
	}
	return rc < 0 ? rc : 0;
}

/* How many of the user's turns have the word; `n` of them, unless there were more than that, or a session bounds them. */
static int count_turns(struct recall *c, nx_str term, size_t n, int64_t *ret, struct nx_error **err)
{
	*ret = (int64_t)n;
	if (c->session == 0 && n < c->max_rows)
		return 0;
	return nx_db_get_int(c->db, "SELECT count(*) FROM turn_terms WHERE tenant_id=$1 AND user_id=$2 AND term=$3",
			     NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_text(term)), ret, err);
}

static int add_term(struct recall *c, nx_str term, struct postings *postings, struct nx_error **err)
{
	int64_t df;
	int rc = read_postings(c, term, postings, err);

	if (rc < 0 || postings->n == 0 || (rc = count_turns(c, term, postings->n, &df, err)) < 0)
		return rc;
	double idf = log(1 + (c->turns - (double)df + 0.5) / ((double)df + 0.5));
	for (size_t i = 0; i < postings->n; i++) {
		const struct posting *p = &postings->p[i];
		struct recall_candidate *k = add_candidate(c, p->turn);
		if (!k)
			return nx_error_set(err, NX_ENOMEM, "recall");
		k->bm25 += idf * p->count * (K1 + 1) / (p->count + K1 * (1 - B + B * p->length / c->mean_length));
		k->matched++;
		c->best = fmax(c->best, k->bm25);
	}
	return 0;
}

int nx_recall_find_relevant(struct recall *c, struct nx_error **err)
{
	size_t length;
	int rc = nx_memory_terms(c->r->query, c->r->arena, &c->terms, &c->nterms, &length, err);

	if (rc < 0 || c->nterms == 0 || (rc = read_figures(c, err)) < 0)
		return rc;
	struct postings postings = {0};
	for (size_t i = 0; i < c->nterms && rc == 0; i++)
		rc = add_term(c, c->terms[i].text, &postings, err);
	return rc;
}

static int compare_term(const void *key, const void *member)
{
	return nx_str_cmp(*(const nx_str *)key, ((const struct nx_memory_term *)member)->text);
}

unsigned nx_recall_count_words(const struct recall *c, nx_str words)
{
	unsigned n = 0;

	while (words.n > 0 && c->nterms > 0) {
		nx_str word = nx_str_cut(&words, '\n');
		n += bsearch(&word, c->terms, c->nterms, sizeof(*c->terms), compare_term) != NULL;
	}
	return n;
}
