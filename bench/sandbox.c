/*
 * What isolation costs: `true` and an empty Python program, bare, in bubblewrap and in our sandbox, alternating.
 *
 *   bench/sandbox [--rounds N] [--runs N] [--docker SOCKET --image NAME]
 */
#include "base/config.h"
#include "execution/execution.h"

#include <stdio.h>

static unsigned number(int argc, char **argv, const char *name, unsigned otherwise)
{
	int64_t v;
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0 && nx_str_to_i64(nx_str_z(argv[i + 1]), &v) && v > 0 && v <= 1000)
			return (unsigned)v;
	return otherwise;
}

static const char *text(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return NULL;
}

int main(int argc, char **argv)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_error struct nx_error *err = NULL;
	struct nx_config *c = NULL;
	struct nx_spawner *sp = NULL;
	const char *no_environment[] = {NULL};
	nx_str json = NX_STR_NULL;
	const struct nx_execution_peers peers = {text(argc, argv, "--docker"), text(argc, argv, "--image")};
	if (argc > 1 && strcmp(argv[1], "spawner") == 0)
		return nx_spawner_main(argc, argv);
	int r = nx_config_load(NULL, no_environment, &c, &err);
	if (r == 0)
		r = nx_spawner_start(c, &sp, &err);
	if (r == 0)
		r = nx_execution_bench(sp, &peers, number(argc, argv, "--rounds", 5), number(argc, argv, "--runs", 40),
				       a, &json, &err);
	if (r == 0)
		printf("%.*s\n", NX_FMT(json));
	else
		fprintf(stderr, "bench sandbox: %s\n", nx_error_message(err));
	nx_spawner_free(sp);
	nx_config_free(c);
	return r == 0 ? 0 : 1;
}
