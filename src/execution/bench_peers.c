#include "execution/bench_internal.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define EMPTY_PROGRAM "/dev/null" /* a file that an interpreter reads to its end */
#define BWRAP "/usr/bin/bwrap"
#define DOCKER "/usr/bin/docker"

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
