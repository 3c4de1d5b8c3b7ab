/* nexus sandbox session: sessions, in which `nexus exec --session` runs. */
#include "cli/verbs.h"

static const char *language, *image, *memory, *cpu, *idle, *lifetime, *snapshot;
static struct nx_cli_grants grants;
const struct nx_cli_option nx_sandbox_session_options[] = {
	{"language", "NAME", "python (default) or javascript", &language, NULL},
	{"image", "NAME", "in this image (nexus sandbox image list)", &image, NULL},
	{"memory", "MIB", "memory of the whole session (512)", &memory, NULL},
	{"cpu", "PERCENT", "of one core (20)", &cpu, NULL},
	NX_CLI_GRANT_OPTIONS(grants),
	{"idle", "SECONDS", "it ends when nobody used it for so long", &idle, NULL},
	{"lifetime", "SECONDS", "it ends after so long", &lifetime, NULL},
	{"snapshot", "ID", "begin with the files of this snapshot", &snapshot, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static int build(struct nx_cli *c, double idle_s, yyjson_mut_val **ret, struct nx_error **err)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL, *k;
	int rc;

	if (!o)
		return nx_error_set(err, NX_ENOMEM, "begin a session");
	nx_json_add_strz(d, o, "language", language ? language : "python");
	if (image)
		nx_json_add_strz(d, o, "image", image);
	if (snapshot)
		nx_json_add_strz(d, o, "snapshot_id", snapshot);
	k = yyjson_mut_obj_add_obj(d, o, "constraints");
	if ((rc = nx_cli_add_number("memory", memory, true, d, k, "max_memory_mb", err)) < 0 ||
	    (rc = nx_cli_add_number("cpu", cpu, true, d, k, "max_cpu_percent", err)) < 0 ||
	    (rc = nx_cli_add_number("idle", idle, false, d, o, "idle_timeout_s", err)) < 0 ||
	    (rc = nx_cli_add_number("lifetime", lifetime, false, d, o, "lifetime_s", err)) < 0 ||
	    (rc = nx_cli_add_grants(&grants, d, k, err)) < 0)
		return rc;
	if (!idle && idle_s > 0)
		yyjson_mut_obj_add_real(d, o, "idle_timeout_s", idle_s);
	*ret = o;
	return 0;
}

int nx_sandbox_session_begin(struct nx_cli *c, const struct nx_verb *v, double idle_s, yyjson_val **ret)
{
	struct nx_error *err = NULL;
	yyjson_mut_val *body;

	if (build(c, idle_s, &body, &err) < 0)
		return nx_cli_misuse(c, v, err);
	if (nx_cli_call(c, "POST", "/v1/sandbox/sessions", body, ret, &err) < 0)
		return nx_cli_fail(c, err);
	return NX_EXIT_OK;
}

const char *nx_sandbox_session_path(struct nx_cli *c, const char *id)
{
	const char *escaped = nx_cli_escape(c, id);

	return escaped ? nx_arena_printf(c->arena, "/v1/sandbox/sessions/%s", escaped) : NULL;
}

static int begin(struct nx_cli *c)
{
	yyjson_val *answer;
	int status = nx_sandbox_session_begin(c, &nx_verb_sandbox, 0, &answer);

	if (status != NX_EXIT_OK)
		return status;
	if (c->json)
		nx_cli_print_json(c, answer);
	else
		printf("%.*s\n", NX_FMT(nx_json_str(answer, "id")));
	return NX_EXIT_OK;
}

static int list(struct nx_cli *c)
{
	struct nx_error *err = NULL;
	yyjson_val *answer, *s;
	size_t i, n;

	if (nx_cli_call(c, "GET", "/v1/sandbox/sessions", NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "items"), i, n, s) {
		nx_str reason = nx_json_str(s, "end_reason");
		printf("%.*s  %-10.*s  %.*s%s%.*s\n", NX_FMT(nx_json_str(s, "id")), NX_FMT(nx_json_str(s, "language")),
		       NX_FMT(nx_json_str(s, "state")), reason.n ? ": " : "", NX_FMT(reason));
	}
	if (n == 0)
		puts("no sessions");
	return NX_EXIT_OK;
}

static int end(struct nx_cli *c, const char *id)
{
	struct nx_error *err = NULL;
	yyjson_val *answer;
	const char *path = nx_sandbox_session_path(c, id);

	if (!path)
		nx_error_set(&err, NX_ENOMEM, "end a session");
	if (err || nx_cli_call(c, "DELETE", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json)
		nx_cli_print_json(c, answer);
	else
		printf("%.*s\n", NX_FMT(nx_json_str(answer, "state")));
	return NX_EXIT_OK;
}

int nx_sandbox_session(struct nx_cli *c, int argc, char **argv)
{
	c->alone = false; /* a session lives in a server */
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
		return list(c);
	if (argc == 1 && strcmp(argv[0], "new") == 0)
		return begin(c);
	if (argc == 2 && strcmp(argv[0], "end") == 0)
		return end(c, argv[1]);
	if (argc == 2 && strcmp(argv[0], "shell") == 0)
		return nx_sandbox_shell(c, argv[1]);
	return nx_cli_usage(&nx_verb_sandbox, "say session new, session list, session shell ID or session end ID");
}
