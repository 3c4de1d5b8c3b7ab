/* Which interpreters there are, how they are started, and what to install where one is missing. */
#include "execution/execution_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#define VERSION_WAIT_MS 2000

static const char *const python_programs[] = {"/usr/local/bin/python3", "/usr/bin/python3", NULL};
static const char *const shell_programs[] = {"/usr/bin/bash", "/bin/bash", "/usr/bin/sh", "/bin/sh", NULL};

/* -s: no site directory of a user; -B: no bytecode files among the artifacts. */
static const char *const python_args[] = {"-s", "-B", NULL};
static const char *const no_args[] = {NULL};

static const struct nx_language languages[] = {
	{"python", "python3", python_programs, "main.py", python_args},
	{"shell", "bash", shell_programs, "main.sh", no_args},
	{"javascript", "nodejs", NULL, "main.js", no_args},
	{"c", "gcc", NULL, "main.c", no_args},
	{"sql", "sqlite3", NULL, "main.sql", no_args},
};

static const char *const guest_env[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin",
	"HOME=/work",
	"USER=sandbox",
	"LANG=C.UTF-8",
	"TMPDIR=/tmp",
	"PYTHONPATH=/work",
	"PYTHONUTF8=1",
	"TERM=dumb",
	"TZ=UTC",
};

/* A guest sees /usr and what is merged into it; a link that leads elsewhere ends nowhere for it. */
static bool is_visible(const char *program)
{
	char real[4096];
	if (access(program, X_OK) < 0 || !realpath(program, real))
		return false;
	return strncmp(real, "/usr/", 5) == 0 || strncmp(real, "/bin/", 5) == 0;
}

static const char *find_program(const struct nx_language *l)
{
	for (size_t i = 0; l->programs && l->programs[i]; i++)
		if (is_visible(l->programs[i]))
			return l->programs[i];
	return NULL;
}

static const struct nx_language *find_language(nx_str name)
{
	for (size_t i = 0; i < nx_countof(languages); i++)
		if (nx_str_eqz(name, languages[i].name))
			return &languages[i];
	return NULL;
}

int nx_language_need(nx_str name, const struct nx_language **ret, const char **ret_program, struct nx_error **err)
{
	const char *names[nx_countof(languages)];
	const struct nx_language *l = find_language(name);
	if (!l) {
		for (size_t i = 0; i < nx_countof(languages); i++)
			names[i] = languages[i].name;
		const char *nearest = nx_str_nearest(name, names, nx_countof(names));
		nx_error_set(err, NX_EINVAL, "language \"%.*s\" is not known", (int)nx_min(name.n, (size_t)64),
			     name.p ? name.p : "");
		nx_error_at(err, "/language");
		return nearest ? nx_error_hint(err, "did you mean \"%s\"?", nearest)
			       : nx_error_hint(err, "python and shell can be run");
	}
	if (!l->programs)
		return nx_error_set(err, NX_EUNSUPPORTED,
				    "language \"%s\" cannot be run by this version; python and shell can", l->name);
	const char *program = find_program(l);
	if (!program) {
		nx_error_set(err, NX_EMISSING, "no interpreter for %s: %s is not there", l->name, l->programs[0]);
		return nx_error_hint(err, "apt-get install %s", l->package);
	}
	*ret = l;
	*ret_program = program;
	return 0;
}

int nx_language_start(const struct nx_language *l, const char *program, bool has_stdin, struct nx_spawn_start *ret,
		      struct nx_error **err)
{
	char source[64];
	size_t used = 0, env_used = 0;
	snprintf(source, sizeof(source), "/code/%s", l->source);
	bool ok = nx_spawn_append(ret->args, &used, program);
	for (ret->argc = 1; ok && l->args[ret->argc - 1]; ret->argc++)
		ok = nx_spawn_append(ret->args, &used, l->args[ret->argc - 1]);
	ok = ok && nx_spawn_append(ret->args, &used, source);
	ret->argc++;
	for (ret->envc = 0; ok && ret->envc < nx_countof(guest_env); ret->envc++)
		ok = nx_spawn_append(ret->env, &env_used, guest_env[ret->envc]);
	ret->has_stdin = has_stdin;
	return ok ? 0 : nx_error_set(err, NX_EINTERNAL, "arguments of %s do not fit", l->name);
}

/* ---- versions, for people ---- */

static size_t read_for(int fd, char *text, size_t size, int wait_ms)
{
	size_t n = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (n < size - 1 && poll(&p, 1, wait_ms) > 0) {
		ssize_t got = read(fd, text + n, size - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	return n;
}

/* The first word of `program --version` that starts with a digit. */
static void pick_version(const char *text, char *ret, size_t size)
{
	ret[0] = '\0';
	for (const char *p = text; *p && *p != '\n'; p++) {
		if (*p < '0' || *p > '9' || (p > text && p[-1] != ' ' && p[-1] != 'v'))
			continue;
		size_t n = nx_min(strspn(p, "0123456789."), size - 1);
		memcpy(ret, p, n);
		ret[n] = '\0';
		return;
	}
}

static void ask_version(const char *program, char *ret, size_t size)
{
	char text[512], name[] = "interpreter", flag[] = "--version";
	char *argv[] = {name, flag, NULL}, *envp[] = {NULL};
	int p[2];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	ret[0] = '\0';
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	if (posix_spawn_file_actions_init(&actions) == 0) {
		(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		(void)posix_spawn_file_actions_adddup2(&actions, p[1], 1);
		(void)posix_spawn_file_actions_adddup2(&actions, p[1], 2);
		bool started = posix_spawn(&pid, program, &actions, NULL, argv, envp) == 0;
		(void)close(nx_steal_fd(&p[1]));
		if (started) {
			(void)read_for(p[0], text, sizeof(text), VERSION_WAIT_MS);
			(void)kill(pid, SIGKILL);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				continue;
			pick_version(text, ret, size);
		}
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(p[0]);
	if (p[1] >= 0)
		(void)close(p[1]);
}

size_t nx_language_list(struct nx_exec_language *ret, size_t max)
{
	size_t n = 0;
	for (; n < nx_countof(languages) && n < max; n++) {
		const struct nx_language *l = &languages[n];
		const char *program = find_program(l);
		ret[n] = (struct nx_exec_language){
			.name = l->name, .program = program, .package = l->package, .available = program != NULL};
		if (program)
			ask_version(program, ret[n].version, sizeof(ret[n].version));
	}
	return n;
}
