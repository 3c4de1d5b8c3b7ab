/* Which interpreters there are, how they are started, and what to install where one is missing. */
#include "execution/execution_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define VERSION_WAIT_MS 2000
#define VERSION_MAX 64

static const char *const python_programs[] = {"/usr/local/bin/python3", "/usr/bin/python3", NULL};
static const char *const shell_programs[] = {"/usr/bin/bash", "/bin/bash", "/usr/bin/sh", "/bin/sh", NULL};
static const char *const node_programs[] = {"/usr/local/bin/node", "/usr/bin/node", "/usr/bin/nodejs", NULL};
static const char *const gcc_programs[] = {"/usr/bin/gcc", "/usr/local/bin/gcc", NULL};
static const char *const sqlite_programs[] = {"/usr/bin/sqlite3", "/usr/local/bin/sqlite3", NULL};

/* -s: no site directory of a user; -B: no bytecode files among the artifacts. */
static const char *const python_args[] = {"-s", "-B", NULL};
/* What the interpreter imports from PYTHONPATH on its way to the program; the rest of its start is frozen or built in. */
static const char *const python_start_names[] = {"sitecustomize",      "usercustomize", "encodings", "_distutils_hack",
						 "apport_python_hook", "pwd",           NULL};
static const char *const no_args[] = {NULL};
/* -init: no start-up file from the work directory. The tables are loaded before -safe, which refuses from then on every dot
 * command and function that reaches a file, a library or another program. */
static const char *const sqlite_args[] = {"-batch", "-bail",    "-init", "/dev/null", "-cmd", ".read /code/load.sql",
					  "-safe",  ":memory:", NULL};

/* $0 is the compiler. The shell is replaced by the program, whose signals are then its own. */
static const char compile_and_run[] =
	"\"$0\" -O1 -Wall -std=gnu17 -pipe -fdiagnostics-color=never -I/work -o /tmp/program /code/main.c -lm </dev/null"
	" || exit\nexec /tmp/program";

static const struct nx_language languages[] = {
	{.name = "python",
	 .package = "python3",
	 .programs = python_programs,
	 .source = "main.py",
	 .stdin_name = "stdin",
	 .args = python_args,
	 .start_names = python_start_names,
	 .ready = NX_READY_FORKED},
	{.name = "shell",
	 .package = "bash",
	 .programs = shell_programs,
	 .source = "main.sh",
	 .stdin_name = "stdin",
	 .args = no_args,
	 .ready = NX_READY_BOX},
	{.name = "javascript",
	 .package = "nodejs",
	 .programs = node_programs,
	 .source = "main.js",
	 .stdin_name = "stdin",
	 .args = no_args,
	 .min_major = 18,
	 .env = "NODE_PATH=/work:/usr/local/lib/node_modules:/usr/lib/node_modules",
	 .ready = NX_READY_STARTED,
	 .has_heap_limit = true},
	{.name = "c",
	 .package = "gcc libc6-dev",
	 .programs = gcc_programs,
	 .source = "main.c",
	 .stdin_name = "stdin",
	 .args = no_args,
	 .script = compile_and_run,
	 .made = "tmp/program",
	 .ready = NX_READY_BOX},
	{.name = "sql",
	 .package = "sqlite3",
	 .programs = sqlite_programs,
	 .source = "stdin",
	 .stdin_name = "stdin.csv",
	 .args = sqlite_args,
	 .min_major = 3,
	 .min_minor = 37, /* the first with -safe */
	 .has_tables = true,
	 .ready = NX_READY_BOX},
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

/* Links of another root are resolved inside it, as its guests see them. */
static bool is_in_root(const char *root, const char *program)
{
	struct stat st;
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	nx_auto_fd int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	nx_auto_fd int fd = dir >= 0 ? (int)syscall(SYS_openat2, dir, program, &how, sizeof(how)) : -1;
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static const char *find_program(const struct nx_language *l, const char *root)
{
	for (size_t i = 0; l->programs && l->programs[i]; i++)
		if (root ? is_in_root(root, l->programs[i]) : is_visible(l->programs[i]))
			return l->programs[i];
	return NULL;
}

/* ---- versions ---- */

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

/* Asked once for each program, and again when the file has changed. */
static void know_version(const struct nx_language *l, const char *program, char ret[VERSION_MAX])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct known {
		dev_t dev;
		ino_t ino;
		struct timespec changed;
		char version[VERSION_MAX];
	} known[nx_countof(languages)];
	struct stat st;
	ret[0] = '\0';
	if (stat(program, &st) < 0)
		return;
	(void)pthread_mutex_lock(&lock);
	struct known *k = &known[l - languages];
	bool is_same = k->version[0] && k->dev == st.st_dev && k->ino == st.st_ino &&
		       k->changed.tv_sec == st.st_ctim.tv_sec && k->changed.tv_nsec == st.st_ctim.tv_nsec;
	if (!is_same) {
		*k = (struct known){.dev = st.st_dev, .ino = st.st_ino, .changed = st.st_ctim};
		ask_version(program, k->version, sizeof(k->version));
	}
	memcpy(ret, k->version, VERSION_MAX);
	(void)pthread_mutex_unlock(&lock);
}

static bool is_recent(const struct nx_language *l, const char *program, char ret_version[VERSION_MAX])
{
	unsigned major = 0, minor = 0;
	if (!l->min_major)
		return true;
	know_version(l, program, ret_version);
	if (sscanf(ret_version, "%u.%u", &major, &minor) < 1)
		return false;
	return major > l->min_major || (major == l->min_major && minor >= l->min_minor);
}

/* ---- what a run needs ---- */

static const struct nx_language *find_language(nx_str name)
{
	for (size_t i = 0; i < nx_countof(languages); i++)
		if (nx_str_eqz(name, languages[i].name))
			return &languages[i];
	return NULL;
}

int nx_language_named(nx_str name, const struct nx_language **ret, struct nx_error **err)
{
	const char *names[nx_countof(languages)];
	*ret = find_language(name);
	if (*ret)
		return 0;
	for (size_t i = 0; i < nx_countof(languages); i++)
		names[i] = languages[i].name;
	const char *nearest = nx_str_nearest(name, names, nx_countof(names));
	nx_error_set(err, NX_EINVAL, "language \"%.*s\" is not known", (int)nx_min(name.n, (size_t)64),
		     name.p ? name.p : "");
	nx_error_at(err, "/language");
	return nearest ? nx_error_hint(err, "did you mean \"%s\"?", nearest)
		       : nx_error_hint(err, "python, shell, javascript, c and sql can be run");
}

int nx_language_need(nx_str name, const char *root, const struct nx_language **ret, const char **ret_program,
		     struct nx_error **err)
{
	const struct nx_language *l;
	int r = nx_language_named(name, &l, err);
	if (r < 0)
		return r;
	const char *program = find_program(l, root);
	if (!program) {
		nx_error_set(err, NX_EMISSING, "no interpreter for %s: %s is not %s", l->name, l->programs[0],
			     root ? "in that root" : "there");
		return root ? NX_EMISSING : nx_error_hint(err, "apt-get install %s", l->package);
	}
	char version[VERSION_MAX];
	if (!root && !is_recent(l, program, version)) { /* what others brought is not run outside to ask it */
		nx_error_set(err, NX_EMISSING, "%s is version %s, older than %u.%u", program,
			     version[0] ? version : "unknown", l->min_major, l->min_minor);
		return nx_error_hint(err, "apt-get install %s", l->package);
	}
	*ret = l;
	*ret_program = program;
	return 0;
}

/* The heap that V8 allows itself follows from the memory of the host. With a limit of its own, below that of the run, it
 * collects its garbage before the kernel ends it. */
static bool add_heap_limit(struct nx_spawn_start *s, size_t *used, int64_t memory_mb)
{
	char text[64];
	snprintf(text, sizeof(text), "--max-old-space-size=%lld", (long long)nx_max(memory_mb / 4 * 3, (int64_t)8));
	s->argc++;
	return nx_spawn_append(s->args, used, text);
}

static bool add_arguments(const struct nx_language *l, const char *program, int64_t memory_mb, struct nx_spawn_start *s)
{
	char source[64];
	size_t used = 0;
	const char *const by_shell[] = {"/bin/sh", "-c", l->script, program};
	if (l->script) {
		for (s->argc = 0; s->argc < nx_countof(by_shell); s->argc++)
			if (!nx_spawn_append(s->args, &used, by_shell[s->argc]))
				return false;
		return true;
	}
	bool ok = nx_spawn_append(s->args, &used, program);
	for (s->argc = 1; ok && l->args[s->argc - 1]; s->argc++)
		ok = nx_spawn_append(s->args, &used, l->args[s->argc - 1]);
	if (ok && l->has_heap_limit)
		ok = add_heap_limit(s, &used, memory_mb);
	if (!ok || l->has_tables) /* SQL is standard input */
		return ok;
	snprintf(source, sizeof(source), "/code/%s", l->source);
	s->argc++;
	return nx_spawn_append(s->args, &used, source);
}

const struct nx_language nx_language_program = {.name = "program",
						.package = "nexus",
						.source = NX_PROGRAM_NAME,
						.stdin_name = "stdin",
						.args = no_args,
						.ready = NX_READY_BOX};

int nx_program_start(char *const *args, bool has_stdin, struct nx_spawn_start *ret, struct nx_error **err)
{
	size_t used = 0;
	bool ok = nx_spawn_append(ret->args, &used, "/code/" NX_PROGRAM_NAME);
	for (ret->argc = 1; ok && args[ret->argc]; ret->argc++)
		ok = nx_spawn_append(ret->args, &used, args[ret->argc]);
	used = 0;
	for (ret->envc = 0; ok && ret->envc < nx_countof(guest_env); ret->envc++)
		ok = nx_spawn_append(ret->env, &used, guest_env[ret->envc]);
	ret->has_stdin = has_stdin;
	return ok ? 0 : nx_error_set(err, NX_EINTERNAL, "arguments of %s do not fit", args[0]);
}

int nx_language_start(const struct nx_language *l, const char *program, int64_t memory_mb, bool has_stdin,
		      struct nx_spawn_start *ret, struct nx_error **err)
{
	size_t used = 0;
	bool ok = add_arguments(l, program, memory_mb, ret);
	for (ret->envc = 0; ok && ret->envc < nx_countof(guest_env); ret->envc++)
		ok = nx_spawn_append(ret->env, &used, guest_env[ret->envc]);
	if (ok && l->env) {
		ok = nx_spawn_append(ret->env, &used, l->env);
		ret->envc++;
	}
	ret->has_stdin = has_stdin || l->has_tables;
	return ok ? 0 : nx_error_set(err, NX_EINTERNAL, "arguments of %s do not fit", l->name);
}

size_t nx_language_list(const char *root, struct nx_exec_language *ret, size_t max)
{
	size_t n = 0;
	for (; n < nx_countof(languages) && n < max; n++) {
		const struct nx_language *l = &languages[n];
		const char *program = find_program(l, root);
		ret[n] = (struct nx_exec_language){
			.name = l->name, .program = program, .package = l->package, .available = program != NULL};
		if (!program || root)
			continue;
		know_version(l, program, ret[n].version);
		ret[n].available = is_recent(l, program, ret[n].version);
	}
	return n;
}
