/*
 * The context bundle: what memory knows that may help, as text for an agent.
 *
 * Gathered while the task is being accepted; its steps wait for both. Recalled text is data and is marked as such, and a
 * recall that fails costs the task nothing but its context.
 */
#include "base/log.h"
#include "core/core_internal.h"

#define BUNDLE_ITEMS 8

static void append(struct nx_buf *b, const struct nx_memory_item *m)
{
	nx_buf_addf(b, "- (%s, %.*s) %.*s\n", m->layer, NX_FMT(m->role), NX_FMT(m->text));
}

static void recalled(struct nx_memory_recall *r, struct nx_error *err)
{
	struct nx_task *t = r->ctx;
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;

	if (err)
		nx_log_warn("core", "the context of a task could not be recalled", NX_LID("task", t->id), NX_LERR(err));
	for (size_t i = 0; !err && i < r->nranked && i < BUNDLE_ITEMS; i++)
		append(&b, &r->ranked[i]);
	if (b.n > 0 && !nx_buf_failed(&b))
		t->context = nx_str_dup(t->arena, nx_buf_str(&b));
	nx_arena_free(r->arena);
	nx_orchestrator_unhold(t);
}

void nx_context_gather(struct nx_task *t)
{
	struct nx_memory *m = t->core->p.memory;
	bool useful = strcmp(t->analysis.intent, "question") == 0 || strcmp(t->analysis.intent, "code") == 0;
	struct nx_arena *a = m && useful && t->request->user_id.n > 0 ? nx_arena_new(0) : NULL;
	struct nx_memory_recall *r = a ? nx_arena_new_of(a, struct nx_memory_recall) : NULL;

	if (!r) {
		nx_arena_free(a);
		return;
	}
	*r = (struct nx_memory_recall){.arena = a,
				       .tenant = t->tenant,
				       .user_id = t->request->user_id,
				       .query = t->analysis.subject,
				       .limit = BUNDLE_ITEMS,
				       .trace = t->span.ctx,
				       .done = recalled,
				       .reply = t->core->loop,
				       .ctx = t};
	t->holds++;
	nx_memory_recall(m, r);
}
