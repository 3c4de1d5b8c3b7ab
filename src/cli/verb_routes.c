/* nexus routes: the route table, for tests and documents. */
#include "api/api.h"
#include "cli/verbs.h"

static bool openapi;
static const struct nx_cli_option options[] = {
	{"openapi", NULL, "the OpenAPI document instead", NULL, &openapi},
	{NULL, NULL, NULL, NULL, NULL},
};

static int run(struct nx_cli *c, int argc, char **argv)
{
	struct nx_error *err = NULL;
	nx_str text;

	(void)argv;
	if (argc > 0)
		return nx_cli_usage(&nx_verb_routes, "routes takes no words");
	int rc = openapi ? nx_api_openapi_json(c->arena, &text, &err) : nx_api_routes_json(c->arena, &text, &err);
	if (rc < 0)
		return nx_cli_fail(c, err);
	printf("%.*s\n", NX_FMT(text));
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_routes = {
	.name = "routes",
	.usage = "routes [--openapi]",
	.summary = "the route table as JSON",
	.examples = "  nexus routes\n",
	.hidden = true,
	.options = options,
	.run = run,
};
