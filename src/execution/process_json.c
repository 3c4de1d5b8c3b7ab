/* What clients read of a process. */
#include "execution/process_internal.h"

#include <sys/wait.h>

static bool add_command(const struct nx_process *p, yyjson_mut_doc *d, yyjson_mut_val *o)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "command");
	bool ok = list != NULL;
	for (size_t i = 0; ok && i < p->ncommand; i++)
		ok = yyjson_mut_arr_add_strncpy(d, list, p->command[i].p, p->command[i].n);
	return ok;
}

static bool add_terminal(const struct nx_process *p, yyjson_mut_doc *d, yyjson_mut_val *o)
{
	if (!p->is_terminal)
		return yyjson_mut_obj_add_null(d, o, "terminal");
	yyjson_mut_val *t = yyjson_mut_obj_add_obj(d, o, "terminal");
	return t && yyjson_mut_obj_add_sint(d, t, "rows", p->rows) &&
	       yyjson_mut_obj_add_sint(d, t, "columns", p->columns);
}

static bool add_end(const struct nx_process *p, yyjson_mut_doc *d, yyjson_mut_val *o)
{
	const struct nx_process_word *w = &p->last;
	if (p->state != NX_PROCESS_EXITED)
		return yyjson_mut_obj_add_null(d, o, "exit_code") && yyjson_mut_obj_add_null(d, o, "signal") &&
		       yyjson_mut_obj_add_null(d, o, "usage");
	bool ok = WIFEXITED(w->wait_status) ? yyjson_mut_obj_add_sint(d, o, "exit_code", WEXITSTATUS(w->wait_status)) &&
						      yyjson_mut_obj_add_null(d, o, "signal")
					    : yyjson_mut_obj_add_null(d, o, "exit_code") &&
						      yyjson_mut_obj_add_sint(d, o, "signal", WTERMSIG(w->wait_status));
	yyjson_mut_val *u = ok ? yyjson_mut_obj_add_obj(d, o, "usage") : NULL;
	return u && yyjson_mut_obj_add_real(d, u, "cpu_ms", (double)w->cpu_us / 1000) &&
	       yyjson_mut_obj_add_sint(d, u, "max_rss_bytes", w->max_rss_bytes);
}

yyjson_mut_val *nx_process_value(const struct nx_process *p, yyjson_mut_doc *d)
{
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	bool ok = o && nx_json_add_id(d, o, "id", p->id) && nx_json_add_id(d, o, "session_id", p->session->id) &&
		  add_command(p, d, o) && add_terminal(p, d, o) &&
		  nx_json_add_strz(d, o, "state", p->state == NX_PROCESS_EXITED ? "exited" : "running") &&
		  yyjson_mut_obj_add_sint(d, o, "pid", p->pid) && nx_json_add_time(d, o, "started_at", p->started_us) &&
		  nx_json_add_time(d, o, "ended_at", p->ended_us) && add_end(p, d, o) &&
		  yyjson_mut_obj_add_sint(d, o, "output_start", p->ring.start) &&
		  yyjson_mut_obj_add_sint(d, o, "output_end", p->ring.end);
	return ok ? o : NULL;
}

int nx_process_json(const struct nx_process *p, struct nx_arena *a, nx_str *ret, struct nx_error **err)
{
	return nx_json_write(a, nx_process_value(p, nx_json_new(a)), false, ret, err);
}

/* As text, a character that is not whole yet waits for the next page; one that never will be is replaced. */
int nx_process_page(const struct nx_process *p, int64_t offset, size_t limit, bool is_base64, struct nx_arena *a,
		    nx_str *ret, int64_t *ret_next, struct nx_error **err)
{
	char *bytes = nx_arena_alloc(a, limit + 1);
	yyjson_mut_doc *d = nx_json_new(a);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	if (!bytes || !o)
		return nx_error_set(err, NX_ENOMEM, "no memory for a page of output");
	nx_str data = nx_str_n(bytes, nx_ring_read(&p->ring, &offset, bytes, limit));
	bool is_last = p->state == NX_PROCESS_EXITED && offset + (int64_t)data.n == p->ring.end;
	if (!is_base64 && !is_last)
		data.n = nx_process_whole_text(data);
	*ret_next = offset + (int64_t)data.n;
	nx_str shown = is_base64 ? nx_base64(a, data) : nx_utf8_repair(a, data);
	bool ok = yyjson_mut_obj_add_sint(d, o, "offset", offset) &&
		  yyjson_mut_obj_add_sint(d, o, "next_offset", *ret_next) &&
		  nx_json_add_str(d, o, is_base64 ? "base64" : "text", shown.n ? shown : NX_STR(""));
	return nx_json_write(a, ok ? o : NULL, false, ret, err);
}
