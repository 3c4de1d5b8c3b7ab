/* nexus exec: a program in the sandbox; its output is ours, its account goes to stderr. */
#include "base/io.h"
#include "cli/verbs.h"

#define CODE_MAX (1 << 20)
#define INPUT_MAX (64 << 20)

static const char *language, *stdin_file, *seconds, *memory, *cpu, *cpu_policy, *policy, *image, *session;
static struct nx_cli_grants grants;
static bool quiet, cold;
static const struct nx_cli_option options[] = {
	{"language", "NAME", "python, shell, javascript, c or sql (default: by the file's name)", &language, NULL},
	{"stdin", "FILE", "its standard input", &stdin_file, NULL},
	{"time", "SECONDS", "wall time (30)", &seconds, NULL},
	{"memory", "MIB", "memory of all its processes (512)", &memory, NULL},
	{"cpu", "PERCENT", "of one core (20)", &cpu, NULL},
	{"cpu-policy", "NAME", "throttle (default) or kill what takes more CPU", &cpu_policy, NULL},
	{"policy", "NAME", "strict, standard (default) or off: what the scanner blocks", &policy, NULL},
	NX_CLI_GRANT_OPTIONS(grants),
	{"image", "NAME", "run it in this image (nexus sandbox image list)", &image, NULL},
	{"session", "ID", "in this session (nexus sandbox session), whose language, memory and CPU count", &session,
	 NULL},
	{"cold", NULL, "with nothing that was made ahead", NULL, &cold},
	{"quiet", NULL, "no account of usage and walls", NULL, &quiet},
	{NULL, NULL, NULL, NULL, NULL},
};

static const char *language_of(const char *path)
{
	const char *known = nx_cli_language_of(path);

	return language ? language : known ? known : "python";
}

/* The files beside the program: each lies in its work directory under its own last name. */
static int add_inputs(struct nx_cli *c, yyjson_mut_doc *d, yyjson_mut_val *o, int n, char **paths,
		      struct nx_error **err)
{
	yyjson_mut_val *list = n ? yyjson_mut_obj_add_arr(d, o, "files") : NULL;

	for (int i = 0; i < n; i++) {
		yyjson_mut_val *f = yyjson_mut_arr_add_obj(d, list);
		const char *slash = strrchr(paths[i], '/');
		nx_str bytes;
		int rc = nx_cli_read(c, paths[i], INPUT_MAX, &bytes, err);
		if (rc < 0)
			return rc;
		nx_str text = nx_base64(c->arena, bytes);
		if (!f || !text.p)
			return nx_error_set(err, NX_ENOMEM, "send the file %s", paths[i]);
		nx_json_add_strz(d, f, "path", slash ? slash + 1 : paths[i]);
		nx_json_add_str(d, f, "content_base64", text);
	}
	return 0;
}

static int build(struct nx_cli *c, int argc, char **argv, yyjson_mut_val **ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	const char *path = argv[0];
	nx_str code, input;
	int rc;

	if (!o)
		return nx_error_set(err, NX_ENOMEM, "run a program");
	if ((rc = nx_cli_read(c, path, CODE_MAX, &code, err)) < 0)
		return rc;
	nx_json_add_strz(d, o, "language", language_of(path));
	nx_json_add_str(d, o, "code", code);
	if (stdin_file) {
		if ((rc = nx_cli_read(c, stdin_file, CODE_MAX, &input, err)) < 0)
			return rc;
		nx_json_add_str(d, o, "stdin", input);
	}
	if ((rc = add_inputs(c, d, o, argc - 1, argv + 1, err)) < 0)
		return rc;
	if (image)
		nx_json_add_strz(d, o, "image", image);
	if (policy)
		nx_json_add_strz(d, o, "policy", policy);
	if (session)
		nx_json_add_strz(d, o, "session_id", session);
	if (cold)
		yyjson_mut_obj_add_bool(d, o, "warm", false);
	yyjson_mut_val *k = yyjson_mut_obj_add_obj(d, o, "constraints");
	if ((rc = nx_cli_add_number("time", seconds, false, d, k, "max_execution_time_s", err)) < 0 ||
	    (rc = nx_cli_add_number("memory", memory, true, d, k, "max_memory_mb", err)) < 0 ||
	    (rc = nx_cli_add_number("cpu", cpu, true, d, k, "max_cpu_percent", err)) < 0 ||
	    (rc = nx_cli_add_grants(&grants, d, k, err)) < 0)
		return rc;
	if (cpu_policy)
		nx_json_add_strz(d, k, "cpu_policy", cpu_policy);
	*ret = o;
	return 0;
}

static void print_findings(yyjson_val *scan)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (nx_json_get(scan, "findings"), i, n, v) {
		fprintf(stderr, "  line %lld: %.*s: ", (long long)nx_json_int(v, "line", 0),
			NX_FMT(nx_json_str(v, "severity")));
		nx_cli_put_text(stderr, nx_json_str(v, "message"));
		fprintf(stderr, " [%.*s]\n", NX_FMT(nx_json_str(v, "rule")));
	}
}

static void print_limits_met(yyjson_val *list)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, v)
		fprintf(stderr, "%s%s%s", i == 0 ? "limits met: " : ", ", yyjson_get_str(v), i + 1 == n ? "\n" : "");
}

static void print_account(struct nx_cli *c, yyjson_val *answer)
{
	yyjson_val *u = nx_json_get(answer, "usage"), *e = nx_json_get(answer, "enforced"), *key, *v;
	char wall[24], cpu_text[24], start[24];
	size_t i, n;

	fprintf(stderr, "%.*s: %s wall, %s CPU, %.1f MiB, started in %s\n", NX_FMT(nx_json_str(answer, "status")),
		nx_cli_duration(nx_json_num(u, "wall_ms", 0), wall),
		nx_cli_duration(nx_json_num(u, "cpu_ms", 0), cpu_text), nx_json_num(u, "max_rss_bytes", 0) / 1048576.0,
		nx_cli_duration(nx_json_num(u, "start_ms", 0), start));
	if (nx_str_eqz(nx_json_str(e, "network"), "proxy"))
		fprintf(stderr, "network: %lld bytes in, %lld out, %lld refused\n",
			(long long)nx_json_int(u, "network_bytes_in", 0),
			(long long)nx_json_int(u, "network_bytes_out", 0),
			(long long)nx_json_int(u, "network_refused", 0));
	fputs("held by:", stderr);
	const char *between = " ";
	yyjson_obj_foreach (e, i, n, key, v) {
		if (!yyjson_is_str(v))
			continue;
		fprintf(stderr, "%s%s %s", between, yyjson_get_str(key), yyjson_get_str(v));
		between = ", ";
	}
	fputc('\n', stderr);
	print_limits_met(nx_json_get(answer, "limits_met"));
	print_findings(nx_json_get(answer, "scan"));
	(void)c;
}

static int exit_status(yyjson_val *answer)
{
	nx_str status = nx_json_str(answer, "status");

	if (nx_str_eqz(status, "ok"))
		return 0;
	if (nx_str_eqz(status, "timeout"))
		return 124; /* as coreutils' timeout */
	if (nx_str_eqz(status, "error")) {
		int64_t code = nx_json_int(answer, "exit_code", 1), sig = nx_json_int(answer, "signal", 0);
		return sig > 0 ? (int)(128 + sig) : (int)(code > 0 ? code : 1);
	}
	return nx_str_eqz(status, "compile_error") ? 1 : 125;
}

/* Of the last expression of a run in a session. */
static void print_value(yyjson_val *value)
{
	nx_str text = nx_json_str(value, "text");

	if (!text.n)
		return;
	nx_cli_put_text(stdout, text);
	putchar('\n');
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	yyjson_mut_val *body;
	yyjson_val *answer;

	if (argc < 1)
		return nx_cli_usage(&nx_verb_exec, "name one program, or - for standard input");
	if (build(c, argc, argv, &body, &err) < 0)
		return nx_cli_misuse(c, &nx_verb_exec, err);
	if (nx_cli_call(c, "POST", "/v1/sandbox/executions", body, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return exit_status(answer);
	}
	nx_str out = nx_json_str(answer, "stdout"), errors = nx_json_str(answer, "stderr");
	fwrite(out.p ? out.p : "", 1, out.n, stdout);
	fflush(stdout);
	fwrite(errors.p ? errors.p : "", 1, errors.n, stderr);
	print_value(nx_json_get(answer, "value"));
	if (!quiet)
		print_account(c, answer);
	return exit_status(answer);
}

const struct nx_verb nx_verb_exec = {
	.name = "exec",
	.usage = "exec [options] FILE|- [INPUT ...]",
	.summary = "run a program in the sandbox",
	.examples = "  nexus exec program.py\n"
		    "  echo 'print(6*7)' | nexus exec -\n"
		    "  nexus exec --time 5 --memory 128 crunch.py\n"
		    "  nexus exec --allow api.example.com,*.example.org:8443 fetch.py\n"
		    "  nexus exec --read /data/in --write /data/out convert.py\n"
		    "  nexus exec totals.sql sales.csv people.csv\n",
	.more = "INPUT is a file that the program finds in its directory; for SQL each CSV file is a table named as the file.\n"
		"Exit status: the program's own; 124 after a timeout, 125 after another limit or when the scanner blocked it.\n",
	.options = options,
	.alone = true,
	.run = run,
};
