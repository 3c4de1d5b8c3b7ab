/* nexus key: the keys that callers need. */
#include "cli/verbs.h"

static const char *name, *scopes, *user;
static const char *const words[] = {"list", "create", "revoke", NULL};
static const struct nx_cli_option options[] = {
	{"name", "TEXT", "create: what it is for", &name, NULL},
	{"scopes", "LIST", "create: separated by commas (default: admin)", &scopes, NULL},
	{"user", "ID", "create: the only user it may name", &user, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static int list(struct nx_cli *c)
{
	struct nx_error *err = NULL;
	yyjson_val *answer, *k;
	size_t i, n;

	if (nx_cli_call(c, "GET", "/v1/keys", NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "items"), i, n, k) {
		printf("%.*s  %.*s…  ", NX_FMT(nx_json_str(k, "id")), NX_FMT(nx_json_str(k, "prefix")));
		nx_cli_put_text(stdout, nx_json_str(k, "name"));
		putchar('\n');
	}
	if (n == 0)
		puts("no keys: the server takes requests from this machine only");
	return NX_EXIT_OK;
}

static int create(struct nx_cli *c)
{
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	struct nx_error *err = NULL;
	yyjson_val *answer;
	nx_str rest = nx_str_z(scopes ? scopes : "admin");

	if (o) {
		nx_json_add_strz(d, o, "name", name ? name : "cli");
		yyjson_mut_val *list_ = yyjson_mut_obj_add_arr(d, o, "scopes");
		while (rest.n > 0) {
			nx_str s = nx_str_trim(nx_str_cut(&rest, ','));
			yyjson_mut_arr_add_strncpy(d, list_, s.p, s.n);
		}
		if (user)
			nx_json_add_strz(d, o, "user_id", user);
	} else {
		nx_error_set(&err, NX_ENOMEM, "create a key");
	}
	if (err || nx_cli_call(c, "POST", "/v1/keys", o, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	printf("%.*s\n", NX_FMT(nx_json_str(answer, "key")));
	fputs("this is shown once: keep it, and give it as NEXUS_KEY or `Authorization: Bearer …`\n", stderr);
	return NX_EXIT_OK;
}

static int revoke_key(struct nx_cli *c, const char *id)
{
	struct nx_error *err = NULL;
	yyjson_val *answer;
	const char *path = nx_arena_printf(c->arena, "/v1/keys/%s", nx_cli_escape(c, id));

	if (!path)
		nx_error_set(&err, NX_ENOMEM, "revoke a key");
	if (err || nx_cli_call(c, "DELETE", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (!c->json)
		puts("revoked");
	return NX_EXIT_OK;
}

static int run(struct nx_cli *c, int argc, char **argv)
{
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
		return list(c);
	if (argc == 1 && strcmp(argv[0], "create") == 0)
		return create(c);
	if (argc == 2 && strcmp(argv[0], "revoke") == 0)
		return revoke_key(c, argv[1]);
	for (size_t i = 0; words[i]; i++)
		if (strcmp(argv[0], words[i]) == 0)
			return nx_cli_usage(&nx_verb_key, "say list, create, or revoke with an id");
	return nx_cli_unknown_word(&nx_verb_key, argv[0]);
}

const struct nx_verb nx_verb_key = {
	.name = "key",
	.usage = "key [list] | key create [options] | key revoke ID",
	.summary = "make and revoke the keys that callers need",
	.examples = "  nexus key create --name laptop\n"
		    "  nexus key create --name reader --scopes knowledge:read,tasks:read\n"
		    "  nexus key revoke 0198…\n",
	.more = "The first key makes the server ask every caller for one. NEXUS_KEY holds yours.\n",
	.words = words,
	.options = options,
	.alone = true,
	.run = run,
};
