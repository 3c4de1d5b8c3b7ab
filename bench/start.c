/*
 * How fast it is there, and how little it holds: time from fork to ready on an empty directory and on one with data, and
 * the resident memory of the server a second later, with nobody connected; that of its spawner beside it (most of both
 * is the same pages of the same program).
 *
 *   nexus bench start [--rounds N] [--documents N] [--tasks N]
 */
#include "base/macros.h"
#include "bench/bench.h"
#include "bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define BATCH 100

static double rounds = 5, documents = 2000, tasks = 1000;
static struct bench_series series[] = {
	{"ready_empty", "ms"}, {"ready_data", "ms"}, {"idle_empty", "MB"}, {"idle_data", "MB"}, {"idle_spawner", "MB"},
};

static void fill(const char *home)
{
	struct bench_server s;
	char answer[4096];
	bench_server_start(&s, home);
	for (unsigned n = 0; n < (unsigned)documents; n += BATCH)
		if (!bench_ingest(s.port, n, BATCH))
			bench_die("ingest documents");
	for (unsigned n = 0; n < (unsigned)tasks; n++) {
		char body[128];
		(void)snprintf(body, sizeof(body), "{\"input\":\"%u * 2\",\"wait\":true}", n);
		errno = EIO;
		if (bench_request(s.port, "POST", "/v1/tasks", body, answer, sizeof(answer)) != 200)
			bench_die("run a task");
	}
	bench_server_stop(&s);
}

static void measure(const char *home, struct bench_series *ready, struct bench_series *idle)
{
	struct bench_server s;
	bench_server_start(&s, home);
	bench_add(ready, s.ready_ms);
	(void)sleep(1);
	bench_add(idle, bench_rss_mb(s.pid));
	bench_add(&series[4], bench_rss_mb(bench_first_child(s.pid)));
	bench_server_stop(&s);
}

int main(int argc, char **argv)
{
	const struct bench_option options[] = {{"--rounds", &rounds}, {"--documents", &documents}, {"--tasks", &tasks}};
	char data[4096], empty[4096];
	bench_options(argc, argv, options, nx_countof(options));
	(void)snprintf(data, sizeof(data), "%s/data", bench_dir());
	(void)fprintf(stderr, "filling a directory with %.0f documents and %.0f tasks\n", documents, tasks);
	fill(data);
	for (unsigned i = 0; i < (unsigned)rounds; i++) {
		(void)snprintf(empty, sizeof(empty), "%s/empty-%u", bench_dir(), i);
		measure(empty, &series[0], &series[2]);
		measure(data, &series[1], &series[3]);
	}
	bench_report("start", series, nx_countof(series));
	return 0;
}
