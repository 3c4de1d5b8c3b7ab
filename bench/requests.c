/*
 * What a simple task costs its user: POST /v1/tasks with arithmetic and "wait": true, answered when it is durable.
 *
 *   nexus bench requests [--rounds N] [--seconds S] [--rate R] [--users N]
 *
 * Closed loop at 1, 50 and 1,000 connections: requests/s, p50 and p99. Open loop: R requests a second over N connections,
 * latencies from the moment each request was due; alone, and while another process ingests documents. The server's memory
 * is looked at in the middle of the open loop, with all users connected.
 */
#include "base/macros.h"
#include "bench/bench.h"
#include "bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 20 /* documents in one request */

static double rounds = 5, seconds = 5, rate = 500, users = 1000;

static size_t body(char *buf, size_t size, uint64_t n)
{
	return (size_t)snprintf(buf, size, "{\"input\":\"What is %u * %u + 1?\",\"wait\":true}", (unsigned)(n % 9973),
				(unsigned)(n / 9973 % 1000 + 2));
}

enum figure { RATE, P50, P99, FAILED, RSS, CPU, FIGURES };
#define SERIES(name)                                                                                \
	{name "_per_second", "/s"}, {name "_p50", "ms"}, {name "_p99", "ms"}, {name "_failed", ""}, \
		{name "_rss", "MB"},                                                                \
	{                                                                                           \
		name "_cpu", "% of a core"                                                          \
	}

static struct bench_series series[] = {
	SERIES("closed_1"), SERIES("closed_50"),      SERIES("closed_1000"),
	SERIES("open"),     SERIES("open_ingesting"), {"ingested_per_second", "documents/s"},
};

static void add(unsigned row, const struct bench_load *l)
{
	struct bench_series *s = &series[row * FIGURES];
	bench_add(&s[RATE], l->per_second);
	bench_add(&s[P50], l->p50_ms);
	bench_add(&s[P99], l->p99_ms);
	bench_add(&s[FAILED], (double)l->failed);
	bench_add(&s[RSS], l->rss_mb);
	bench_add(&s[CPU], l->cpu_percent);
	(void)fprintf(stderr,
		      "  %-18s %8.0f/s  p50 %8.2f  p99 %8.2f  max %8.2f ms  failed %llu  rss %.1f MB  cpu %.0f %%\n",
		      s->name, l->per_second, l->p50_ms, l->p99_ms, l->max_ms, (unsigned long long)l->failed, l->rss_mb,
		      l->cpu_percent);
}

static void measure(struct bench_server *s, unsigned row, unsigned connections, double per_second)
{
	struct bench_load l = {.port = s->port,
			       .connections = connections,
			       .rate = per_second,
			       .seconds = seconds,
			       .body = body,
			       .path = "/v1/tasks",
			       .watch = s->pid};
	bench_load_run(&l);
	add(row, &l);
}

static volatile sig_atomic_t is_over;

static void stop(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

/* Ingests batch after batch until it is told to stop; its exit status says whether all went well. */
static void ingest(uint16_t port, unsigned first, int count_fd)
{
	unsigned n = 0;
	(void)signal(SIGTERM, stop);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!is_over && bench_ingest(port, first + n, BATCH))
		n += BATCH;
	(void)!write(count_fd, &n, sizeof(n));
	_exit(is_over ? 0 : 1);
}

static void measure_ingesting(struct bench_server *s, unsigned round)
{
	int p[2], status;
	unsigned n = 0;
	if (pipe(p))
		bench_die("pipe");
	pid_t child = fork();
	if (child == 0)
		ingest(s->port, 1000000 * (round + 1), p[1]);
	if (child < 0)
		bench_die("fork");
	measure(s, 4, (unsigned)users, rate);
	(void)kill(child, SIGTERM);
	if (read(p[0], &n, sizeof(n)) != sizeof(n) || waitpid(child, &status, 0) != child || status != 0) {
		errno = EIO;
		bench_die("ingest documents");
	}
	(void)close(p[0]);
	(void)close(p[1]);
	bench_add(&series[5 * FIGURES], n / seconds);
}

static void measure_round(unsigned i)
{
	struct bench_server s;
	char home[4096];
	(void)snprintf(home, sizeof(home), "%s/%u", bench_dir(), i);
	bench_server_start(&s, home);
	measure(&s, 3, (unsigned)users, rate);
	measure(&s, 0, 1, 0);
	measure(&s, 1, 50, 0);
	measure(&s, 2, 1000, 0);
	measure_ingesting(&s, i);
	bench_server_stop(&s);
}

int main(int argc, char **argv)
{
	const struct bench_option options[] = {
		{"--rounds", &rounds}, {"--seconds", &seconds}, {"--rate", &rate}, {"--users", &users}};
	struct rlimit files = {0};
	bench_options(argc, argv, options, nx_countof(options));
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < (unsigned)rounds; i++) {
		(void)fprintf(stderr, "round %u\n", i + 1);
		measure_round(i);
	}
	bench_report("requests", series, nx_countof(series));
	return 0;
}
