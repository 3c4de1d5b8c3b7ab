/* From argv to a verb. */
#include "cli/cli.h"

#include "base/build.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"

#include <locale.h>

extern char **environ;

static const struct nx_verb *find_verb(const char *name)
{
	for (size_t i = 0; nx_verbs[i]; i++)
		if (strcmp(nx_verbs[i]->name, name) == 0)
			return nx_verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[64];
	size_t n = 0;

	if (name[0] == '-') {
		fprintf(stderr, "nexus: options come after the verb: `nexus ask %s …`\n", name);
		fprintf(stderr, "`nexus --help` lists the verbs.\n");
		return NX_EXIT_USAGE;
	}
	for (size_t i = 0; nx_verbs[i] && n < nx_countof(names); i++)
		if (!nx_verbs[i]->hidden)
			names[n++] = nx_verbs[i]->name;
	const char *nearest = nx_str_nearest(nx_str_z(name), names, n);
	fprintf(stderr, "nexus: there is no verb `%s`", name);
	if (nearest)
		fprintf(stderr, ": did you mean `nexus %s`?", nearest);
	fprintf(stderr, "\n`nexus --help` lists them.\n");
	return NX_EXIT_USAGE;
}

static int load_config(struct nx_cli *c, const char *home, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_config *first = NULL;
	int rc;

	if (!a)
		return nx_error_set(err, NX_ENOMEM, "read the configuration");
	/* The file lies in the data directory, whose place may itself come from the environment. */
	if ((rc = nx_config_load(NULL, (const char *const *)environ, &first, err)) < 0)
		return rc;
	char *dir = nx_arena_strdup(a, home ? home : first->home);
	nx_config_free(first);
	char *file = dir ? nx_path_join(a, dir, "nexus.yaml") : NULL;
	if (!file)
		return nx_error_set(err, NX_ENOMEM, "read the configuration");
	return nx_config_load(file, (const char *const *)environ, &c->config, err);
}

static const char *home_flag(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--home=", 7) == 0)
			return argv[i] + 7;
		if (strcmp(argv[i], "--home") == 0 && i + 1 < argc)
			return argv[i + 1];
	}
	return NULL;
}

/* The verb that the word names below `v`, else `v`. */
static const struct nx_verb *verb_under(const struct nx_verb *v, const char *word)
{
	for (const struct nx_verb *const *u = v->under; u && word && *u; u++)
		if (strcmp(strrchr((*u)->name, ' ') + 1, word) == 0)
			return *u;
	return v;
}

static int run_verb(struct nx_cli *c, const struct nx_verb *v, int argc, char **argv)
{
	struct nx_error *err = NULL;
	bool help = false;

	if (load_config(c, home_flag(argc, argv), &err) < 0)
		return nx_cli_fail(c, err);
	if (nx_cli_parse(c, v, &argc, argv, &help, &err) < 0)
		return nx_cli_misuse(c, v, err);
	if (help) {
		nx_cli_help(v, stdout);
		return NX_EXIT_OK;
	}
	return v->run(c, argc, argv);
}

/* NEXUS_FAULTS, in builds for tests; anywhere else it is an error rather than nothing. */
static int plan_faults(struct nx_cli *c)
{
	const char *plan = getenv("NEXUS_FAULTS");
	struct nx_error *err = NULL;

	if (!plan || !plan[0] || nx_fault_plan(plan, &err) == 0)
		return NX_EXIT_OK;
	return nx_cli_fail(c, err);
}

static int help(int argc, char **argv)
{
	const struct nx_verb *v = argc > 2 ? find_verb(argv[2]) : NULL;

	if (argc > 2 && !v)
		return unknown_verb(argv[2]);
	if (v)
		nx_cli_help(verb_under(v, argv[3]), stdout);
	else
		nx_cli_overview(argc < 2 ? stderr : stdout);
	return argc < 2 ? NX_EXIT_USAGE : NX_EXIT_OK;
}

int nx_cli_main(int argc, char **argv)
{
	struct nx_cli c = {0};

	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		return help(argc, argv);
	}
	const struct nx_verb *v = find_verb(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!v)
		return unknown_verb(argv[1]);
	if (v->raw)
		return v->raw(argc, argv);
	const struct nx_verb *under = verb_under(v, argv[2]);
	c.arena = nx_arena_new(0);
	if (!c.arena) {
		fputs("nexus: out of memory\n", stderr);
		return NX_EXIT_FAILED;
	}
	c.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	c.progress = isatty(STDERR_FILENO);
	nx_log_setup(NX_LOG_WARN, NX_LOG_AUTO, STDERR_FILENO);
	int status = plan_faults(&c);
	if (status == NX_EXIT_OK)
		status = run_verb(&c, under, argc - (under == v ? 2 : 3), argv + (under == v ? 2 : 3));
	nx_client_free(c.client);
	if (!nx_cli_leave(&c)) {
		fflush(NULL);
		_exit(status);
	}
	nx_config_free(c.config);
	nx_arena_free(c.arena);
	return status;
}
