/* Facts that are valid now, by the words they carry; what was contradicted is history. */
#include "memory/recall_internal.h"

static int read_sources(struct recall *c, nx_str list, struct nx_memory_item *ret, struct nx_error **err)
{
	size_t cap = 1;

	for (size_t i = 0; i < list.n; i++)
		cap += list.p[i] == ' ';
	ret->nsources = 0;
	if (!(ret->sources = nx_arena_array(c->r->arena, nx_id, cap)))
		return nx_error_set(err, NX_ENOMEM, "recall facts");
	while (list.n > 0)
		ret->nsources += nx_id_parse(nx_str_cut(&list, ' '), &ret->sources[ret->nsources]);
	return 0;
}

/* How many of the query's words the fact itself has: what else its turn says does not make it an answer. A fact that was
 * stored before facts carried their words is read now. */
static int count_words(struct recall *c, struct nx_rows *rows, unsigned *ret, struct nx_error **err)
{
	nx_str words = nx_rows_text(rows, 6);
	int rc = 0;

	*ret = 0;
	if (c->nterms > 0 && !words.p)
		rc = nx_memory_fact_words(nx_rows_text(rows, 1), nx_rows_text(rows, 5), c->r->arena, &words, err);
	if (rc == 0)
		*ret = nx_recall_count_words(c, words);
	return rc;
}

/* Columns: uid, text, valid_from, importance, sources, key, words, agent and metadata of its turn. Keeps it when it is among the best. */
static int read_fact(struct recall *c, struct nx_rows *rows, struct nx_memory_item *items, size_t *n,
		     struct nx_error **err)
{
	struct nx_memory_item one = {.id = nx_rows_id(rows, 0),
				     .layer = "semantic",
				     .role = NX_STR("user"),
				     .importance = nx_rows_real(rows, 3),
				     .occurred_at = nx_rows_int(rows, 2)};
	double recency = nx_recall_recency(c, one.occurred_at);
	unsigned matched;
	int rc = count_words(c, rows, &matched, err);

	if (rc < 0 || (c->nterms > 0 && matched == 0))
		return rc;
	one.score = c->nterms ? 0.85 * matched / (double)c->nterms + 0.15 * recency : recency;
	struct recall_subject subject = {.layer = one.layer,
					 .role = one.role,
					 .at = one.occurred_at,
					 .agent = nx_rows_text(rows, 7),
					 .metadata = nx_rows_text(rows, 8)};
	if (!nx_recall_has_place(items, *n, MEMORY_RECALL_SEMANTIC, &one) || !nx_recall_accepts(c, &subject))
		return 0;
	one.text = nx_rows_textdup(rows, 1, c->r->arena);
	one.why = nx_recall_explain(c, matched, one.occurred_at);
	if (!one.text.p)
		return nx_error_set(err, NX_ENOMEM, "recall facts");
	if ((rc = read_sources(c, nx_rows_text(rows, 4), &one, err)) < 0)
		return rc;
	nx_recall_insert(items, n, MEMORY_RECALL_SEMANTIC, &one);
	return 0;
}

int nx_recall_read_facts(struct recall *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, MEMORY_RECALL_SEMANTIC);
	size_t n = 0;
	int rc;

	if (!items)
		return nx_error_set(err, NX_ENOMEM, "recall facts");
	rc = nx_db_query(c->db,
			 "SELECT uid, text, valid_from, importance, sources, fact_key, words, "
			 "CASE WHEN $6<>0 THEN (SELECT agent_id FROM turns WHERE id=turn_id) END, "
			 "CASE WHEN $6<>0 THEN (SELECT metadata FROM turns WHERE id=turn_id) END FROM memories "
			 "WHERE tenant_id=$1 AND user_id=$2 AND layer='semantic' AND ($3=0 OR session_id=$3) "
			 "AND valid_from<=$4 AND (valid_to IS NULL OR valid_to>$4) ORDER BY id DESC LIMIT $5",
			 NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_int(c->session),
				   nx_v_int(c->now), nx_v_int((int64_t)c->max_rows), nx_v_int(c->filter != NULL)),
			 &rows, err);
	while (rc >= 0 && (rc = nx_rows_next(rows, err)) > 0)
		rc = read_fact(c, rows, items, &n, err);
	c->r->semantic = items;
	c->r->nsemantic = n;
	return rc < 0 ? rc : 0;
}
