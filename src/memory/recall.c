/*
 * Recall: what of a user's memory answers a query.
 *
 * The score of the one ranking is 0.75 relevance (BM25, of the best) + 0.15 recency (half-life 30 days) + 0.1 importance.
 * An empty query ranks by recency and importance alone. The layers are views over the same scores.
 *
 * Turns are read last and few: what a score can be at most is known without the turn, so that reading ends where nothing
 * better can follow.
 */
#include "memory/recall_internal.h"

#include <math.h>
#include <stdlib.h>

#define HALF_LIFE_DAYS 30.0

/* ---- scores ---- */

static double days_since(const struct recall *c, int64_t at)
{
	return fmax((double)(c->now - at) / (86400.0 * (double)NX_USEC_PER_SEC), 0);
}

double nx_recall_recency(const struct recall *c, int64_t at)
{
	return exp2(-days_since(c, at) / HALF_LIFE_DAYS);
}

static double score(const struct recall *c, const struct recall_candidate *k, double recency, double importance)
{
	double relevance = k && c->best > 0 ? k->bm25 / c->best : 0;

	return c->nterms ? 0.75 * relevance + 0.15 * recency + 0.1 * importance : 0.7 * recency + 0.3 * importance;
}

nx_str nx_recall_explain(struct recall *c, unsigned matched, int64_t at)
{
	double days = days_since(c, at);
	char *s = c->nterms ? nx_arena_printf(c->r->arena, "%u of %zu words, %.1f days ago", matched, c->nterms, days)
			    : nx_arena_printf(c->r->arena, "%.1f days ago", days);
	return s ? nx_str_z(s) : NX_STR("");
}

static int by_score(const void *a, const void *b)
{
	const struct nx_memory_item *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return x->occurred_at < y->occurred_at ? 1 : x->occurred_at > y->occurred_at ? -1 : 0;
}

bool nx_recall_has_place(const struct nx_memory_item *items, size_t n, size_t max, const struct nx_memory_item *one)
{
	return n < max || by_score(one, &items[n - 1]) < 0;
}

void nx_recall_insert(struct nx_memory_item *items, size_t *n, size_t max, const struct nx_memory_item *one)
{
	size_t at = *n < max ? (*n)++ : max - 1;

	for (; at > 0 && by_score(one, &items[at - 1]) < 0; at--)
		items[at] = items[at - 1];
	items[at] = *one;
}

/* ---- turns ---- */

static const char *layer_name(nx_str layer)
{
	return nx_str_eqz(layer, "episodic") ? "episodic" : nx_str_eqz(layer, "working") ? "working" : "turn";
}

/* Columns: turn row, turn uid, text, role, occurred_at, importance, tainted, agent, metadata, layer. 1: *ret is the item; 0:
 * it does not pass the filters. */
static int read_item(struct recall *c, struct nx_rows *rows, struct nx_memory_item *ret, struct nx_error **err)
{
	struct nx_arena *a = c->r->arena;
	const struct recall_candidate *k = nx_recall_candidate(c, nx_rows_int(rows, 0));
	const char *layer = layer_name(nx_rows_text(rows, 9));
	int64_t at = nx_rows_int(rows, 4);
	struct recall_subject subject = {.layer = layer,
					 .role = nx_rows_text(rows, 3),
					 .agent = nx_rows_text(rows, 7),
					 .metadata = nx_rows_text(rows, 8),
					 .at = at};

	if (!nx_recall_accepts(c, &subject))
		return 0;
	*ret = (struct nx_memory_item){.id = nx_rows_id(rows, 1),
				       .layer = layer,
				       .text = nx_rows_textdup(rows, 2, a),
				       .role = nx_rows_textdup(rows, 3, a),
				       .occurred_at = at,
				       .importance = nx_rows_real(rows, 5),
				       .why = nx_recall_explain(c, k ? k->matched : 0, at),
				       .tainted = nx_rows_int(rows, 6) != 0};
	ret->score = score(c, k, nx_recall_recency(c, at), ret->importance);
	ret->sources = nx_arena_memdup(a, &ret->id, sizeof(ret->id));
	ret->nsources = 1;
	return ret->text.p && ret->role.p && ret->sources ? 1 : nx_error_set(err, NX_ENOMEM, "recall");
}

#define TURN_COLUMNS "t.id, t.uid, t.text, t.role, t.occurred_at, t.importance, t.tainted, t.agent_id, t.metadata, "
#define LAYER_OF_TURN                                                                                   \
	"coalesce((SELECT max(m.layer) FROM memories m WHERE m.turn_id=t.id AND m.layer<>'semantic'), " \
	"'turn') "

/* `layer` NULL: the one that the turn is in. 1 or 0, as read_item. */
static int read_turn(struct recall *c, int64_t turn, const char *layer, struct nx_memory_item *ret,
		     struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(c->db,
			     "SELECT " TURN_COLUMNS "coalesce($3, " LAYER_OF_TURN ") FROM turns t "
			     "WHERE t.id=$1 AND t.tenant_id=$2",
			     NX_PARAMS(nx_v_int(turn), nx_v_int(c->r->tenant), nx_v_textz(layer)), &rows, err);

	if (rc < 0 || (rc = nx_rows_next(rows, err)) <= 0)
		return rc < 0 ? rc : nx_error_set(err, NX_EINTERNAL, "a turn has gone");
	return read_item(c, rows, ret, err);
}

/* ---- layers ---- */

/* A member of a layer before its turn is read. */
struct member {
	int64_t turn;
	double bound; /* its score were it of this moment */
};

static int by_bound(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->bound != y->bound)
		return x->bound < y->bound ? 1 : -1;
	return x->turn < y->turn ? 1 : x->turn > y->turn ? -1 : 0;
}

/* With a query, what shares no word with it is no answer; working memory is shown whatever was asked. */
static int read_members(struct recall *c, const char *layer, struct member *ret, size_t *ret_n, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	bool all = c->nterms == 0 || strcmp(layer, "working") == 0;
	size_t n = 0;
	int rc = nx_db_query(c->db,
			     "SELECT turn_id, importance FROM memories WHERE tenant_id=$1 AND user_id=$2 AND layer=$3 "
			     "AND ($4=0 OR session_id=$4) ORDER BY id DESC LIMIT $5",
			     NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_textz(layer),
				       nx_v_int(c->session), nx_v_int((int64_t)c->max_rows)),
			     &rows, err);

	while (rc >= 0 && n < c->max_rows && (rc = nx_rows_next(rows, err)) > 0) {
		int64_t turn = nx_rows_int(rows, 0);
		const struct recall_candidate *k = nx_recall_candidate(c, turn);
		if (k || all)
			ret[n++] = (struct member){turn, score(c, k, 1, nx_rows_real(rows, 1))};
	}
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

static int read_layer(struct recall *c, const char *layer, size_t max, struct nx_memory_item **ret, size_t *ret_n,
		      struct nx_error **err)
{
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, max), one;
	struct member *members = nx_arena_array(c->r->arena, struct member, c->max_rows);
	size_t n, kept = 0;

	*ret = items;
	*ret_n = 0;
	if (!nx_recall_wants_layer(c, layer))
		return 0;
	if (!items || !members)
		return nx_error_set(err, NX_ENOMEM, "recall");
	int rc = read_members(c, layer, members, &n, err);
	if (rc == 0 && n > 0)
		qsort(members, n, sizeof(*members), by_bound);
	for (size_t i = 0; rc >= 0 && i < n && (kept < max || members[i].bound >= items[kept - 1].score); i++) {
		if ((rc = read_turn(c, members[i].turn, layer, &one, err)) > 0 &&
		    nx_recall_has_place(items, kept, max, &one))
			nx_recall_insert(items, &kept, max, &one);
	}
	*ret_n = kept;
	return rc < 0 ? rc : 0;
}

/* ---- the ranking ---- */

/* A heap of places in `candidates`, the most relevant on top, of equals the newest. */
static bool is_above(const struct recall *c, uint32_t a, uint32_t b)
{
	const struct recall_candidate *x = &c->candidates[a], *y = &c->candidates[b];

	return x->bm25 > y->bm25 || (x->bm25 >= y->bm25 && x->turn > y->turn);
}

static void sift_down(const struct recall *c, uint32_t *heap, size_t n, size_t at)
{
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		child += child + 1 < n && is_above(c, heap[child + 1], heap[child]);
		if (is_above(c, heap[at], heap[child]))
			return;
		uint32_t was = heap[at];
		heap[at] = heap[child];
		heap[child] = was;
	}
}

static uint32_t *make_heap(struct recall *c)
{
	uint32_t *heap = nx_arena_array(c->r->arena, uint32_t, c->ncandidates + 1);

	for (size_t i = 0; heap && i < c->ncandidates; i++)
		heap[i] = (uint32_t)i;
	for (size_t i = heap ? c->ncandidates / 2 : 0; i-- > 0;)
		sift_down(c, heap, c->ncandidates, i);
	return heap;
}

/* The best by words, four times as many as are wanted, by their scores. */
static int rank_relevant(struct recall *c, size_t want, struct nx_error **err)
{
	size_t left = c->ncandidates, look = nx_min(left, want * 4), n = 0;
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, look + 1);
	uint32_t *heap = make_heap(c);
	int rc = 0;

	if (!items || !heap)
		return nx_error_set(err, NX_ENOMEM, "recall");
	/* With filters many may be read in vain. */
	for (size_t reads = 0; n < look && left > 0 && reads < c->max_rows; reads++) {
		if ((rc = read_turn(c, c->candidates[heap[0]].turn, NULL, &items[n], err)) < 0)
			return rc;
		n += rc > 0;
		heap[0] = heap[--left];
		sift_down(c, heap, left, 0);
	}
	qsort(items, n, sizeof(*items), by_score);
	c->r->ranked = items;
	c->r->nranked = nx_min(n, want);
	return 0;
}

static int rank_newest(struct recall *c, size_t want, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_memory_item *items = nx_arena_array(c->r->arena, struct nx_memory_item, want);
	size_t n = 0;
	int rc;

	if (!items)
		return nx_error_set(err, NX_ENOMEM, "recall");
	rc = nx_db_query(c->db,
			 "SELECT " TURN_COLUMNS LAYER_OF_TURN "FROM turns t WHERE t.tenant_id=$1 AND t.user_id=$2 "
			 "AND ($3=0 OR t.session_id=$3) ORDER BY t.occurred_at DESC LIMIT $4",
			 NX_PARAMS(nx_v_int(c->r->tenant), nx_v_text(c->r->user_id), nx_v_int(c->session),
				   nx_v_int((int64_t)(c->filter ? c->max_rows : want))),
			 &rows, err);
	while (rc >= 0 && n < want && (rc = nx_rows_next(rows, err)) > 0)
		if ((rc = read_item(c, rows, &items[n], err)) > 0)
			n++;
	if (n > 0)
		qsort(items, n, sizeof(*items), by_score);
	c->r->ranked = items;
	c->r->nranked = n;
	return rc < 0 ? rc : 0;
}

/* The best turns by words, whatever layer they are in now; without words the newest. */
static int rank(struct recall *c, struct nx_error **err)
{
	size_t want = c->r->limit ? c->r->limit : MEMORY_RECALL_RANKED;

	return c->nterms ? rank_relevant(c, want, err) : rank_newest(c, want, err);
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

	c->max_rows = c->filter ? RECALL_MAX_ROWS_FILTERED : RECALL_MAX_ROWS;
	if ((rc = find_session(c, err)) < 0 || (rc = nx_recall_find_relevant(c, err)) < 0 ||
	    (rc = read_layer(c, "working", MEMORY_RECALL_WORKING, &r->working, &r->nworking, err)) < 0 ||
	    (rc = read_layer(c, "episodic", MEMORY_RECALL_EPISODIC, &r->episodic, &r->nepisodic, err)) < 0 ||
	    (rc = nx_recall_read_facts(c, err)) < 0 || (rc = nx_recall_read_procedures(c, err)) < 0)
		return rc;
	return rank(c, err);
}

static void run(struct nx_job *j)
{
	struct nx_memory_recall *r = nx_container_of(j, struct nx_memory_recall, job);
	struct recall *c = r->priv;

	c->db = nx_store_reader(c->memory->store);
	c->now = nx_time_wall_us();
	c->mean_length = 1;
	if (nx_recall_read_filters(c, &c->err) < 0)
		return;
	if (nx_db_begin_read(c->db, &c->err) == 0) {
		recall(c, &c->err);
		nx_db_end_read(c->db);
	}
	nx_map_done(&c->by_turn);
	nx_filter_done(c->filter);
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

	/* The turn is the tenant's, and so are its memories: asked for the tenant again, SQLite would go through all of them. */
	for (size_t i = 0; i < t->n; i++) {
		int rc = nx_db_exec(db,
				    "UPDATE memories SET accesses=accesses+1, attention=1.0, accessed_at=$3 "
				    "WHERE turn_id=(SELECT id FROM turns WHERE uid=$2 AND tenant_id=$1)",
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
