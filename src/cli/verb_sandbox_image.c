/* nexus sandbox image: what programs can run in. */
#include "cli/verbs.h"

static int list(struct nx_cli *c)
{
	struct nx_error *err = NULL;
	yyjson_val *answer, *v;
	size_t i, n;

	if (nx_cli_call(c, "GET", "/v1/sandbox/images", NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (c->json) {
		nx_cli_print_json(c, answer);
		return NX_EXIT_OK;
	}
	yyjson_arr_foreach (nx_json_get(answer, "items"), i, n, v)
		printf("%-24.*s %8.1f MiB  %.*s\n", NX_FMT(nx_json_str(v, "name")),
		       nx_json_num(v, "size", 0) / 1048576.0, NX_FMT(nx_str_slice(nx_json_str(v, "digest"), 0, 19)));
	if (n == 0)
		puts("no images: programs see the /usr of this host, or of sandbox.root");
	return NX_EXIT_OK;
}

static int import(struct nx_cli *c, const char *name, const char *path)
{
	struct nx_error *err = NULL;
	yyjson_val *answer;
	yyjson_mut_doc *d = nx_json_new(c->arena);
	yyjson_mut_val *o = d ? yyjson_mut_obj(d) : NULL;
	char *real = realpath(path, NULL);

	if (!real)
		nx_error_set(&err, NX_ENOTFOUND, "there is no file or directory %s", path);
	else if (!o)
		nx_error_set(&err, NX_ENOMEM, "import an image");
	else if (nx_json_add_strz(d, o, "name", name) && nx_json_add_strz(d, o, "path", real))
		(void)nx_cli_call(c, "POST", "/v1/sandbox/images", o, &answer, &err);
	free(real);
	if (err)
		return nx_cli_fail(c, err);
	if (c->json)
		nx_cli_print_json(c, answer);
	else
		printf("%s: %.1f MiB; `nexus exec --image %s FILE` runs a program in it\n", name,
		       nx_json_num(answer, "size", 0) / 1048576.0, name);
	return NX_EXIT_OK;
}

static int remove_image(struct nx_cli *c, const char *name)
{
	struct nx_error *err = NULL;
	yyjson_val *answer;
	const char *path = nx_arena_printf(c->arena, "/v1/sandbox/images/%s", nx_cli_escape(c, name));

	if (!path)
		nx_error_set(&err, NX_ENOMEM, "remove an image");
	if (err || nx_cli_call(c, "DELETE", path, NULL, &answer, &err) < 0)
		return nx_cli_fail(c, err);
	if (!c->json)
		puts("removed");
	return NX_EXIT_OK;
}

int nx_sandbox_image(struct nx_cli *c, int argc, char **argv)
{
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
		return list(c);
	if (argc == 3 && strcmp(argv[0], "import") == 0)
		return import(c, argv[1], argv[2]);
	if (argc == 2 && strcmp(argv[0], "remove") == 0)
		return remove_image(c, argv[1]);
	return nx_cli_usage(&nx_verb_sandbox, "say image list, image import NAME FILE or image remove NAME");
}
