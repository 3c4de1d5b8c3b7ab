/* Tasks read from the store, on a worker's connection. */
#include "core/core_internal.h"

#define TASK_COLUMNS                                                                                                        \
	"t.id, t.uid, t.state, t.waiting, t.result, t.analysis, t.plan, t.schedule, t.usage, t.error, t.input, t.user_id, " \
	"s.name, t.priority, t.created_at, t.started_at, t.finished_at, t.cancel_requested_at, t.trace_id, t.request "
#define TASK_FROM "FROM tasks t LEFT JOIN sessions s ON s.id=t.session_id "

struct stored_task {
	int64_t row;
	struct nx_task_view view;
};

static int read_task(struct nx_rows *r, struct nx_arena *a, struct stored_task *ret, struct nx_error **err)
{
	int64_t p = nx_rows_int(r, 13);
	yyjson_val *request = NULL;
	nx_str text = nx_rows_textdup(r, 19, a);

	ret->row = nx_rows_int(r, 0);
	ret->view = (struct nx_task_view){.id = nx_rows_id(r, 1),
					  .state = nx_rows_textdup(r, 2, a),
					  .waiting = nx_rows_textdup(r, 3, a),
					  .result = nx_rows_textdup(r, 4, a),
					  .analysis = nx_rows_textdup(r, 5, a),
					  .plan = nx_rows_textdup(r, 6, a),
					  .schedule = nx_rows_textdup(r, 7, a),
					  .usage = nx_rows_textdup(r, 8, a),
					  .error = nx_rows_textdup(r, 9, a),
					  .input = nx_rows_textdup(r, 10, a),
					  .user_id = nx_rows_textdup(r, 11, a),
					  .session_id = nx_rows_textdup(r, 12, a),
					  .created_us = nx_rows_int(r, 14),
					  .started_us = nx_rows_int(r, 15),
					  .finished_us = nx_rows_int(r, 16),
					  .cancel_us = nx_rows_int(r, 17),
					  .trace = nx_rows_id(r, 18)};
	ret->view.priority = nx_str_z(nx_priority_names[p >= 0 && p <= NX_PRIORITY_CRITICAL ? p : NX_PRIORITY_MEDIUM]);
	int rc = nx_rows_check(r, err);
	if (rc < 0)
		return rc;
	if (text.p && nx_json_read(a, text, NULL, &request, NULL) == 0 && nx_json_get(request, "metadata"))
		return nx_json_write_val(a, nx_json_get(request, "metadata"), false, &ret->view.metadata, err);
	return 0;
}

static int count_steps(struct nx_db *db, int64_t row, int64_t *ret, struct nx_error **err)
{
	return nx_db_get_int(db, "SELECT count(*) FROM steps WHERE task_id=$1", NX_PARAMS(nx_v_int(row)), ret, err);
}

static int read_steps(struct nx_db *db, int64_t row, struct nx_arena *a, struct nx_step_view **ret, size_t *ret_n,
		      struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	int64_t max = 0;
	size_t n = 0;
	int rc = count_steps(db, row, &max, err);

	if (rc < 0)
		return rc;
	struct nx_step_view *steps = nx_arena_array(a, struct nx_step_view, (size_t)max + 1);
	if (!steps)
		return nx_error_set(err, NX_ENOMEM, "read a task's steps");
	rc = nx_db_query(
		db,
		"SELECT name, agent, tool, why, state, output, error, attempts, started_at, finished_at, tainted "
		"FROM steps WHERE task_id=$1 ORDER BY idx",
		NX_PARAMS(nx_v_int(row)), &r, err);
	while (rc >= 0 && (rc = nx_rows_next(r, err)) > 0 && n < (size_t)max)
		steps[n++] = (struct nx_step_view){.id = nx_rows_textdup(r, 0, a),
						   .agent = nx_rows_textdup(r, 1, a),
						   .tool = nx_rows_textdup(r, 2, a),
						   .why = nx_rows_textdup(r, 3, a),
						   .state = nx_rows_textdup(r, 4, a),
						   .output = nx_rows_textdup(r, 5, a),
						   .error = nx_rows_textdup(r, 6, a),
						   .attempts = nx_rows_int(r, 7),
						   .started_us = nx_rows_int(r, 8),
						   .finished_us = nx_rows_int(r, 9),
						   .tainted = nx_rows_int(r, 10) != 0};
	*ret = steps;
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

static int read_one(struct nx_db *db, int64_t tenant, nx_id id, struct nx_arena *a, struct stored_task *ret,
		    struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	char text[NX_ID_TEXT];
	int rc = nx_db_query(db, "SELECT " TASK_COLUMNS TASK_FROM "WHERE t.uid=$1 AND t.tenant_id=$2",
			     NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &r, err);

	if (rc < 0 || (rc = nx_rows_next(r, err)) < 0)
		return rc;
	if (rc == 0) {
		nx_id_format(id, text);
		return nx_error_set(err, NX_ENOTFOUND, "there is no task %s", text);
	}
	return read_task(r, a, ret, err);
}

int nx_task_get_json(struct nx_db *db, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	struct stored_task t;
	struct nx_step_view *steps;
	size_t n;
	int rc;

	if ((rc = read_one(db, tenant, id, a, &t, err)) < 0 || (rc = read_steps(db, t.row, a, &steps, &n, err)) < 0)
		return rc;
	return nx_task_view_json(&t.view, steps, n, a, ret, err);
}

static int list_rows(struct nx_db *db, int64_t tenant, const struct nx_task_filter *f, struct nx_arena *a,
		     struct stored_task *tasks, size_t *ret_n, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *r = NULL;
	struct nx_value user = nx_v_text(f->user_id.n ? f->user_id : NX_STR_NULL);
	struct nx_value state = nx_v_text(f->state.n ? f->state : NX_STR_NULL);
	struct nx_value session = nx_v_text(f->session_id.n ? f->session_id : NX_STR_NULL);
	size_t n = 0;
	int rc = nx_db_query(
		db,
		"SELECT " TASK_COLUMNS TASK_FROM
		"WHERE t.tenant_id=$1 AND ($2 = 0 OR t.id < $2) AND ($3 IS NULL OR t.state=$3) AND "
		"($4 IS NULL OR t.user_id=$4) AND ($5 IS NULL OR s.name=$5) ORDER BY t.id DESC LIMIT $6",
		NX_PARAMS(nx_v_int(tenant), nx_v_int(f->before), state, user, session, nx_v_int((int64_t)f->limit + 1)),
		&r, err);

	while (rc >= 0 && n <= f->limit && (rc = nx_rows_next(r, err)) > 0)
		rc = read_task(r, a, &tasks[n++], err);
	*ret_n = n;
	return rc < 0 ? rc : 0;
}

int nx_task_list_json(struct nx_db *db, int64_t tenant, const struct nx_task_filter *f, struct nx_arena *a,
		      nx_str *ret_items, int64_t *ret_next, struct nx_error **err)
{
	struct stored_task *tasks = nx_arena_array(a, struct stored_task, f->limit + 1);
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	size_t n = 0, nsteps;
	int rc;

	if (!tasks)
		return nx_error_set(err, NX_ENOMEM, "list tasks");
	if (f->state.n > 0 && nx_task_state_parse(f->state) < 0)
		return nx_error_set(err, NX_EINVAL, "there is no task state `%.*s`", NX_FMT(f->state));
	if ((rc = list_rows(db, tenant, f, a, tasks, &n, err)) < 0)
		return rc;
	*ret_next = n > f->limit ? tasks[f->limit - 1].row : 0;
	nx_buf_addc(&b, '[');
	for (size_t i = 0; i < nx_min(n, f->limit); i++) {
		struct nx_step_view *steps;
		nx_str json;
		if ((rc = read_steps(db, tasks[i].row, a, &steps, &nsteps, err)) < 0 ||
		    (rc = nx_task_view_json(&tasks[i].view, steps, nsteps, a, &json, err)) < 0)
			return rc;
		if (i > 0)
			nx_buf_addc(&b, ',');
		nx_buf_adds(&b, json);
	}
	nx_buf_addc(&b, ']');
	*ret_items = nx_str_dup(a, nx_buf_str(&b));
	return nx_buf_failed(&b) || !ret_items->p ? nx_error_set(err, NX_ENOMEM, "list tasks") : 0;
}
