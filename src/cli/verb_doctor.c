/* nexus doctor: what this machine and installation lack, and the exact fix of each. */
#include "base/assert.h"
#include "base/build.h"
#include "base/clock.h"
#include "base/io.h"
#include "cli/verbs.h"
#include "execution/execution.h"
#include "model/model.h"
#include "store/store.h"

#include <sys/statvfs.h>

struct doctor {
	struct nx_cli *c;
	yyjson_mut_doc *doc;
	yyjson_mut_val *list;
	size_t problems;
};

static void report(struct doctor *d, const char *what, bool ok, const char *detail, const char *fix)
{
	struct nx_cli *c = d->c;
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d->doc, d->list);

	nx_json_add_strz(d->doc, o, "what", what);
	yyjson_mut_obj_add_bool(d->doc, o, "ok", ok);
	nx_json_add_strz(d->doc, o, "detail", detail);
	nx_json_add_strz(d->doc, o, "fix", ok ? "" : fix);
	d->problems += !ok;
	if (c->json)
		return;
	printf("%s%s%s %-28s %s\n", ok ? nx_cli_green(c) : nx_cli_yellow(c), ok ? "ok  " : "look", nx_cli_reset(c),
	       what, detail);
	if (!ok && fix[0])
		printf("       → %s\n", fix);
}

/* Where the name of the data directory comes from, as `nexus serve` with the same words would find it. */
static const char *home_origin(struct nx_cli *c)
{
	switch (nx_config_origin(c->config, nx_config_find("home"))) {
	case NX_ORIGIN_FLAG: return "--home";
	case NX_ORIGIN_ENV: return "NEXUS_HOME";
	case NX_ORIGIN_FILE: return "nexus.yaml";
	case NX_ORIGIN_DEFAULT: break;
	}
	const char *data = getenv("XDG_DATA_HOME");
	return data && data[0] == '/' ? "XDG_DATA_HOME" : "the default";
}

static void check_holder(struct doctor *d)
{
	const char *dir = d->c->config->home;
	struct nx_store_holder h;
	const char *detail = "nobody: verbs work on it themselves, or start `nexus serve`";

	if (nx_store_holder(dir, &h))
		detail = h.address[0]
				 ? nx_arena_printf(d->c->arena, "process %d, which listens on %s", h.pid, h.address)
				 : nx_arena_printf(d->c->arena, "process %d", h.pid);
	report(d, "held by", true, detail, "");
}

static void check_space(struct doctor *d, const char *dir)
{
	struct statvfs fs;
	char detail[64];

	if (statvfs(dir, &fs) != 0)
		return;
	double gib = (double)fs.f_bavail * (double)fs.f_frsize / (1024.0 * 1024 * 1024);
	snprintf(detail, sizeof(detail), "%.1f GiB free", gib);
	report(d, "disk", gib > 1, detail, "free at least 1 GiB there, or move the data with NEXUS_HOME");
}

static void check_home(struct doctor *d)
{
	struct nx_arena *a = d->c->arena;
	const char *dir = d->c->config->home, *origin = home_origin(d->c);

	nx_assert(dir); /* a configuration that was read has one */
	if (access(dir, F_OK) != 0) {
		report(d, "data directory", true, nx_arena_printf(a, "%s (%s; made at the first start)", dir, origin),
		       "");
		return;
	}
	report(d, "data directory", access(dir, W_OK) == 0, nx_arena_printf(a, "%s (%s)", dir, origin),
	       nx_arena_printf(a, "chown it to you: chown -R \"$USER\" %s", dir));
	check_holder(d);
	check_space(d, dir);
}

static void check_server(struct doctor *d)
{
	struct nx_error *err = NULL;
	yyjson_val *v;

	if (nx_cli_call(d->c, "GET", "/healthz", NULL, &v, &err) == 0)
		report(d, "server", true, d->c->url, "");
	else
		report(d, "server", true,
		       nx_arena_printf(d->c->arena, "none at %s (`nexus serve` starts one)", d->c->url), "");
	nx_error_free(err);
}

static void report_sandbox(struct doctor *d, struct nx_execution *x)
{
	struct nx_exec_check checks[32];
	struct nx_exec_language languages[16];
	struct nx_arena *a = d->c->arena;
	size_t n = nx_execution_checks(x, checks, nx_countof(checks));

	for (size_t i = 0; i < n; i++)
		report(d, checks[i].what, checks[i].ok, checks[i].detail, checks[i].fix);
	n = nx_execution_languages(x, languages, nx_countof(languages));
	for (size_t i = 0; i < n; i++) {
		const char *fix = nx_arena_printf(a, "apt-get install %s", languages[i].package);
		report(d, nx_arena_printf(a, "language %s", languages[i].name), languages[i].available,
		       languages[i].available    ? languages[i].version
		       : languages[i].version[0] ? nx_arena_printf(a, "%s is too old", languages[i].version)
						 : "not available here",
		       fix);
	}
}

static void check_sandbox(struct doctor *d)
{
	struct nx_error *err = NULL;
	struct nx_spawner *sp = NULL;
	struct nx_workers *w = NULL;
	struct nx_loop *loop = NULL;
	struct nx_execution *x = NULL;

	if (nx_spawner_start(d->c->config, &sp, &err) == 0 && nx_workers_new(2, &w, &err) == 0 &&
	    nx_loop_new("sandbox", &loop, &err) == 0 &&
	    nx_execution_new(d->c->config, NULL, sp, w, loop, &x, &err) == 0 && nx_loop_start(loop, &err) == 0)
		report_sandbox(d, x);
	else
		report(d, "sandbox", false, nx_error_message(err), nx_error_get_hint(err));
	nx_execution_free(x);
	if (w)
		nx_workers_free(w);
	if (loop && x) {
		nx_loop_stop(loop);
		nx_loop_join(loop);
	}
	if (loop)
		nx_loop_free(loop);
	nx_spawner_free(sp);
	nx_error_free(err);
}

static void check_models(struct doctor *d)
{
	struct nx_model_info info[16];
	struct nx_models *m = NULL;
	struct nx_error *err = NULL;

	if (nx_models_new(d->c->config, NULL, &m, &err) < 0) {
		report(d, "models", false, nx_error_message(err), nx_error_get_hint(err));
		nx_error_free(err);
		return;
	}
	size_t n = nx_models_list(m, info, nx_countof(info));
	for (size_t i = 0; i < n; i++) {
		bool ok = strncmp(info[i].state, "missing", 7) != 0;
		report(d, nx_arena_printf(d->c->arena, "%s model", info[i].kind), ok,
		       nx_arena_printf(d->c->arena, "%s (%s)", info[i].id, info[i].state),
		       "run scripts/setup, or put the file into models/ of the data directory");
	}
	if (!nx_models_has_chat(m))
		report(d, "chat model", true,
		       "none: agents work by rules and tools (set model.base_url and model.chat)", "");
	nx_models_free(m);
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct doctor d = {.c = c, .doc = nx_json_new(c->arena)};
	nx_str text;

	(void)argv;
	if (argc > 0)
		return nx_cli_usage(&nx_verb_doctor, "doctor takes no words");
	if (!d.doc)
		return NX_EXIT_FAILED;
	d.list = yyjson_mut_arr(d.doc);
	report(&d, "version", true, NX_VERSION, "");
	check_home(&d);
	check_sandbox(&d); /* before the client makes a thread */
	check_server(&d);
	check_models(&d);
	if (c->json && nx_json_write(c->arena, d.list, isatty(STDOUT_FILENO), &text, NULL) == 0)
		printf("%.*s\n", NX_FMT(text));
	return d.problems ? NX_EXIT_FAILED : NX_EXIT_OK;
}

const struct nx_verb nx_verb_doctor = {
	.name = "doctor",
	.usage = "doctor",
	.summary = "what this machine lacks, and how to mend it",
	.examples = "  nexus doctor\n  nexus doctor --json\n",
	.takes_config = true,
	.run = run,
};
