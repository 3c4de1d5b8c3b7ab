/* The row of a run and of its artifacts, in one transaction; and reading them again. */
#include "execution/execution_internal.h"

#include "base/fault.h"

#include <stdio.h>

char *nx_artifact_path(struct nx_arena *a, const char *dir, nx_id id)
{
	char text[NX_ID_TEXT];
	nx_id_format(id, text);
	return nx_path_join(a, dir, text);
}

static int request_json(const struct nx_exec *x, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	static const char *const policies[] = {"strict", "standard", "off"};
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d)
		return nx_error_set(err, NX_ENOMEM, "no memory for a run");
	yyjson_mut_val *o = yyjson_mut_obj(d), *files = yyjson_mut_arr(d);
	nx_json_add_str(d, o, "language", x->language);
	nx_json_add_str(d, o, "code", x->code);
	if (x->image.n)
		nx_json_add_str(d, o, "image", x->image);
	if (x->stdin_text.n)
		yyjson_mut_obj_add_uint(d, o, "stdin_bytes", x->stdin_text.n);
	for (size_t i = 0; i < x->nfiles; i++) {
		yyjson_mut_val *f = yyjson_mut_arr_add_obj(d, files);
		nx_json_add_str(d, f, "path", x->files[i].path);
		yyjson_mut_obj_add_uint(d, f, "size", x->files[i].bytes.n);
	}
	yyjson_mut_obj_add_val(d, o, "files", files);
	nx_json_add_id(d, o, "session_id", x->session);
	nx_json_add_strz(d, o, "policy", policies[x->policy]);
	yyjson_mut_val *k = yyjson_mut_obj_add_obj(d, o, "constraints");
	yyjson_mut_obj_add_sint(d, k, "max_cpu_percent", x->constraints.max_cpu_percent);
	nx_json_add_strz(d, k, "cpu_policy", nx_cpu_policy_names[x->constraints.cpu_policy]);
	yyjson_mut_obj_add_sint(d, k, "max_memory_mb", x->constraints.max_memory_mb);
	yyjson_mut_obj_add_real(d, k, "max_execution_time_s", (double)x->constraints.max_time_us / NX_USEC_PER_SEC);
	nx_exec_network_add(d, k, &x->constraints.network);
	nx_exec_files_write(d, k, &x->constraints.files);
	return nx_json_write(a, o, false, ret, err);
}

static int insert_artifact(struct nx_run *r, const struct nx_exec_artifact *f, struct nx_db *db, struct nx_error **err)
{
	const struct nx_exec *x = r->x;
	return nx_db_exec(
		db,
		"INSERT INTO artifacts(uid, tenant_id, execution_id, task_id, path, size, sha256, mime, created_at) "
		"VALUES ($1, $2, (SELECT id FROM executions WHERE uid = $3), "
		"(SELECT id FROM tasks WHERE uid = $4 AND tenant_id = $2), $5, $6, $7, $8, $9)",
		NX_PARAMS(nx_v_id(&f->id), nx_v_int(x->tenant), nx_v_id(&x->id), nx_v_id(&x->task), nx_v_text(f->path),
			  nx_v_int(f->size), nx_v_blob(nx_str_n((const char *)f->sha256, sizeof(f->sha256))),
			  nx_v_text(f->mime), nx_v_int(r->created_us)),
		err);
}

int nx_run_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct nx_run *r = nx_container_of(w, struct nx_run, write);
	const struct nx_exec *x = r->x;
	unsigned char hash[32];
	nx_str request;
	nx_sha256(x->code, hash);
	int result = request_json(x, r->scratch, &request, err);
	if (result == 0)
		result = nx_db_exec(
			db,
			"INSERT INTO executions(uid, tenant_id, task_id, step_idx, session_id, language, code_hash, request, "
			"status, answer, created_at, finished_at) VALUES ($1, $2, (SELECT id FROM tasks WHERE uid = $3 AND tenant_id = $2), "
			"(SELECT idx FROM steps WHERE uid = $4 AND tenant_id = $2), "
			"(SELECT id FROM sandbox_sessions WHERE uid = $12 AND tenant_id = $2), $5, $6, $7, $8, $9, $10, $11)",
			NX_PARAMS(nx_v_id(&x->id), nx_v_int(x->tenant), nx_v_id(&x->task), nx_v_id(&x->step),
				  nx_v_text(x->language), nx_v_blob(nx_str_n((const char *)hash, sizeof(hash))),
				  nx_v_text(request), nx_v_textz(nx_exec_status_name(x->result.status)),
				  nx_v_text(r->answer), nx_v_int(r->created_us), nx_v_int(nx_time_wall_us()),
				  nx_v_id(&x->session)),
			err);
	for (size_t i = 0; i < x->result.nartifacts && result == 0; i++)
		result = insert_artifact(r, &x->result.artifacts[i], db, err);
	return result == 0 ? nx_tx_hook_run(x->hook, db, x->id, r->answer, err) : result;
}

static void on_recorded(struct nx_write *w, struct nx_error *err)
{
	struct nx_run *r = nx_container_of(w, struct nx_run, write);
	if (err) {
		r->error = nx_error_copy(err);
		nx_error_wrap(&r->error, "record a run");
	}
	nx_execution_finish(r);
}

void nx_run_record(struct nx_run *r)
{
	struct nx_arena *a = r->scratch;
	r->state = NX_RUN_RECORDING;
	if (r->x->program) {
		nx_execution_finish(r);
		return;
	}
	yyjson_mut_doc *d = nx_json_new(a);
	if (!d) {
		nx_error_set(&r->error, NX_ENOMEM, "no memory for the result of a run");
		nx_run_fail(r);
		return;
	}
	if (nx_json_write(a, nx_exec_result_json(r->x, d), false, &r->answer, &r->error) < 0) {
		nx_run_fail(r);
		return;
	}
	r->write = (struct nx_write){.apply = nx_run_apply, .done = on_recorded, .reply = r->e->loop};
	nx_store_write(r->e->store, &r->write);
}

/* ---- reads ---- */

int nx_execution_get(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_json,
		     struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(nx_store_reader(e->store),
			    "SELECT answer FROM executions WHERE uid = $1 AND tenant_id = $2",
			    NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_ENOTFOUND, "no such execution");
	*ret_json = nx_rows_textdup(rows, 0, a);
	return ret_json->p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for an execution");
}

int nx_execution_artifact(struct nx_execution *e, int64_t tenant, nx_id id, struct nx_arena *a, nx_str *ret_bytes,
			  nx_str *ret_mime, struct nx_error **err)
{
	unsigned char hash[32], want[32];
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(nx_store_reader(e->store),
			    "SELECT mime, sha256, size FROM artifacts WHERE uid = $1 AND tenant_id = $2",
			    NX_PARAMS(nx_v_id(&id), nx_v_int(tenant)), &rows, err);
	if (r == 0)
		r = nx_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? r : nx_error_set(err, NX_ENOTFOUND, "no such artifact");
	nx_str sum = nx_rows_blob(rows, 1);
	int64_t size = nx_rows_int(rows, 2);
	*ret_mime = nx_rows_textdup(rows, 0, a);
	char *dir = nx_path_join(a, nx_store_dir(e->store), "artifacts");
	char *path = dir ? nx_artifact_path(a, dir, id) : NULL;
	if (!path || !ret_mime->p)
		return nx_error_set(err, NX_ENOMEM, "no memory for an artifact");
	if (sum.n != sizeof(want) || size < 0)
		return nx_error_set(err, NX_ECORRUPT, "the row of an artifact is damaged");
	memcpy(want, sum.p, sizeof(want));
	r = nx_file_read(a, path, (size_t)size, ret_bytes, err);
	if (r < 0)
		return nx_error_wrap(err, "read an artifact");
	nx_sha256(*ret_bytes, hash);
	if (memcmp(hash, want, sizeof(hash)) != 0)
		return nx_error_set(err, NX_ECORRUPT, "an artifact is not what was written");
	return 0;
}
