/* Changes of what is remembered: patch, delete, pin, forget. What was derived from a turn goes with it. */
#include "memory/memory_internal.h"

struct change {
	struct nx_memory *memory;
	struct nx_memory_term *terms;
	size_t nterms, length;
	struct nx_memory_fact *facts;
	size_t nfacts;
	nx_str text;
};

/* A turn as it is stored. */
struct stored {
	int64_t row, session, occurred_at, length;
	nx_str user, text;
	double importance;
	bool states; /* said by the user: facts come of it */
};

static int find_turn(struct nx_memory_change *c, struct nx_db *db, struct stored *ret, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	char text[NX_ID_TEXT];
	int rc = nx_db_query(db,
			     "SELECT id, user_id, coalesce(session_id, 0), occurred_at, importance, "
			     "role='user' AND tainted=0, text, length FROM turns WHERE uid=$1 AND tenant_id=$2",
			     NX_PARAMS(nx_v_id(&c->id), nx_v_int(c->tenant)), &r, err);

	if (rc < 0 || (rc = nx_rows_next(r, err)) < 0)
		return rc;
	if (rc == 0) {
		nx_id_format(c->id, text);
		return nx_error_set(err, NX_ENOTFOUND, "there is no memory %s", text);
	}
	*ret = (struct stored){.row = nx_rows_int(r, 0),
			       .user = nx_rows_textdup(r, 1, c->arena),
			       .session = nx_rows_int(r, 2),
			       .occurred_at = nx_rows_int(r, 3),
			       .importance = nx_rows_real(r, 4),
			       .states = nx_rows_int(r, 5) != 0,
			       .text = nx_rows_textdup(r, 6, c->arena),
			       .length = nx_rows_int(r, 7)};
	return ret->user.p && ret->text.p ? 0 : nx_error_set(err, NX_ENOMEM, "change a memory");
}

static struct nx_memory_fact_turn fact_turn(const struct nx_memory_change *c, const struct stored *t)
{
	return (struct nx_memory_fact_turn){.arena = c->arena,
					    .tenant = c->tenant,
					    .row = t->row,
					    .session = t->session,
					    .at = t->occurred_at,
					    .now = nx_time_wall_us(),
					    .uid = c->id,
					    .user = t->user,
					    .importance = t->importance};
}

static struct nx_memory_terms_turn terms_turn(const struct nx_memory_change *c, const struct stored *t)
{
	return (struct nx_memory_terms_turn){
		.tenant = c->tenant, .row = t->row, .session = t->session, .length = t->length, .user = t->user};
}

static int patch_facts(struct nx_memory_change *c, struct nx_db *db, const struct stored *t, struct nx_error **err)
{
	const struct change *w = c->priv;
	struct nx_memory_fact_turn of = fact_turn(c, t);
	int rc = nx_memory_facts_drop(db, &of, err);

	return rc < 0 || !t->states ? rc : nx_memory_facts_put(db, &of, w->facts, w->nfacts, err);
}

static int patch_text(struct nx_memory_change *c, struct nx_db *db, const struct stored *t, struct nx_error **err)
{
	struct change *w = c->priv;
	struct nx_memory_terms_turn of = terms_turn(c, t);
	int rc;

	if (!w->text.p)
		return 0;
	if ((rc = nx_db_exec(db, "UPDATE turns SET text=$2, length=$3 WHERE id=$1",
			     NX_PARAMS(nx_v_int(t->row), nx_v_text(w->text), nx_v_int((int64_t)w->length)), err)) < 0 ||
	    (rc = patch_facts(c, db, t, err)) < 0 ||
	    (rc = nx_db_exec(db, "UPDATE memories SET text=$2 WHERE turn_id=$1 AND layer<>'semantic'",
			     NX_PARAMS(nx_v_int(t->row), nx_v_text(w->text)), err)) < 0 ||
	    (rc = nx_memory_terms_drop(db, &of, err)) < 0)
		return rc;
	of.length = (int64_t)w->length;
	return nx_memory_terms_put(db, &of, w->terms, w->nterms, err);
}

static int patch(struct nx_memory_change *c, struct nx_db *db, const struct stored *t, struct nx_error **err)
{
	int64_t turn = t->row;
	yyjson_val *importance = nx_json_get(c->body, "importance"), *metadata = nx_json_get(c->body, "metadata");
	nx_str json;
	int rc = patch_text(c, db, t, err);

	if (rc == 0 && importance)
		rc = nx_db_exec(db, "UPDATE turns SET importance=$2 WHERE id=$1",
				NX_PARAMS(nx_v_int(turn), nx_v_real(yyjson_get_num(importance))), err);
	if (rc == 0 && importance)
		rc = nx_db_exec(db, "UPDATE memories SET importance=$2 WHERE turn_id=$1",
				NX_PARAMS(nx_v_int(turn), nx_v_real(yyjson_get_num(importance))), err);
	if (rc == 0 && metadata && (rc = nx_json_write_val(c->arena, metadata, false, &json, err)) == 0)
		rc = nx_db_exec(db, "UPDATE turns SET metadata=$2 WHERE id=$1",
				NX_PARAMS(nx_v_int(turn), nx_v_text(json)), err);
	return rc;
}

/* Its facts first: one that has other sources moves onto them. */
static int delete_turn(struct nx_memory_change *c, struct nx_db *db, const struct stored *t, struct nx_error **err)
{
	static const char *const statements[] = {
		"DELETE FROM memories WHERE turn_id=$1",
		"DELETE FROM turns WHERE id=$1",
	};
	struct nx_memory_fact_turn of = fact_turn(c, t);
	struct nx_memory_terms_turn words = terms_turn(c, t);
	int rc = nx_memory_facts_drop(db, &of, err);

	if (rc == 0)
		rc = nx_memory_terms_drop(db, &words, err);
	for (size_t i = 0; i < nx_countof(statements) && rc == 0; i++)
		rc = nx_db_exec(db, statements[i], NX_PARAMS(nx_v_int(t->row)), err);
	return rc;
}

/* A turn that is in no layer any more becomes an episode, so that there is something to pin. */
static int pin(struct nx_memory_change *c, struct nx_db *db, const struct stored *t, struct nx_error **err)
{
	bool pinned = nx_json_bool(c->body, "pinned", true);
	nx_id uid = nx_id_new();
	int rc = nx_db_exec(db, "UPDATE memories SET pinned=$2 WHERE turn_id=$1 AND layer<>'semantic'",
			    NX_PARAMS(nx_v_int(t->row), nx_v_int(pinned)), err);

	if (rc < 0 || !pinned || nx_db_changes(db) > 0)
		return rc;
	return nx_db_exec(
		db,
		"INSERT INTO memories(uid, tenant_id, user_id, session_id, turn_id, layer, text, importance, pinned, "
		"created_at, accessed_at) VALUES($1,$2,$3,$4,$5,'episodic',$6,$7,1,$8,$8)",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(c->tenant), nx_v_text(t->user), nx_v_int0(t->session),
			  nx_v_int(t->row), nx_v_text(t->text), nx_v_real(t->importance), nx_v_int(nx_time_wall_us())),
		err);
}

static int forget(struct nx_memory_change *c, struct nx_db *db, struct nx_error **err)
{
	static const char *const statements[] = {
		"DELETE FROM memories WHERE tenant_id=$1 AND user_id=$2",
		"DELETE FROM procedures WHERE tenant_id=$1 AND user_id=$2",
	};
	int64_t count = 0;
	int rc = nx_memory_terms_forget(db, c->tenant, c->user_id, err);

	for (size_t i = 0; i < nx_countof(statements) && rc == 0; i++)
		rc = nx_db_exec(db, statements[i], NX_PARAMS(nx_v_int(c->tenant), nx_v_text(c->user_id)), err);
	if (rc == 0)
		rc = nx_db_exec(db, "DELETE FROM turns WHERE tenant_id=$1 AND user_id=$2",
				NX_PARAMS(nx_v_int(c->tenant), nx_v_text(c->user_id)), err);
	if (rc < 0)
		return rc;
	count = nx_db_changes(db);
	/* A session's name is the user's too; one that a task still points at stays with the task. */
	rc = nx_db_exec(db,
			"DELETE FROM sessions WHERE tenant_id=$1 AND user_id=$2 AND id NOT IN "
			"(SELECT session_id FROM tasks WHERE tenant_id=$1 AND session_id IS NOT NULL)",
			NX_PARAMS(nx_v_int(c->tenant), nx_v_text(c->user_id)), err);
	if (rc < 0)
		return rc;
	rc = nx_db_exec(
		db, "INSERT INTO forget_log(tenant_id, user_id, what, count, created_at) VALUES($1,$2,'user',$3,$4)",
		NX_PARAMS(nx_v_int(c->tenant), nx_v_text(c->user_id), nx_v_int(count), nx_v_int(nx_time_wall_us())),
		err);
	char *answer = nx_arena_printf(c->arena, "{\"forgotten\":%lld}", (long long)count);
	c->answer = nx_str_z(answer);
	return rc < 0 || answer ? rc : nx_error_set(err, NX_ENOMEM, "forget");
}

static int change_turn(struct nx_memory_change *c, struct nx_db *db, struct nx_error **err)
{
	struct stored t;
	int rc = find_turn(c, db, &t, err);

	if (rc < 0)
		return rc;
	switch (c->op) {
	case NX_MEMORY_PATCH: return patch(c, db, &t, err);
	case NX_MEMORY_PIN: return pin(c, db, &t, err);
	case NX_MEMORY_DELETE: return delete_turn(c, db, &t, err);
	case NX_MEMORY_FORGET: break;
	}
	return nx_error_set(err, NX_EINTERNAL, "unknown change of a memory");
}

static int apply(struct nx_write *write, struct nx_db *db, struct nx_error **err)
{
	struct nx_memory_change *c = nx_container_of(write, struct nx_memory_change, write);
	int rc = c->op == NX_MEMORY_FORGET ? forget(c, db, err) : change_turn(c, db, err);

	return rc < 0 ? rc : nx_tx_hook_run(c->hook, db, c->id, c->answer, err);
}

static void committed(struct nx_write *write, struct nx_error *err)
{
	struct nx_memory_change *c = nx_container_of(write, struct nx_memory_change, write);

	c->done(c, err);
}

static int prepare(struct nx_memory *m, struct nx_memory_change *c, struct nx_error **err)
{
	struct change *w = c->priv = nx_arena_new_of(c->arena, struct change);

	if (!w)
		return nx_error_set(err, NX_ENOMEM, "change a memory");
	w->memory = m;
	c->answer = NX_STR("{\"ok\":true}");
	if (c->op == NX_MEMORY_FORGET && c->user_id.n == 0)
		return nx_error_set(err, NX_EINVAL, "forget needs a user_id");
	nx_str text = nx_json_str(c->body, "text");
	if (c->op != NX_MEMORY_PATCH || !text.p)
		return 0;
	if (nx_str_trim(text).n == 0 || text.n > (size_t)m->config->memory_max_text_bytes)
		return nx_error_set(err, NX_EINVAL, "the text must have 1 to %lld bytes (memory.max_text_bytes)",
				    (long long)m->config->memory_max_text_bytes);
	int rc = nx_utf8_nfc(c->arena, text, &w->text, err);
	if (rc < 0 || (rc = nx_memory_terms(w->text, c->arena, &w->terms, &w->nterms, &w->length, err)) < 0)
		return rc;
	return nx_memory_facts(w->text, c->arena, &w->facts, &w->nfacts, err);
}

void nx_memory_change(struct nx_memory *m, struct nx_memory_change *c)
{
	nx_auto_error struct nx_error *err = NULL;

	if (prepare(m, c, &err) < 0) {
		c->done(c, err);
		return;
	}
	c->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply, .done = committed, .reply = c->reply};
	nx_store_write(m->store, &c->write);
}
