/* The answer of a run, as clients get it and as it is stored. */
#include "execution/execution_internal.h"

static double ms(int64_t us)
{
	return (double)us / NX_USEC_PER_MSEC;
}

static void add_usage(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_usage *u)
{
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, "usage");
	yyjson_mut_obj_add_real(d, v, "wall_ms", ms(u->wall_us));
	yyjson_mut_obj_add_real(d, v, "cpu_ms", ms(u->cpu_us));
	yyjson_mut_obj_add_sint(d, v, "max_rss_bytes", u->max_rss_bytes);
	yyjson_mut_obj_add_sint(d, v, "network_bytes_in", u->network_in);
	yyjson_mut_obj_add_sint(d, v, "network_bytes_out", u->network_out);
	yyjson_mut_obj_add_sint(d, v, "network_refused", u->network_refused);
	yyjson_mut_obj_add_real(d, v, "queue_ms", ms(u->queue_us));
	yyjson_mut_obj_add_real(d, v, "start_ms", ms(u->start_us));
}

static void add_value(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_result *r)
{
	if (!r->value_text.p && !r->value_html.p && !r->value_png.p) {
		yyjson_mut_obj_add_null(d, o, "value");
		return;
	}
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, "value");
	nx_json_add_str(d, v, "text", r->value_text);
	nx_json_add_str(d, v, "html", r->value_html);
	nx_json_add_str(d, v, "png_base64", r->value_png);
}

static void add_enforced(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_enforced *e)
{
	const struct {
		const char *key, *mechanism;
	} rows[] = {
		{"memory", e->memory},       {"cpu", e->cpu},
		{"processes", e->processes}, {"time", e->time},
		{"output", e->output},       {"disk", e->disk},
		{"network", e->network},     {"filesystem", e->filesystem},
		{"syscalls", e->syscalls},   {"user", e->user},
	};
	yyjson_mut_val *v = yyjson_mut_obj_add_obj(d, o, "enforced");
	for (size_t i = 0; i < nx_countof(rows); i++)
		if (rows[i].mechanism)
			nx_json_add_strz(d, v, rows[i].key, rows[i].mechanism);
	yyjson_mut_obj_add_bool(d, v, "degraded", e->degraded);
}

static void add_limits(yyjson_mut_doc *d, yyjson_mut_val *o, unsigned met)
{
	static const char *const names[] = {"memory", "cpu", "processes", "time", "output", "disk", "artifacts"};
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "limits_met");
	for (size_t i = 0; i < nx_countof(names); i++)
		if (met & 1u << i)
			(void)yyjson_mut_arr_add_str(d, list, names[i]);
}

static void add_artifacts(yyjson_mut_doc *d, yyjson_mut_val *o, const struct nx_exec_result *r)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(d, o, "artifacts");
	for (size_t i = 0; i < r->nartifacts; i++) {
		const struct nx_exec_artifact *f = &r->artifacts[i];
		static const char digits[] = "0123456789abcdef";
		char hex[65];
		for (size_t k = 0; k < sizeof(f->sha256); k++) {
			hex[2 * k] = digits[f->sha256[k] >> 4];
			hex[2 * k + 1] = digits[f->sha256[k] & 15];
		}
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(d, list);
		nx_json_add_id(d, v, "id", f->id);
		nx_json_add_str(d, v, "path", f->path);
		yyjson_mut_obj_add_sint(d, v, "size", f->size);
		nx_json_add_str(d, v, "sha256", nx_str_n(hex, 64));
		nx_json_add_str(d, v, "mime", f->mime);
	}
}

yyjson_mut_val *nx_exec_result_json(const struct nx_exec *x, yyjson_mut_doc *d)
{
	const struct nx_exec_result *r = &x->result;
	yyjson_mut_val *o = yyjson_mut_obj(d);
	nx_json_add_id(d, o, "id", r->id);
	nx_json_add_str(d, o, "language", x->language);
	nx_json_add_id(d, o, "session_id", x->session);
	nx_json_add_strz(d, o, "status", nx_exec_status_name(r->status));
	if (r->exit_code >= 0)
		yyjson_mut_obj_add_int(d, o, "exit_code", r->exit_code);
	else
		yyjson_mut_obj_add_null(d, o, "exit_code");
	if (r->signal)
		yyjson_mut_obj_add_int(d, o, "signal", r->signal);
	else
		yyjson_mut_obj_add_null(d, o, "signal");
	nx_json_add_str(d, o, "stdout", r->out.p ? r->out : NX_STR(""));
	nx_json_add_str(d, o, "stderr", r->err_out.p ? r->err_out : NX_STR(""));
	yyjson_mut_obj_add_bool(d, o, "truncated", r->out_truncated || r->err_truncated);
	add_value(d, o, r);
	yyjson_mut_obj_add_bool(d, o, "warm", r->is_warm);
	add_usage(d, o, &r->usage);
	add_limits(d, o, r->limits_met);
	add_enforced(d, o, &r->enforced);
	yyjson_mut_obj_add_val(d, o, "scan", nx_scan_json(&r->scan, d));
	add_artifacts(d, o, r);
	return o;
}
