/*
 * Procedures: plans that worked, by intent and pattern, and how often they did.
 *
 * The pattern is the request's words, sorted and without figures, so that the same question about another number or in
 * another order finds the plan. A plan is recorded when it worked; from then on failures count against it. A user keeps
 * memory.max_procedures of them: those of the lowest success rate, then the oldest, go.
 */
#include "memory/recall_internal.h"

#include <math.h>

#define PATTERN_MAX 512
#define HALF_LIFE_DAYS 90.0
#define READ_MAX 2000

int nx_memory_pattern(nx_str text, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_memory_term *terms;
	size_t n, length;
	int rc = nx_memory_terms(text, a, &terms, &n, &length, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && b.n + terms[i].text.n < PATTERN_MAX; i++)
		if (terms[i].text.n > 0 && !(terms[i].text.p[0] >= '0' && terms[i].text.p[0] <= '9'))
			nx_buf_addf(&b, "%s%.*s", b.n ? " " : "", NX_FMT(terms[i].text));
	*ret = nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(a, b.n ? nx_buf_str(&b) : NX_STR(""));
	return ret->p ? 0 : nx_error_set(err, NX_ENOMEM, "read the pattern of a request");
}

static int trim(const struct nx_config *c, struct nx_db *db, int64_t tenant, nx_str user, struct nx_error **err)
{
	return nx_db_exec(db,
			  "DELETE FROM procedures WHERE id IN (SELECT id FROM procedures WHERE tenant_id=$1 AND "
			  "user_id=$2 ORDER BY (successes*1.0)/uses DESC, updated_at DESC LIMIT -1 OFFSET $3)",
			  NX_PARAMS(nx_v_int(tenant), nx_v_text(user), nx_v_int(c->memory_max_procedures)), err);
}

int nx_memory_procedure_put(const struct nx_config *c, struct nx_db *db, int64_t tenant, nx_str user,
			    const struct nx_memory_plan *p, int64_t now, struct nx_error **err)
{
	nx_id uid = nx_id_new();
	int rc;

	if (!p->worked)
		return nx_db_exec(db,
				  "UPDATE procedures SET uses=uses+1, updated_at=$5 WHERE tenant_id=$1 AND user_id=$2 "
				  "AND intent=$3 AND pattern=$4",
				  NX_PARAMS(nx_v_int(tenant), nx_v_text(user), nx_v_text(p->intent),
					    nx_v_text(p->pattern), nx_v_int(now)),
				  err);
	rc = nx_db_exec(
		db,
		"INSERT INTO procedures(uid, tenant_id, user_id, intent, pattern, plan, uses, successes, created_at, "
		"updated_at) VALUES($1,$2,$3,$4,$5,$6,1,1,$7,$7) ON CONFLICT(tenant_id, user_id, intent, pattern) "
		"DO UPDATE SET plan=excluded.plan, uses=uses+1, successes=successes+1, updated_at=excluded.updated_at",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(tenant), nx_v_text(user), nx_v_text(p->intent), nx_v_text(p->pattern),
			  nx_v_text(p->plan), nx_v_int(now)),
		err);
	return rc < 0 ? rc : trim(c, db, tenant, user, err);
}

static size_t shared_words(nx_str pattern, const struct nx_memory_term *terms, size_t n)
{
	size_t shared = 0;

	while (pattern.n > 0) {
		nx_str word = nx_str_cut(&pattern, ' ');
		for (size_t i = 0; i < n; i++)
			if (nx_str_eq(terms[i].text, word)) {
				shared++;
				break;
			}
	}
	return shared;
}

/* "question: knowledge.search → text.summarize" */
static nx_str describe(struct nx_arena *a, nx_str intent, nx_str plan)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	yyjson_val *doc, *step;
	size_t i, n;

	nx_buf_addf(&b, "%.*s:", NX_FMT(intent));
	if (nx_json_read(a, plan, NULL, &doc, NULL) == 0) {
		yyjson_arr_foreach (nx_json_get(doc, "steps"), i, n, step) {
			nx_str name = nx_json_str(step, "tool");
			if (name.n == 0)
				name = nx_json_str(step, "agent");
			nx_buf_addf(&b, "%s %.*s", i ? " →" : "", NX_FMT(name));
		}
	}
	return nx_buf_failed(&b) ? NX_STR_NULL : nx_str_dup(a, nx_buf_str(&b));
}

/* Columns: uid, intent, pattern, plan, uses, successes, updated_at. */
static int read_one(struct recall *c, struct nx_rows *rows, struct nx_memory_item *ret, struct nx_error **err)
{
	struct nx_memory_recall *r = c->r;
	struct recall_subject subject = {.layer = "procedural", .role = NX_STR("plan"), .at = nx_rows_int(rows, 6)};
	size_t shared = shared_words(nx_rows_text(rows, 2), c->terms, c->nterms), nterms = c->nterms;
	double uses = (double)nx_rows_int(rows, 4), successes = (double)nx_rows_int(rows, 5);
	double days = (double)(c->now - nx_rows_int(rows, 6)) / (86400.0 * (double)NX_USEC_PER_SEC);

	if ((nterms > 0 && shared == 0) || !nx_recall_accepts(c, &subject))
		return 0;
	nx_str intent = nx_rows_textdup(rows, 1, r->arena), plan = nx_rows_textdup(rows, 3, r->arena);
	char *why = nx_arena_printf(r->arena, "%zu of %zu words, worked %lld of %lld times", shared, nterms,
				    (long long)nx_rows_int(rows, 5), (long long)nx_rows_int(rows, 4));
	*ret = (struct nx_memory_item){.id = nx_rows_id(rows, 0),
				       .layer = "procedural",
				       .text = describe(r->arena, intent, plan),
				       .role = NX_STR("plan"),
				       .importance = uses > 0 ? successes / uses : 0,
				       .occurred_at = nx_rows_int(rows, 6),
				       .why = why ? nx_str_z(why) : NX_STR_NULL};
	double relevance = nterms ? (double)shared / (double)nterms : 1;
	ret->score = 0.6 * relevance + 0.3 * ret->importance + 0.1 * exp2(-fmax(days, 0) / HALF_LIFE_DAYS);
	return ret->text.p && ret->why.p ? 1 : nx_error_set(err, NX_ENOMEM, "recall procedures");
}

static int by_score(const void *a, const void *b)
{
	const struct nx_memory_item *x = a, *y = b;

	return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

int nx_recall_read_procedures(struct recall *c, struct nx_error **err)
{
	struct nx_memory_recall *r = c->r;
	nx_auto_rows struct nx_rows *rows = NULL;
	struct nx_memory_item *items = nx_arena_array(r->arena, struct nx_memory_item, MEMORY_RECALL_PROCEDURAL + 1);
	size_t n = 0;
	int rc;

	if (!items)
		return nx_error_set(err, NX_ENOMEM, "recall procedures");
	rc = nx_db_query(c->db,
			 "SELECT uid, intent, pattern, plan, uses, successes, updated_at FROM procedures "
			 "WHERE tenant_id=$1 AND user_id=$2 LIMIT $3",
			 NX_PARAMS(nx_v_int(r->tenant), nx_v_text(r->user_id), nx_v_int(READ_MAX)), &rows, err);
	while (rc >= 0 && (rc = nx_rows_next(rows, err)) > 0) {
		if ((rc = read_one(c, rows, &items[n], err)) <= 0)
			continue;
		qsort(items, ++n, sizeof(*items), by_score);
		n = nx_min(n, (size_t)MEMORY_RECALL_PROCEDURAL);
	}
	r->procedural = items;
	r->nprocedural = n;
	return rc;
}
