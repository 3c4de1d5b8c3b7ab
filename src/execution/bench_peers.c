#include "execution/bench_internal.h"

#include <dirent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define EMPTY_PROGRAM "/dev/null" /* a file that an interpreter reads to its end */
#define BWRAP "/usr/bin/bwrap"
#define DOCKER "/usr/bin/docker"
#define SETTLE_TRIES 50
#define SETTLE_US 100000

static int spawn_and_wait(const char *const *argv, struct nx_error **err)
{
	pid_t pid;
	int status;
	char *empty[] = {NULL};
	int r = posix_spawn(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, empty);
	if (r != 0)
		return nx_error_set_errno(err, r, "start %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return nx_error_set_errno(err, errno, "wait for %s", argv[0]);
	return status == 0 ? 0 : nx_error_set(err, NX_ESANDBOX, "%s ended with status %d", argv[0], status);
}

static int run_docker(const struct nx_execution_peers *peers, const struct nx_bench_program *p, struct nx_error **err)
{
	char host[256];
	const char *argv[32] = {DOCKER,       "--host", host,        "run",   "--rm",
				"--pull",     "never",  "--network", "none",  "--read-only",
				"--cap-drop", "ALL",    "--tmpfs",   "/work", peers->docker_image};
	size_t n = 15;
	if (snprintf(host, sizeof(host), "unix://%s", peers->docker_socket) >= (int)sizeof(host))
		return nx_error_set(err, NX_EINVAL, "the socket's path is longer than %zu bytes", sizeof(host) - 8);
	for (size_t i = 0; p->argv[i]; i++)
		argv[n++] = strncmp(p->argv[i], "/code/", 6) == 0 ? EMPTY_PROGRAM : p->argv[i];
	argv[15] = strrchr(argv[15], '/') + 1; /* wherever the image has it */
	argv[n] = NULL;
	return spawn_and_wait(argv, err);
}

bool nx_bench_has(int kind, const struct nx_execution_peers *peers, const struct nx_bench_program *p)
{
	nx_auto_error struct nx_error *err = NULL;
	if (kind == NX_BENCH_BWRAP)
		return access(BWRAP, X_OK) == 0;
	if (kind != NX_BENCH_DOCKER)
		return kind == NX_BENCH_BARE || kind == NX_BENCH_COLD;
	if (!peers->docker_socket || !peers->docker_image)
		return false;
	if (run_docker(peers, p, &err) == 0)
		return true;
	fprintf(stderr, "  without docker: %s\n", nx_error_message(err));
	return false;
}

int nx_bench_peer(int kind, const struct nx_execution_peers *peers, const struct nx_bench_program *p,
		  struct nx_error **err)
{
	const char *argv[32] = {BWRAP,   "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr",
				"/usr",  "--symlink",     "usr/bin",           "/bin",          "--symlink", "usr/lib",
				"/lib",  "--symlink",     "usr/lib64",         "/lib64",        "--proc",    "/proc",
				"--dev", "/dev",          "--tmpfs",           "/work",         "--chdir",   "/work"};
	size_t n = kind == NX_BENCH_BWRAP ? 24 : 0;
	if (kind == NX_BENCH_DOCKER)
		return run_docker(peers, p, err);
	for (size_t i = 0; p->argv[i]; i++)
		argv[n++] = strncmp(p->argv[i], "/code/", 6) == 0 ? EMPTY_PROGRAM : p->argv[i];
	argv[n] = NULL;
	return spawn_and_wait(argv, err);
}

/* ---- what is left behind ---- */

static int64_t count_entries(const char *path, const char *prefix)
{
	DIR *d = opendir(path);
	int64_t n = 0;
	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' && strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	(void)closedir(d);
	return n;
}

static int64_t count_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int64_t n = 0;
	int c;
	if (!f)
		return -1;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	(void)fclose(f);
	return n;
}

static int64_t read_rss(pid_t pid)
{
	char path[64], line[256];
	long long kib = -1;
	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lld", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kib;
}

static int64_t count_children(pid_t pid)
{
	char path[96];
	long long child;
	int64_t n = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while (fscanf(f, "%lld", &child) == 1)
		n++;
	(void)fclose(f);
	return n;
}

/* The first hierarchy in which the spawner can be found below this program's cgroup. */
static int64_t count_cgroups(pid_t spawner)
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	char prefix[64], needle[32];
	snprintf(needle, sizeof(needle), "-%ld-", (long)spawner);
	for (size_t i = 0; i < nx_countof(roots); i++) {
		DIR *d = opendir(roots[i]);
		int64_t n = 0;
		for (struct dirent *e; d && (e = readdir(d));) {
			snprintf(prefix, sizeof(prefix), "%.5s", e->d_name);
			n += strcmp(prefix, "nexus") == 0 && strstr(e->d_name, needle) != NULL;
		}
		if (d)
			(void)closedir(d);
		if (n)
			return n;
	}
	return 0;
}

static void count(pid_t spawner, struct nx_bench_traces *ret)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)spawner);
	ret->fds = count_entries(path, "");
	snprintf(path, sizeof(path), "/proc/%ld/mountinfo", (long)spawner);
	ret->mounts = count_lines(path);
	ret->processes = count_children(spawner);
	ret->cgroups = count_cgroups(spawner);
	ret->rss_kib = read_rss(spawner);
}

void nx_bench_settle(pid_t spawner, struct nx_bench_traces *ret)
{
	struct nx_bench_traces last;
	unsigned same = 0;
	count(spawner, &last);
	for (int i = 0; i < SETTLE_TRIES && same < 5; i++) {
		(void)usleep(SETTLE_US);
		count(spawner, ret);
		same = ret->processes == last.processes && ret->fds == last.fds ? same + 1 : 0;
		last = *ret;
	}
	*ret = last;
}
