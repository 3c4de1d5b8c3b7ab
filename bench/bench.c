#include "bench/bench.h"

#include "base/clock.h"
#include "base/io.h"
#include "bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t running;
static char dir[PATH_MAX];

void bench_die(const char *what)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void clean_up(void)
{
	if (running > 0) {
		(void)kill(running, SIGKILL);
		(void)waitpid(running, NULL, 0);
	}
	(void)nx_rmtree(dir, NULL);
}

const char *bench_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	if (dir[0])
		return dir;
	(void)snprintf(dir, sizeof(dir), "%s/nexus-bench-XXXXXX", tmp ? tmp : "/var/tmp");
	if (!mkdtemp(dir))
		bench_die(dir);
	(void)atexit(clean_up);
	return dir;
}

/* ---- the server ---- */

static const char *program(void)
{
	static char path[PATH_MAX];
	char self[PATH_MAX];
	const char *named = getenv("NEXUS_PROGRAM");
	if (named)
		return named;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		bench_die("find this program");
	self[n] = 0;
	*strrchr(self, '/') = 0;
	static const char *const places[] = {"../nexus", "../../../bin/nexus"};
	for (size_t i = 0; i < nx_countof(places); i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		if (len > 0 && (size_t)len < sizeof(path) && access(path, X_OK) == 0)
			return path;
	}
	bench_die("find nexus beside the benchmarks (NEXUS_PROGRAM names it)");
}

static void run_server(const char *path, const char *home, int ready)
{
	char fd[16];
	(void)snprintf(fd, sizeof(fd), "%d", ready);
	int log = open("server.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
		_exit(126);
	(void)execl(path, path, "serve", "--home", home, "--listen", "127.0.0.1:0", "--ready-fd", fd, (char *)NULL);
	_exit(127);
}

void bench_server_start(struct bench_server *s, const char *home)
{
	char url[128] = "";
	size_t n = 0;
	int ready[2];
	const char *path = program();
	if (pipe(ready))
		bench_die("pipe");
	int64_t start = nx_time_mono_us();
	s->pid = fork();
	if (s->pid == 0) {
		(void)close(ready[0]);
		if (chdir(bench_dir()))
			_exit(126);
		run_server(path, home, ready[1]);
	}
	(void)close(ready[1]);
	running = s->pid;
	for (ssize_t got; !memchr(url, '\n', n) && (got = read(ready[0], url + n, sizeof(url) - 1 - n)) > 0;)
		n += (size_t)got;
	s->ready_ms = (double)(nx_time_mono_us() - start) / 1e3;
	(void)close(ready[0]);
	const char *port = strrchr(url, ':');
	s->port = port ? (uint16_t)strtoul(port + 1, NULL, 10) : 0;
	if (s->pid < 0 || s->port == 0) {
		errno = ECHILD;
		bench_die("start the server");
	}
}

void bench_server_stop(struct bench_server *s)
{
	int status = 0;
	(void)kill(s->pid, SIGTERM);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	running = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		errno = ECHILD;
		bench_die("stop the server");
	}
}

double bench_rss_mb(pid_t pid)
{
	char path[64], line[256];
	double kb = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = strtod(line + 6, NULL);
	if (f)
		(void)fclose(f);
	return kb / 1024;
}

pid_t bench_first_child(pid_t pid)
{
	char path[64];
	int child = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		(void)fclose(f);
	return child;
}

double bench_cpu_seconds(pid_t pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		(void)fclose(f);
	text[n] = 0;
	const char *after = strrchr(text, ')');
	if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return 0;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

bool bench_ingest(uint16_t port, unsigned first, unsigned count)
{
	static const char *const people[] = {"Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra"};
	static const char *const places[] = {"London", "New York", "Manchester", "Rotterdam", "Cairo", "Damascus"};
	size_t room = (size_t)count * 1024 + 64, n = 0;
	char *body = malloc(room), answer[4096];
	if (!body)
		bench_die("memory for documents");
	n += (size_t)snprintf(body, room, "{\"documents\":[");
	for (unsigned i = first; i < first + count; i++)
		n += (size_t)snprintf(
			body + n, room - n,
			"%s{\"id\":\"d%u\",\"title\":\"Report %u\",\"text\":\"Report %u tells of %s, who worked in %s on "
			"machine number %u. The machine was built in %u and moved to %s when the workshop closed. "
			"Its drawings were kept by %s, and a second set went to the library of %s in the year after. "
			"Nobody has measured its speed since, but the log of run %u names a time of %u seconds for the "
			"whole table, and the error in the last column was found and mended by hand.\"}",
			i == first ? "" : ",", i, i, i, people[i % 4], places[i % 6], i * 7, 1840 + i % 150,
			places[(i + 2) % 6], people[(i + 1) % 4], places[(i + 3) % 6], i * 13, i % 977);
	(void)snprintf(body + n, room - n, "]}");
	int status = bench_request(port, "POST", "/v1/knowledge/documents", body, answer, sizeof(answer));
	free(body);
	if (status != 200 && status != 201)
		(void)fprintf(stderr, "documents: %d %s\n", status, answer);
	return status == 200 || status == 201;
}

/* ---- reports ---- */

void bench_add(struct bench_series *s, double value)
{
	if (s->n < BENCH_MAX_ROUNDS)
		s->values[s->n++] = value;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void bench_report(const char *bench, struct bench_series *series, size_t n)
{
	(void)fprintf(stderr, "%-34s %10s %10s %10s\n", bench, "min", "median", "max");
	(void)printf("{\"bench\":\"%s\"", bench);
	for (size_t i = 0; i < n; i++) {
		struct bench_series *s = &series[i];
		if (s->n == 0)
			continue;
		qsort(s->values, s->n, sizeof(s->values[0]), by_double);
		double min = s->values[0], median = s->values[s->n / 2], max = s->values[s->n - 1];
		(void)fprintf(stderr, "%-34s %10.2f %10.2f %10.2f  %s\n", s->name, min, median, max, s->unit);
		(void)printf(",\"%s\":{\"min\":%.3f,\"median\":%.3f,\"max\":%.3f,\"unit\":\"%s\"}", s->name, min,
			     median, max, s->unit);
	}
	(void)printf("}\n");
}

void bench_options(int argc, char **argv, const struct bench_option *options, size_t n)
{
	for (int i = 1; i < argc; i += 2) {
		size_t k = 0;
		char *end = NULL;
		while (k < n && strcmp(argv[i], options[k].name) != 0)
			k++;
		if (k < n && i + 1 < argc)
			*options[k].value = strtod(argv[i + 1], &end);
		if (end && end != argv[i + 1] && *end == 0 && *options[k].value > 0)
			continue;
		(void)fprintf(stderr, "usage: %s", argv[0]);
		for (k = 0; k < n; k++)
			(void)fprintf(stderr, " [%s N=%g]", options[k].name, *options[k].value);
		(void)fprintf(stderr, "\n");
		exit(2);
	}
}
