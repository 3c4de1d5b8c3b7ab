/* nexus bench: runs a benchmark program that was built beside this one. */
#include "base/io.h"
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

static int list(const char *dir)
{
	DIR *d = dir ? opendir(dir) : NULL;

	nx_cli_help(&nx_verb_bench, stdout);
	puts("\nHere:");
	for (struct dirent *e; d && (e = readdir(d));)
		if (strncmp(e->d_name, "bench_", 6) == 0 && !strchr(e->d_name, '.'))
			printf("  %s\n", e->d_name + 6);
	if (d)
		closedir(d);
	return NX_EXIT_OK;
}

static int raw(int argc, char **argv)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	const char *dir = a ? bench_dir(a) : NULL;

	argc--; /* the verb itself is argv[0] of the program */
	argv++;
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "list") == 0)
		return list(dir);
	for (const char *s = argv[1]; *s; s++)
		if (*s == '/' || *s == '.')
			return nx_cli_usage(&nx_verb_bench, "`%s` is no benchmark", argv[1]);
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
		    "  nexus bench retrieval --data DIR\n",
	.more = "A table for people goes to stderr, one JSON object to the last line of stdout.\n",
	.raw = raw,
};
