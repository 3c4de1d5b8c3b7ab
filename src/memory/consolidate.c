/*
 * Consolidation: what is worth keeping of a task that is over.
 *
 * A feedback loop is the disease of memories: what was recalled is answered, the answer is stored, and is recalled again as
 * a second voice. So tasks that store or recall keep nothing here, answers never count as said by the user, an answer that
 * memory had a part in is tainted, and one that is among the newest turns word for word is not stored again.
 */
#include "base/log.h"
#include "memory/memory_internal.h"

#define RECENT_TURNS 200     /* among which an answer is looked for */
#define PLAN_MAX (64 * 1024) /* bytes; a longer plan was made for its occasion */

struct consolidation {
	struct nx_arena *arena;
	struct nx_memory *memory;       /* until the write is queued */
	const struct nx_config *config; /* outlives the memory */
	struct nx_memory_task task;
	struct nx_memory_store store;
	struct nx_memory_turn turns[2];
	struct nx_memory_plan plan;
	struct nx_job job;
	struct nx_write write;
	struct nx_error *err;
};

static void report(const struct consolidation *k, const struct nx_error *err)
{
	nx_log_warn("memory", "what a task said could not be kept", NX_LID("task", k->task.id), NX_LERR(err));
}

static void end(struct consolidation *k)
{
	struct nx_error *err = nx_steal(k->err);

	nx_arena_free(k->arena); /* k with it */
	nx_error_free(err);
}

static int is_known(const struct consolidation *k, struct nx_db *db, nx_str text, bool *ret, struct nx_error **err)
{
	int64_t n = 0;
	int rc = nx_db_get_int(db,
			       "SELECT count(*) FROM (SELECT text FROM turns WHERE tenant_id=$1 AND user_id=$2 "
			       "ORDER BY occurred_at DESC LIMIT $4) WHERE text=$3",
			       NX_PARAMS(nx_v_int(k->task.tenant), nx_v_text(k->task.user_id), nx_v_text(text),
					 nx_v_int(RECENT_TURNS)),
			       &n, err);

	*ret = n > 0;
	return rc;
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct consolidation *k = nx_container_of(w, struct consolidation, write);
	int rc = 0;

	if (k->store.nturns == 2) {
		bool known;
		if ((rc = is_known(k, db, k->turns[1].text, &known, err)) < 0)
			return rc;
		k->store.nturns -= known;
	}
	if (k->store.nturns > 0 && (rc = nx_memory_store_apply(&k->store, db, err)) < 0)
		return rc;
	if (!k->plan.plan.p)
		return 0;
	return nx_memory_procedure_put(k->config, db, k->task.tenant, k->task.user_id, &k->plan, nx_time_wall_us(),
				       err);
}

static void committed(struct nx_write *w, struct nx_error *err)
{
	struct consolidation *k = nx_container_of(w, struct consolidation, write);

	if (err)
		report(k, err);
	end(k);
}

static int prepare_plan(struct consolidation *k, struct nx_error **err)
{
	const struct nx_memory_task *t = &k->task;

	if (!t->plan.p || t->plan.n > PLAN_MAX || t->tainted)
		return 0;
	k->plan = (struct nx_memory_plan){.intent = t->intent, .worked = t->succeeded};
	int rc = nx_memory_pattern(t->input, k->arena, &k->plan.pattern, err);
	if (rc == 0)
		k->plan.plan = t->plan;
	return rc;
}

/* The user's own words are the user's whatever the task then read; a text that is too long for a memory is left out. */
static void make_turns(struct consolidation *k)
{
	const struct nx_memory_task *t = &k->task;
	size_t max = (size_t)k->config->memory_max_text_bytes;

	if (nx_str_trim(t->input).n == 0 || t->input.n > max)
		return;
	k->turns[0] = (struct nx_memory_turn){.user_id = t->user_id,
					      .session = t->session,
					      .role = NX_STR("user"),
					      .text = t->input,
					      .occurred_at = t->asked_at,
					      .importance = -1,
					      .task = t->id};
	k->store.nturns = 1;
	if (!t->succeeded || nx_str_trim(t->answer).n == 0 || t->answer.n > max)
		return;
	k->turns[1] = k->turns[0];
	k->turns[1].role = NX_STR("assistant");
	k->turns[1].agent_id = t->agent_id;
	k->turns[1].text = t->answer;
	k->turns[1].occurred_at = t->answered_at;
	k->turns[1].tainted = t->tainted || t->recalled;
	k->store.nturns = 2;
}

static void run(struct nx_job *j)
{
	struct consolidation *k = nx_container_of(j, struct consolidation, job);

	k->store = (struct nx_memory_store){.arena = k->arena, .tenant = k->task.tenant, .turns = k->turns};
	make_turns(k);
	if (nx_memory_store_prepare(k->memory, &k->store, &k->err) == 0)
		(void)prepare_plan(k, &k->err);
}

static void prepared(struct nx_job *j)
{
	struct consolidation *k = nx_container_of(j, struct consolidation, job);

	if (k->err) {
		report(k, k->err);
		end(k);
		return;
	}
	k->write = (struct nx_write){.lane = NX_LANE_INTERACTIVE, .apply = apply, .done = committed};
	nx_store_write(k->memory->store, &k->write);
}

/* False when out of memory. */
static bool copy(struct consolidation *k)
{
	nx_str *strings[] = {&k->task.user_id, &k->task.session, &k->task.agent_id, &k->task.input,
			     &k->task.answer,  &k->task.intent,  &k->task.plan};

	for (size_t i = 0; i < nx_countof(strings); i++) {
		nx_str was = *strings[i];
		if (was.p && !(*strings[i] = nx_str_dup(k->arena, was)).p)
			return false;
	}
	return true;
}

void nx_memory_consolidate(struct nx_memory *m, const struct nx_memory_task *t)
{
	if (t->user_id.n == 0 || nx_str_eqz(t->intent, "remember") || nx_str_eqz(t->intent, "recall"))
		return;
	struct nx_arena *a = nx_arena_new(0);
	struct consolidation *k = a ? nx_arena_new_of(a, struct consolidation) : NULL;
	if (k) {
		*k = (struct consolidation){.arena = a, .memory = m, .config = m->config, .task = *t};
		k->job = (struct nx_job){.run = run, .done = prepared};
	}
	if (!k || !copy(k)) {
		nx_log_warn("memory", "no memory to keep what a task said", NX_LID("task", t->id));
		nx_arena_free(a);
		return;
	}
	nx_workers_post(m->workers, &k->job);
}
