/*
 * Recall: what of a user's memory answers a query.
 *
 * Relevance is BM25 (k1 1.2, b 0.75) of the query's words over the user's turns, from the rows of turn_terms; the score of
 * the one ranking is 0.75 relevance (of the best) + 0.15 recency (half-life 30 days) + 0.1 importance. An empty query
 * ranks by recency and importance alone. The layers are views over the same scores.
 */
#include "memory/memory_internal.h"

#include <math.h>

/* Row keys, by the hash that everything else here uses. */
#define HASH_FUNCTION(key, n, ret_hash) ((ret_hash) = (unsigned)nx_str_hash(nx_str_n((const char *)(key), (n))))
#include <uthash.h>

#define K1 1.2
#define B 0.75
#define HALF_LIFE_DAYS 30.0
#define MAX_CANDIDATES 2000

struct candidate {
	int64_t turn;
	double bm25;
	unsigned matched;
	UT_hash_handle hh;
};

struct recall {
	struct nx_memory *memory;
	struct nx_memory_recall *r;
	struct nx_db *db;
	struct candidate *by_turn;
	double turns, mean_length, best;
	struct nx_memory_term *terms;
	size_t nterms;
	int64_t now, session;
	struct nx_error *err;
};

/* ---- relevance ---- */

static int corpus_figures(struct recall *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(c->db,
			     "SELECT count(*), coalesce(avg(length), 1) FROM turns WHERE tenant_id=$1 AND user_id=$2",
			     NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id)), &rows, err);

	if (rc < 0 || (rc = nx_rows_next(rows, err)) < 0)
		return rc;
	c->turns = (double)nx_rows_int(rows, 0);
	c->mean_length = fmax(nx_rows_real(rows, 1), 1);
	return 0;
}

static struct candidate *candidate(struct recall *c, int64_t turn)
{
	struct candidate *k;

	HASH_FIND(hh, c->by_turn, &turn, sizeof(turn), k);
	if (k)
		return k;
	if (!(k = nx_arena_new_of(c->r->arena, struct candidate)))
		return NULL;
	k->turn = turn;
	HASH_ADD(hh, c->by_turn, turn, sizeof(k->turn), k);
	return k;
}

static int add_term(struct recall *c, nx_str term, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t df = 0;
	int rc = nx_db_get_int(c->db, "SELECT count(*) FROM turn_terms WHERE tenant_id=$1 AND user_id=$2 AND term=$3",
			       NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_text(term)), &df, err);

	if (rc < 0 || df == 0)
		return rc;
	double idf = log(1 + (c->turns - (double)df + 0.5) / ((double)df + 0.5));
	rc = nx_db_query(c->db,
			 "SELECT t.turn_id, t.count, u.length FROM turn_terms t JOIN turns u ON u.id=t.turn_id "
			 "WHERE t.tenant_id=$1 AND t.user_id=$2 AND t.term=$3 AND ($5=0 OR u.session_id=$5) "
			 "ORDER BY t.turn_id DESC LIMIT $4",
			 NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_text(term),
				   nx_v_int(MAX_CANDIDATES), nx_v_int(c->session)),
			 &rows, err);
	while (rc >= 0 && (rc = nx_rows_next(rows, err)) > 0) {
		struct candidate *k = candidate(c, nx_rows_int(rows, 0));
		double tf = (double)nx_rows_int(rows, 1), length = (double)nx_rows_int(rows, 2);
		if (!k)
			return nx_error_set(err, NX_ENOMEM, "recall");
		k->bm25 += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / c->mean_length));
		k->matched++;
		c->best = fmax(c->best, k->bm25);
	}
	return rc;
}

static int find_relevant(struct recall *c, struct nx_error **err)
{
	size_t length;
	int rc = corpus_figures(c, err);

	if (rc < 0 || (rc = nx_memory_terms(c->r->query, c->r->arena, &c->terms, &c->nterms, &length, err)) < 0)
		return rc;
	for (size_t i = 0; i < c->nterms; i++)
		if ((rc = add_term(c, c->terms[i].text, err)) < 0)
			return rc;
	return 0;
}

/* ---- items ---- */

static double recency(const struct recall *c, int64_t at)
{
	double days = (double)(c->now - at) / (86400.0 * (double)NX_USEC_PER_SEC);

	return exp2(-fmax(days, 0) / HALF_LIFE_DAYS);
}

static nx_str explain(struct recall *c, unsigned matched, int64_t at)
{
	double days = (double)(c->now - at) / (86400.0 * (double)NX_USEC_PER_SEC);
	char *s = c->nterms ? nx_arena_printf(c->r->arena, "%u of %zu words, %.1f days ago", matched, c->nterms,
					      fmax(days, 0))
			    : nx_arena_printf(c->r->arena, "%.1f days ago", fmax(days, 0));
	return s ? nx_str_z(s) : NX_STR("");
}

/* Columns: turn row, turn uid, text, role, occurred_at, importance, tainted, layer. */
static int read_item(struct recall *c, struct nx_rows *rows, struct nx_memory_item *ret, struct nx_error **err)
{
	struct nx_arena *a = c->r->arena;
	struct candidate *k;
	int64_t turn = nx_rows_int(rows, 0), at = nx_rows_int(rows, 4);

	HASH_FIND(hh, c->by_turn, &turn, sizeof(turn), k);
	*ret = (struct nx_memory_item){.id = nx_rows_id(rows, 1),
				       .text = nx_rows_textdup(rows, 2, a),
				       .role = nx_rows_textdup(rows, 3, a),
				       .occurred_at = at,
				       .importance = nx_rows_real(rows, 5),
				       .tainted = nx_rows_int(rows, 6) != 0};
	double relevance = k && c->best > 0 ? k->bm25 / c->best : 0;
	ret->score = c->nterms ? 0.75 * relevance + 0.15 * recency(c, at) + 0.1 * ret->importance
			       : 0.7 * recency(c, at) + 0.3 * ret->importance;
	ret->why = explain(c, k ? k->matched : 0, at);
	nx_str layer = nx_rows_text(rows, 7);
	ret->layer = nx_str_eqz(layer, "episodic") ? "episodic" : nx_str_eqz(layer, "working") ? "working" : "turn";
	ret->sources = nx_arena_memdup(a, &ret->id, sizeof(ret->id));
	ret->nsources = 1;
	return ret->text.p && ret->role.p && ret->sources ? 0 : nx_error_set(err, NX_ENOMEM, "recall");
}

static int by_score(const void *a, const void *b)
{
	const struct nx_memory_item *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->occurred_at < y->occurred_at ? 1 : x->occurred_at > y->occurred_at ? -1 : 0;
}

static int read_layer(struct recall *c, const char *layer, size_t max, struct nx_memory_item **ret, size_t *ret_n,
		      struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, MAX_CANDIDATES);
	size_t n = 0, kept = 0;
	int rc;

	if (!items)
		return nx_error_set(err, NX_ENOMEM, "recall");
	rc = nx_db_query(
		c->db,
		"SELECT t.id, t.uid, m.text, t.role, t.occurred_at, m.importance, t.tainted, m.layer FROM memories m "
		"JOIN turns t ON t.id=m.turn_id WHERE m.tenant_id=$1 AND m.user_id=$2 AND m.layer=$3 "
		"AND ($4=0 OR m.session_id=$4) ORDER BY m.id DESC LIMIT $5",
		NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_textz(layer), nx_v_int(c->session),
			  nx_v_int(MAX_CANDIDATES)),
		&rows, err);
	while (rc >= 0 && n < MAX_CANDIDATES && (rc = nx_rows_next(rows, err)) > 0)
		if ((rc = read_item(c, rows, &items[n], err)) == 0)
			n++;
	if (rc < 0)
		return rc;
	qsort(items, n, sizeof(*items), by_score);
	/* With a query, what shares no word with it is no answer; working memory is shown whatever was asked. */
	bool all = c->nterms == 0 || strcmp(layer, "working") == 0;
	for (size_t i = 0; i < n && kept < max; i++)
		if (all || nx_str_starts(items[i].why, NX_STR("0 of")) == false)
			items[kept++] = items[i];
	*ret = items;
	*ret_n = kept;
	return 0;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = *(struct candidate *const *)a, *y = *(struct candidate *const *)b;

	return x->bm25 < y->bm25 ? 1 : x->bm25 > y->bm25 ? -1 : 0;
}

static int read_turn(struct recall *c, int64_t turn, struct nx_memory_item *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(
		c->db,
		"SELECT t.id, t.uid, t.text, t.role, t.occurred_at, t.importance, t.tainted, "
		"coalesce((SELECT max(m.layer) FROM memories m WHERE m.turn_id=t.id AND m.layer<>'semantic'), "
		"'turn') FROM turns t "
		"WHERE t.id=$1 AND t.tenant_id=$2",
		NX_PARAMS(nx_v_int(turn), nx_v_int(c->r->tenant)), &rows, err);

	if (rc < 0 || (rc = nx_rows_next(rows, err)) <= 0)
		return rc < 0 ? rc : nx_error_set(err, NX_EINTERNAL, "a turn has gone");
	return read_item(c, rows, ret, err);
}

static int recent_turns(struct recall *c, size_t want, struct nx_memory_item *items, size_t *ret_n,
			struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	size_t n = 0;
	int rc = nx_db_query(
		c->db,
		"SELECT t.id, t.uid, t.text, t.role, t.occurred_at, t.importance, t.tainted, 'turn' FROM turns t "
		"WHERE t.tenant_id=$1 AND t.user_id=$2 AND ($3=0 OR t.session_id=$3) ORDER BY t.occurred_at DESC LIMIT $4",
		NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_int(c->session),
			  nx_v_int((int64_t)want)),
		&rows, err);

	while (rc >= 0 && n < want && (rc = nx_rows_next(rows, err)) > 0)
		if ((rc = read_item(c, rows, &items[n], err)) == 0)
			n++;
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

/* The best turns by words, whatever layer they are in now; without words the newest. */
static int rank(struct recall *c, struct nx_error **err)
{
	size_t want = c->r->limit ? c->r->limit : MEMORY_RECALL_RANKED, n = 0, all = HASH_COUNT(c->by_turn);
	size_t look = nx_min(all, want * 4);
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, nx_max(look, want) + 1);
	struct candidate **sorted = nx_arena_array(c->r->arena, struct candidate *, all + 1), *k, *next;
	int rc;

	if (!items || !sorted)
		return nx_error_set(err, NX_ENOMEM, "recall");
	c->r->ranked = items;
	if (c->nterms == 0) {
		rc = recent_turns(c, want, items, &c->r->nranked, err);
		qsort(items, c->r->nranked, sizeof(*items), by_score);
		return rc;
	}
	all = 0;
	HASH_ITER (hh, c->by_turn, k, next)
		sorted[all++] = k;
	qsort(sorted, all, sizeof(struct candidate *), compare_candidates);
	for (size_t i = 0; i < look; i++)
		if ((rc = read_turn(c, sorted[i]->turn, &items[n++], err)) < 0)
			return rc;
	qsort(items, n, sizeof(*items), by_score);
	c->r->nranked = nx_min(n, want);
	return 0;
}

/* ---- facts ---- */

/* The words by which a fact is found: those that state it, and those of its key ("lives_in"), since "I moved to Tyre" answers
 * where somebody lives. */
static nx_str fact_words(struct recall *c, nx_str text, nx_str key)
{
	char *s = nx_arena_printf(c->r->arena, "%.*s %.*s", NX_FMT(text), NX_FMT(key));

	for (char *p = s ? s + text.n : NULL; p && *p; p++)
		if (*p == '_' || *p == ':' || *p == '|')
			*p = ' ';
	return nx_str_z(s);
}

/* How many of the query's words the fact itself has: what else its turn says does not make it an answer. */
static int count_words(struct recall *c, nx_str text, unsigned *ret, struct nx_error **err)
{
	struct nx_memory_term *terms;
	size_t n, length;
	int rc = text.p ? nx_memory_terms(text, c->r->arena, &terms, &n, &length, err)
			: nx_error_set(err, NX_ENOMEM, "recall facts");

	*ret = 0;
	for (size_t i = 0; rc == 0 && i < n; i++)
		for (size_t k = 0; k < c->nterms; k++)
			*ret += nx_str_eq(terms[i].text, c->terms[k].text);
	return rc;
}

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

/* Columns: uid, text, valid_from, importance, sources, key. 1: an answer; 0: none. */
static int read_fact(struct recall *c, struct nx_rows *rows, struct nx_memory_item *ret, struct nx_error **err)
{
	int64_t at = nx_rows_int(rows, 2);
	unsigned matched = 0;
	int rc = 0;

	if (c->nterms > 0)
		rc = count_words(c, fact_words(c, nx_rows_text(rows, 1), nx_rows_text(rows, 5)), &matched, err);
	if (rc < 0 || (c->nterms > 0 && matched == 0))
		return rc;
	*ret = (struct nx_memory_item){.id = nx_rows_id(rows, 0),
				       .layer = "semantic",
				       .text = nx_rows_textdup(rows, 1, c->r->arena),
				       .role = NX_STR("user"),
				       .importance = nx_rows_real(rows, 3),
				       .occurred_at = at,
				       .why = explain(c, matched, at)};
	ret->score = c->nterms ? 0.85 * matched / (double)c->nterms + 0.15 * recency(c, at) : recency(c, at);
	if (!ret->text.p)
		return nx_error_set(err, NX_ENOMEM, "recall facts");
	rc = read_sources(c, nx_rows_text(rows, 4), ret, err);
	return rc < 0 ? rc : 1;
}

/* Valid now; what was contradicted is history. */
static int read_facts(struct recall *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, MAX_CANDIDATES);
	size_t n = 0;
	int rc;

	if (!items)
		return nx_error_set(err, NX_ENOMEM, "recall facts");
	rc = nx_db_query(c->db,
			 "SELECT uid, text, valid_from, importance, sources, fact_key FROM memories "
			 "WHERE tenant_id=$1 AND user_id=$2 AND layer='semantic' AND ($3=0 OR session_id=$3) "
			 "AND valid_from<=$4 AND (valid_to IS NULL OR valid_to>$4) ORDER BY id DESC LIMIT $5",
			 NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_int(c->session),
				   nx_v_int(c->now), nx_v_int(MAX_CANDIDATES)),
			 &rows, err);
	while (rc >= 0 && n < MAX_CANDIDATES && (rc = nx_rows_next(rows, err)) > 0)
		if ((rc = read_fact(c, rows, &items[n], err)) > 0)
			n++;
	if (rc < 0)
		return rc;
	qsort(items, n, sizeof(*items), by_score);
	c->r->semantic = items;
	c->r->nsemantic = nx_min(n, (size_t)MEMORY_RECALL_SEMANTIC);
	return 0;
}

/* ---- the job ---- */

static int find_session(struct recall *c, struct nx_error **err)
{
	if (c->r->session.n == 0)
		return 0;
	int rc = nx_db_get_int(c->db, "SELECT id FROM sessions WHERE tenant_id=$1 AND user_id=$2 AND name=$3",
			       NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_text(c->r->session)),
			       &c->session, err);
	return rc == NX_ENOTFOUND ? nx_error_wrap(err, "there is no session `%.*s`", NX_FMT(c->r->session)) : rc;
}

static int recall(struct recall *c, struct nx_error **err)
{
	struct nx_memory_recall *r = c->r;
	int rc;

	if ((rc = find_session(c, err)) < 0 || (rc = find_relevant(c, err)) < 0 ||
	    (rc = read_layer(c, "working", MEMORY_RECALL_WORKING, &r->working, &r->nworking, err)) < 0 ||
	    (rc = read_layer(c, "episodic", MEMORY_RECALL_EPISODIC, &r->episodic, &r->nepisodic, err)) < 0 ||
	    (rc = read_facts(c, err)) < 0 ||
	    (rc = nx_memory_procedures_recall(c->db, r, c->terms, c->nterms, c->now, err)) < 0)
		return rc;
	return rank(c, err);
}

static void run(struct nx_job *j)
{
	struct nx_memory_recall *r = nx_container_of(j, struct nx_memory_recall, job);
	struct recall *c = r->priv;

	c->db = nx_store_reader(c->memory->store);
	c->now = nx_time_wall_us();
	if (nx_db_begin_read(c->db, &c->err) < 0)
		return;
	recall(c, &c->err);
	nx_db_end_read(c->db);
	HASH_CLEAR(hh, c->by_turn);
}

/* ---- what was recalled counts as accessed; off the way of the answer ---- */

struct touch {
	struct nx_write write;
	int64_t tenant, now;
	size_t n;
	nx_id turns[];
};

static int apply_touch(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct touch *t = nx_container_of(w, struct touch, write);

	for (size_t i = 0; i < t->n; i++) {
		int rc = nx_db_exec(
			db,
			"UPDATE memories SET accesses=accesses+1, attention=1.0, accessed_at=$3 WHERE tenant_id=$1 AND "
			"turn_id=(SELECT id FROM turns WHERE uid=$2 AND tenant_id=$1)",
			NX_PARAMS(nx_v_int(t->tenant), nx_v_id(&t->turns[i]), nx_v_int(t->now)), err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void touch_done(struct nx_write *w, struct nx_error *err)
{
	(void)err; /* a count that is lost harms nobody */
	free(nx_container_of(w, struct touch, write));
}

static void touch(struct nx_memory *m, const struct nx_memory_recall *r)
{
	struct touch *t = r->nranked ? malloc(sizeof(*t) + r->nranked * sizeof(nx_id)) : NULL;

	if (!t)
		return;
	*t = (struct touch){.tenant = r->tenant, .now = nx_time_wall_us(), .n = r->nranked};
	for (size_t i = 0; i < r->nranked; i++)
		t->turns[i] = r->ranked[i].id;
	t->write = (struct nx_write){.lane = NX_LANE_BULK, .apply = apply_touch, .done = touch_done};
	nx_store_write(m->store, &t->write);
}

static void done(struct nx_job *j)
{
	struct nx_memory_recall *r = nx_container_of(j, struct nx_memory_recall, job);
	struct recall *c = r->priv;
	nx_auto_error struct nx_error *err = nx_steal(c->err);

	if (!err)
		touch(c->memory, r);
	r->done(r, err);
}

void nx_memory_recall(struct nx_memory *m, struct nx_memory_recall *r)
{
	struct recall *c = nx_arena_new_of(r->arena, struct recall);
	nx_auto_error struct nx_error *err = NULL;

	if (r->user_id.n == 0)
		nx_error_set(&err, NX_EINVAL, "recall needs a user_id");
	else if (!c)
		nx_error_set(&err, NX_ENOMEM, "recall");
	if (err) {
		r->done(r, err);
		return;
	}
	c->memory = m;
	c->r = r;
	r->priv = c;
	r->job = (struct nx_job){.run = run, .done = done, .reply = r->reply};
	nx_workers_post(m->workers, &r->job);
}
