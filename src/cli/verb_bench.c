/* nexus bench: a benchmark within this program, or a program that was built beside it. */
#include "base/io.h"
#include "cli/benches.h"
#include "cli/verbs.h"

#include <dirent.h>
#include <limits.h>

static const char *bench_dir(struct nx_arena *a)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = 0;
	char *slash = strrchr(self, '/');
	*slash = 0;
	char *beside = nx_arena_printf(a, "%s/bench", self);
	char *installed = nx_arena_printf(a, "%s/../libexec/nexus/bench", self);
	return beside && access(beside, X_OK) == 0 ? beside : installed;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} inside[] = {
	{"retrieval", nx_bench_retrieval},
};

static const char *const words[] = {"list", "requests", "retrieval", "sandbox", "start", "steps", "store", NULL};

static size_t find_inside(const char *name)
{
	size_t i = 0;

	while (i < nx_countof(inside) && strcmp(inside[i].name, name) != 0)
		i++;
	return i;
}

static int is_program(const struct dirent *e)
{
	return strncmp(e->d_name, "bench_", 6) == 0 && !strchr(e->d_name, '.') &&
	       find_inside(e->d_name + 6) == nx_countof(inside);
}

static int list(const char *dir)
{
	struct dirent **found = NULL;
	int n = dir ? scandir(dir, &found, is_program, alphasort) : 0;

	puts("Here:");
	for (size_t i = 0; i < nx_countof(inside); i++)
		printf("  %s\n", inside[i].name);
	for (int i = 0; i < n; i++) {
		printf("  %s\n", found[i]->d_name + 6);
		free(found[i]);
	}
	free(found);
	return NX_EXIT_OK;
}

static int raw(int argc, char **argv)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *dir = a ? bench_dir(a) : NULL;

	argc--; /* the verb itself is argv[0] of the program */
	argv++;
	if (argc < 2 || strcmp(argv[1], "list") == 0)
		return list(dir);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		nx_cli_help(&nx_verb_bench, stdout);
		return NX_EXIT_OK;
	}
	for (const char *s = argv[1]; *s; s++)
		if (*s == '/' || *s == '.')
			return nx_cli_usage(&nx_verb_bench, "`%s` is no benchmark", argv[1]);
	size_t i = find_inside(argv[1]);
	if (i < nx_countof(inside))
		return inside[i].run(argc - 1, argv + 1);
	char *path = dir ? nx_arena_printf(a, "%s/bench_%s", dir, argv[1]) : NULL;
	if (path)
		execv(path, argv + 1);
	return nx_cli_usage(&nx_verb_bench, "there is no benchmark `%s` here", argv[1]);
}

const struct nx_verb nx_verb_bench = {
	.name = "bench",
	.usage = "bench [list] | bench NAME [options]",
	.summary = "measure a promise, beside its peers",
	.examples = "  nexus bench start\n  nexus bench requests\n  nexus bench sandbox\n"
		    "  nexus bench sandbox --soak 10000\n"
		    "  nexus bench retrieval --data DIR\n",
	.more = "A table for people goes to stderr, one JSON object to the last line of stdout. `nexus bench list` names what is\n"
		"here. Part of this program, so always here:\n\n"
		"  retrieval --data DIR [--home DIR] [--limit N] [--verbose]\n"
		"      recall of the gold documents of a data set in BEIR's layout: corpus.jsonl, queries.jsonl, qrels.tsv.\n"
		"      --home keeps the store and its vectors; otherwise it is temporary. --limit asks the first N questions.\n\n"
		"Beside it, where it was built:\n\n"
		"  sandbox [--rounds N] [--runs N] [--docker SOCKET --image NAME]\n"
		"      the same programs bare, in bubblewrap, in a container of an engine and in the sandbox.\n"
		"  sandbox --soak N\n"
		"      N runs, some of them killed, and what they left on this host; the exit status is 1 when anything is left.\n",
	.words = words,
	.raw = raw,
};
