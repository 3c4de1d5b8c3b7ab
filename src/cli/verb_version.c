/* nexus version */
#include "base/build.h"
#include "cli/verbs.h"

static bool features;
static const struct nx_cli_option options[] = {
	{"features", NULL, "what was compiled in", NULL, &features},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct {
	const char *name;
	bool on;
} all[] = {
	{"llama", NX_WITH_LLAMA}, {"postgres", NX_WITH_POSTGRES}, {"redis", NX_WITH_REDIS},
	{"pdf", NX_WITH_PDF},     {"docker", NX_WITH_DOCKER},
};

static int run(struct nx_cli *c, int argc, char **argv)
{
	(void)argv;
	if (argc > 0)
		return nx_cli_usage(&nx_verb_version, "version takes no words");
	if (c->json) {
		printf("{\"version\":\"%s\",\"features\":{", NX_VERSION);
		for (size_t i = 0; i < nx_countof(all); i++)
			printf("%s\"%s\":%s", i ? "," : "", all[i].name, all[i].on ? "true" : "false");
		puts("}}");
		return NX_EXIT_OK;
	}
	printf("nexus %s\n", NX_VERSION);
	for (size_t i = 0; features && i < nx_countof(all); i++)
		printf("  %-10s %s\n", all[i].name, all[i].on ? "yes" : "no");
	return NX_EXIT_OK;
}

const struct nx_verb nx_verb_version = {
	.name = "version",
	.usage = "version [--features]",
	.summary = "the version, and what was compiled in",
	.examples = "  nexus version --features\n",
	.options = options,
	.run = run,
};
