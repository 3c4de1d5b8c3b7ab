/*
 * Facts in the store: rows of `memories` in layer `semantic`.
 *
 * For a key one value is valid at a time. valid_from is when the turn that states it was said; a turn that states another
 * value closes it (valid_to) and opens its own, a turn that states the same again becomes one more source. What is told
 * late, of an earlier time, is stored closed already. A fact lives as long as one of its sources; when the last one goes,
 * what it had closed is valid again.
 */
#include "memory/memory_internal.h"

struct row {
	int64_t id, from, to;
	nx_str value, sources;
};

#define OF_KEY "tenant_id=$1 AND user_id=$2 AND layer='semantic' AND fact_key=$3"

/* 1: *ret is the valid row of the key; 0: there is none. */
static int read_valid(struct nx_db *db, const struct nx_memory_fact_turn *t, nx_str key, struct row *ret,
		      struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int rc = nx_db_query(
		db, "SELECT id, valid_from, fact_value, sources FROM memories WHERE " OF_KEY " AND valid_to IS NULL",
		NX_PARAMS(nx_v_int(t->tenant), nx_v_text(t->user), nx_v_text(key)), &r, err);

	if (rc < 0 || (rc = nx_rows_next(r, err)) <= 0)
		return rc;
	*ret = (struct row){.id = nx_rows_int(r, 0),
			    .from = nx_rows_int(r, 1),
			    .value = nx_rows_textdup(r, 2, t->arena),
			    .sources = nx_rows_textdup(r, 3, t->arena)};
	return ret->value.p && ret->sources.p ? 1 : nx_error_set(err, NX_ENOMEM, "store a fact");
}

static int add_source(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct row *was,
		      struct nx_error **err)
{
	char id[NX_ID_TEXT];

	nx_id_format(t->uid, id);
	if (nx_str_find(was->sources, nx_str_z(id)) >= 0)
		return 0;
	char *sources = nx_arena_printf(t->arena, "%.*s %s", NX_FMT(was->sources), id);
	if (!sources)
		return nx_error_set(err, NX_ENOMEM, "store a fact");
	return nx_db_exec(
		db, "UPDATE memories SET sources=$3, accesses=accesses+1, accessed_at=$4 WHERE id=$2 AND tenant_id=$1",
		NX_PARAMS(nx_v_int(t->tenant), nx_v_int(was->id), nx_v_textz(sources), nx_v_int(t->now)), err);
}

static int close_fact(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct row *was,
		      struct nx_error **err)
{
	return nx_db_exec(db, "UPDATE memories SET valid_to=$3 WHERE id=$2 AND tenant_id=$1",
			  NX_PARAMS(nx_v_int(t->tenant), nx_v_int(was->id), nx_v_int(t->at)), err);
}

static int insert_fact(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct nx_memory_fact *f,
		       int64_t valid_to, struct nx_error **err)
{
	nx_id uid = nx_id_new();
	char source[NX_ID_TEXT];

	nx_id_format(t->uid, source);
	return nx_db_exec(
		db,
		"INSERT INTO memories(uid, tenant_id, user_id, session_id, turn_id, layer, text, importance, created_at, "
		"accessed_at, valid_from, valid_to, sources, fact_key, fact_value, words) "
		"VALUES($1,$2,$3,$4,$5,'semantic',$6,$7,$8,$8,$9,$10,$11,$12,$13,$14)",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(t->tenant), nx_v_text(t->user), nx_v_int0(t->session),
			  nx_v_int(t->row), nx_v_text(f->text), nx_v_real(t->importance), nx_v_int(t->now),
			  nx_v_int(t->at), nx_v_int0(valid_to), nx_v_textz(source), nx_v_text(f->key),
			  nx_v_text(f->value), nx_v_text(f->words)),
		err);
}

static int put_fact(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct nx_memory_fact *f,
		    struct nx_error **err)
{
	struct row was;
	int rc = read_valid(db, t, f->key, &was, err);

	if (rc < 0)
		return rc;
	bool same = rc > 0 && nx_str_eq(was.value, f->value);
	if (f->ends)
		return same && t->at >= was.from ? close_fact(db, t, &was, err) : 0;
	if (rc == 0)
		return insert_fact(db, t, f, 0, err);
	if (same)
		return add_source(db, t, &was, err);
	if (t->at < was.from)
		return insert_fact(db, t, f, was.from, err);
	rc = close_fact(db, t, &was, err);
	return rc < 0 ? rc : insert_fact(db, t, f, 0, err);
}

int nx_memory_facts_put(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct nx_memory_fact *facts,
			size_t n, struct nx_error **err)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = put_fact(db, t, &facts[i], err);
	return rc < 0 ? nx_error_wrap(err, "store a fact") : 0;
}

/* ---- going ---- */

struct leaving {
	struct row row;
	nx_str key;
};

static int delete_fact(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct leaving *l,
		       struct nx_error **err)
{
	int rc = nx_db_exec(db, "DELETE FROM memories WHERE id=$2 AND tenant_id=$1",
			    NX_PARAMS(nx_v_int(t->tenant), nx_v_int(l->row.id)), err);

	if (rc < 0)
		return rc;
	return nx_db_exec(db, "UPDATE memories SET valid_to=$5 WHERE " OF_KEY " AND valid_to=$4",
			  NX_PARAMS(nx_v_int(t->tenant), nx_v_text(t->user), nx_v_text(l->key), nx_v_int(l->row.from),
				    nx_v_int0(l->row.to)),
			  err);
}

/* The fact stays on its other sources; the first of them is now its turn. */
static int drop_source(struct nx_db *db, const struct nx_memory_fact_turn *t, const struct leaving *l, nx_str gone,
		       struct nx_error **err)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_str rest = l->row.sources;
	nx_id first = NX_ID_NONE;

	while (rest.n > 0) {
		nx_str one = nx_str_cut(&rest, ' ');
		if (nx_str_eq(one, gone))
			continue;
		if (b.n == 0 && !nx_id_parse(one, &first))
			return nx_error_set(err, NX_ECORRUPT, "a fact names a source that is no id");
		nx_buf_addf(&b, "%s%.*s", b.n ? " " : "", NX_FMT(one));
	}
	if (nx_buf_failed(&b))
		return nx_error_set(err, NX_ENOMEM, "forget a source");
	if (b.n == 0)
		return delete_fact(db, t, l, err);
	return nx_db_exec(
		db,
		"UPDATE memories SET sources=$3, turn_id=(SELECT id FROM turns WHERE uid=$4 AND tenant_id=$1) "
		"WHERE id=$2 AND tenant_id=$1",
		NX_PARAMS(nx_v_int(t->tenant), nx_v_int(l->row.id), nx_v_text(nx_buf_str(&b)), nx_v_id(&first)), err);
}

static int read_of_turn(struct nx_db *db, const struct nx_memory_fact_turn *t, nx_str source, struct leaving **ret,
			size_t *ret_n, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	size_t n = 0, cap = 0;
	int rc = nx_db_query(db,
			     "SELECT id, valid_from, coalesce(valid_to, 0), sources, fact_key FROM memories WHERE "
			     "tenant_id=$1 AND user_id=$2 AND layer='semantic' AND instr(sources, $3)>0",
			     NX_PARAMS(nx_v_int(t->tenant), nx_v_text(t->user), nx_v_text(source)), &r, err);

	*ret = NULL;
	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0) {
		if (n == cap) {
			size_t more = cap ? cap * 2 : 8;
			*ret = nx_arena_realloc(t->arena, *ret, cap * sizeof(**ret), more * sizeof(**ret));
			cap = more;
		}
		if (!*ret)
			return nx_error_set(err, NX_ENOMEM, "forget a source");
		struct leaving *l = &(*ret)[n++];
		*l = (struct leaving){.row = {.id = nx_rows_int(r, 0),
					      .from = nx_rows_int(r, 1),
					      .to = nx_rows_int(r, 2),
					      .sources = nx_rows_textdup(r, 3, t->arena)},
				      .key = nx_rows_textdup(r, 4, t->arena)};
		if (!l->row.sources.p || !l->key.p)
			return nx_error_set(err, NX_ENOMEM, "forget a source");
	}
	*ret_n = n;
	return rc;
}

int nx_memory_facts_drop(struct nx_db *db, const struct nx_memory_fact_turn *t, struct nx_error **err)
{
	struct leaving *leaving;
	char id[NX_ID_TEXT];
	size_t n;

	nx_id_format(t->uid, id);
	int rc = read_of_turn(db, t, nx_str_z(id), &leaving, &n, err);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = drop_source(db, t, &leaving[i], nx_str_z(id), err);
	return rc;
}
