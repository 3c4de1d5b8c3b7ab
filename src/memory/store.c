/*
 * Storing turns: the turn for good, its place in working memory, an episode when it matters, and the facts it states.
 *
 * A full working memory is cleaned before the next item is stored (100 → 90, then 91): the lowest keep scores go, what
 * is pinned stays, and what still has attention above 0.7 becomes an episode. Words said again in the same session refresh
 * the item that holds them instead of taking a second place.
 */
#include "base/fault.h"
#include "memory/memory_internal.h"

struct prepared {
	const struct nx_config *config; /* outlives the memory, which may be freed while writes are queued */
	struct turn_words {
		struct nx_memory_term *terms;
		size_t n, length;
		bool may_be_stored; /* the caller named its id */
		struct nx_memory_fact *facts;
		size_t nfacts;
	} * words;
	int64_t now;
};

static int insert_turn(struct nx_db *db, int64_t tenant, int64_t session, struct nx_memory_turn *t,
		       const struct turn_words *w, nx_str metadata, int64_t now, int64_t *ret, struct nx_error **err)
{
	return nx_db_get_int(
		db,
		"INSERT INTO turns(uid, tenant_id, session_id, user_id, agent_id, role, text, occurred_at, created_at, "
		"importance, tainted, task_uid, metadata, length) "
		"VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14) RETURNING id",
		NX_PARAMS(nx_v_id(&t->id), nx_v_int(tenant), nx_v_int0(session), nx_v_text(t->user_id),
			  nx_v_text(t->agent_id.n ? t->agent_id : NX_STR_NULL), nx_v_text(t->role), nx_v_text(t->text),
			  nx_v_int(t->occurred_at), nx_v_int(now), nx_v_real(t->importance), nx_v_int(t->tainted),
			  nx_v_id(&t->task), nx_v_text(metadata), nx_v_int((int64_t)w->length)),
		ret, err);
}

#define IN_WORKING "tenant_id=$1 AND user_id=$2 AND layer='working' AND coalesce(session_id,0)=$3"
#define KEEP_SCORE "(0.4*accesses - 0.0001*(($4 - created_at)/1000000.0) + 0.6*attention)"

/* The lowest go until capacity − 10; those that still have attention become episodes. */
static int clean(const struct nx_config *c, struct nx_db *db, int64_t tenant, nx_str user, int64_t session, int64_t now,
		 struct nx_error **err)
{
	int64_t count, capacity = c->memory_capacity;
	int rc = nx_db_get_int(db, "SELECT count(*) FROM memories WHERE " IN_WORKING,
			       NX_PARAMS(nx_v_int(tenant), nx_v_text(user), nx_v_int(session)), &count, err);

	if (rc < 0 || count < capacity)
		return rc;
	int64_t excess = count - (capacity - MEMORY_CLEAN_BELOW);
	rc = nx_db_exec(
		db,
		"UPDATE memories SET layer='leaving' WHERE id IN (SELECT id FROM memories WHERE " IN_WORKING
		" AND pinned=0 ORDER BY " KEEP_SCORE ", id LIMIT $5)",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(user), nx_v_int(session), nx_v_int(now), nx_v_int(excess)), err);
	if (rc < 0)
		return rc;
	rc = nx_db_exec(
		db,
		"UPDATE memories SET layer='episodic' WHERE tenant_id=$1 AND user_id=$2 AND layer='leaving' AND attention>$3 "
		"AND NOT EXISTS (SELECT 1 FROM memories e WHERE e.turn_id=memories.turn_id AND e.layer='episodic')",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(user), nx_v_real(MEMORY_LONG_TERM)), err);
	if (rc < 0)
		return rc;
	return nx_db_exec(db, "DELETE FROM memories WHERE tenant_id=$1 AND user_id=$2 AND layer='leaving'",
			  NX_PARAMS(nx_v_int(tenant), nx_v_text(user)), err);
}

static int refresh_same(struct nx_db *db, int64_t tenant, const struct nx_memory_turn *t, int64_t session, int64_t now,
			bool *ret, struct nx_error **err)
{
	int rc = nx_db_exec(db,
			    "UPDATE memories SET accesses=accesses+1, attention=1.0, accessed_at=$5 WHERE " IN_WORKING
			    " AND text=$4",
			    NX_PARAMS(nx_v_int(tenant), nx_v_text(t->user_id), nx_v_int(session), nx_v_text(t->text),
				      nx_v_int(now)),
			    err);
	*ret = rc == 0 && nx_db_changes(db) > 0;
	return rc;
}

static int insert_memory(struct nx_db *db, int64_t tenant, const struct nx_memory_turn *t, int64_t session,
			 int64_t turn, const char *layer, int64_t now, struct nx_error **err)
{
	nx_id uid = nx_id_new();

	return nx_db_exec(
		db,
		"INSERT INTO memories(uid, tenant_id, user_id, session_id, turn_id, layer, text, importance, created_at, "
		"accessed_at) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$9)",
		NX_PARAMS(nx_v_id(&uid), nx_v_int(tenant), nx_v_text(t->user_id), nx_v_int0(session), nx_v_int(turn),
			  nx_v_textz(layer), nx_v_text(t->text), nx_v_real(t->importance), nx_v_int(now)),
		err);
}

static int put_working(const struct nx_config *c, struct nx_db *db, int64_t tenant, const struct nx_memory_turn *t,
		       int64_t session, int64_t turn, int64_t now, struct nx_error **err)
{
	bool same;
	int rc = refresh_same(db, tenant, t, session, now, &same, err);

	if (rc < 0 || same)
		return rc;
	if ((rc = clean(c, db, tenant, t->user_id, session, now, err)) < 0)
		return rc;
	rc = nx_db_exec(
		db, "UPDATE memories SET attention=attention*$4 WHERE " IN_WORKING " AND pinned=0",
		NX_PARAMS(nx_v_int(tenant), nx_v_text(t->user_id), nx_v_int(session), nx_v_real(MEMORY_ATTENTION_FADE)),
		err);
	return rc < 0 ? rc : insert_memory(db, tenant, t, session, turn, "working", now, err);
}

/* A step that a crash cut off after its commit is run again with the same id. */
static int is_stored(struct nx_db *db, int64_t tenant, nx_id id, bool *ret, struct nx_error **err)
{
	int64_t n = 0;
	int rc = nx_db_get_int(db, "SELECT count(*) FROM turns WHERE tenant_id=$1 AND uid=$2",
			       NX_PARAMS(nx_v_int(tenant), nx_v_id(&id)), &n, err);

	*ret = n > 0;
	return rc;
}

static int put_facts(struct nx_memory_store *s, struct nx_db *db, size_t i, int64_t session, int64_t turn,
		     struct nx_error **err)
{
	const struct prepared *p = s->priv;
	const struct nx_memory_turn *t = &s->turns[i];
	struct nx_memory_fact_turn of = {.arena = s->arena,
					 .tenant = s->tenant,
					 .row = turn,
					 .session = session,
					 .at = t->occurred_at,
					 .now = p->now,
					 .uid = t->id,
					 .user = t->user_id,
					 .importance = t->importance};
	return nx_memory_facts_put(db, &of, p->words[i].facts, p->words[i].nfacts, err);
}

static int store_turn(struct nx_memory_store *s, struct nx_db *db, size_t i, struct nx_error **err)
{
	struct prepared *p = s->priv;
	struct nx_memory_turn *t = &s->turns[i];
	const struct turn_words *w = &p->words[i];
	nx_str metadata = NX_STR_NULL;
	int64_t session, turn;
	bool stored = false;
	int rc;

	t->layer = t->importance > p->config->memory_episode_importance ? "episodic" : "working";
	if (w->may_be_stored && (rc = is_stored(db, s->tenant, t->id, &stored, err)) < 0)
		return rc;
	if (stored)
		return 0;
	if (t->metadata && (rc = nx_json_write_val(s->arena, t->metadata, false, &metadata, err)) < 0)
		return rc;
	if ((rc = nx_memory_session_put(db, s->tenant, t->user_id, t->session, p->now, &session, err)) < 0 ||
	    (rc = insert_turn(db, s->tenant, session, t, w, metadata, p->now, &turn, err)) < 0)
		return rc;
	struct nx_memory_terms_turn of = {
		.tenant = s->tenant, .row = turn, .session = session, .length = (int64_t)w->length, .user = t->user_id};
	if ((rc = nx_memory_terms_put(db, &of, w->terms, w->n, err)) < 0 ||
	    (rc = put_working(p->config, db, s->tenant, t, session, turn, p->now, err)) < 0 ||
	    (rc = put_facts(s, db, i, session, turn, err)) < 0)
		return rc;
	if (t->importance <= p->config->memory_episode_importance)
		return 0;
	return insert_memory(db, s->tenant, t, session, turn, "episodic", p->now, err);
}

int nx_memory_store_apply(struct nx_memory_store *s, struct nx_db *db, struct nx_error **err)
{
	if (NX_FAULT(memory_store))
		return nx_error_set(err, NX_EIO, "store a memory: injected fault");
	for (size_t i = 0; i < s->nturns; i++) {
		int rc = store_turn(s, db, i, err);
		if (rc < 0)
			return nx_error_wrap(err, "store a memory");
	}
	return nx_tx_hook_run(s->hook, db, s->nturns ? s->turns[0].id : NX_ID_NONE, NX_STR_NULL, err);
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	return nx_memory_store_apply(nx_container_of(w, struct nx_memory_store, write), db, err);
}

static void committed(struct nx_write *w, struct nx_error *err)
{
	struct nx_memory_store *s = nx_container_of(w, struct nx_memory_store, write);

	s->done(s, err);
}

static int check_turn(struct nx_memory *m, const struct nx_memory_turn *t, struct nx_error **err)
{
	if (t->user_id.n == 0)
		return nx_error_set(err, NX_EINVAL, "a memory needs a user_id");
	if (nx_str_trim(t->text).n == 0)
		return nx_error_set(err, NX_EINVAL, "a memory needs a text");
	if (t->text.n > (size_t)m->config->memory_max_text_bytes)
		return nx_error_set(err, NX_ETOOBIG, "the text has %zu bytes, more than memory.max_text_bytes (%lld)",
				    t->text.n, (long long)m->config->memory_max_text_bytes);
	return 0;
}

/* What tools, files or a recall brought in is no statement of the user's. */
static int read_facts(struct nx_memory_store *s, const struct nx_memory_turn *t, struct turn_words *w,
		      struct nx_error **err)
{
	if (t->tainted || !nx_str_eqz(t->role, "user"))
		return 0;
	return nx_memory_facts(t->text, s->arena, &w->facts, &w->nfacts, err);
}

int nx_memory_store_prepare(struct nx_memory *m, struct nx_memory_store *s, struct nx_error **err)
{
	struct prepared *p = s->priv = nx_arena_new_of(s->arena, struct prepared);
	int rc;

	if (p)
		p->words = nx_arena_array(s->arena, struct turn_words, s->nturns + 1);
	if (!p || !p->words)
		return nx_error_set(err, NX_ENOMEM, "store a memory");
	p->config = m->config;
	p->now = nx_time_wall_us();
	for (size_t i = 0; i < s->nturns; i++) {
		struct nx_memory_turn *t = &s->turns[i];
		struct turn_words *w = &p->words[i];
		if ((rc = check_turn(m, t, err)) < 0 || (rc = nx_utf8_nfc(s->arena, t->text, &t->text, err)) < 0 ||
		    (rc = nx_memory_terms(t->text, s->arena, &w->terms, &w->n, &w->length, err)) < 0)
			return s->nturns > 1 ? nx_error_at(err, "/messages/%zu", i) : rc;
		w->may_be_stored = !nx_id_none(t->id);
		if (!w->may_be_stored)
			t->id = nx_id_new();
		if (t->role.n == 0)
			t->role = NX_STR("user");
		if (t->occurred_at == 0)
			t->occurred_at = p->now;
		if (t->importance < 0)
			t->importance = nx_memory_importance(t->role, t->text);
		if ((rc = read_facts(s, t, w, err)) < 0)
			return rc;
	}
	return 0;
}

void nx_memory_store(struct nx_memory *m, struct nx_memory_store *s)
{
	nx_auto_error struct nx_error *err = NULL;

	if (nx_memory_store_prepare(m, s, &err) < 0) {
		s->done(s, err);
		return;
	}
	s->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply, .done = committed, .reply = s->reply};
	nx_store_write(m->store, &s->write);
}
