#include "base/trace.h"
#include "tests/unit/nx_test.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

struct wanted {
	const char *name, *l1, *l2;
	bool found;
	double value;
	uint64_t count, first_bucket, last_bucket;
	int series; /* of that name */
};

static void look(const struct nx_metric_view *v, void *ctx)
{
	struct wanted *w = ctx;
	if (strcmp(v->name, w->name) != 0)
		return;
	w->series++;
	if ((w->l1 && strcmp(w->l1, v->l1) != 0) || (w->l2 && strcmp(w->l2, v->l2) != 0))
		return;
	w->found = true;
	w->value = v->value;
	w->count = v->count;
	if (v->buckets) {
		w->first_bucket = v->buckets[0];
		w->last_bucket = v->buckets[v->nbounds - 1];
	}
}

static struct wanted find(const char *name, const char *l1, const char *l2)
{
	struct wanted w = {.name = name, .l1 = l1, .l2 = l2};
	nx_metrics_visit(look, &w);
	return w;
}

TEST(counters_add_and_gauges_are_set_by_label)
{
	nx_metric_add(NX_M_TASKS, "succeeded", NULL, 1);
	nx_metric_add(NX_M_TASKS, "succeeded", NULL, 2);
	nx_metric_add(NX_M_TASKS, "failed", NULL, 1);
	nx_metric_set(NX_M_TASKS_PENDING, NULL, NULL, 7);
	nx_metric_add(NX_M_TASKS_PENDING, NULL, NULL, -3);
	nx_metric_add(NX_M_AGENT_CPU, "coder", NULL, 0.25);
	nx_metric_add(NX_M_AGENT_CPU, "coder", NULL, 0.5);
	ASSERT_DOUBLE_EQ(find("nexus_tasks_total", "succeeded", NULL).value, 3);
	ASSERT_DOUBLE_EQ(find("nexus_tasks_total", "failed", NULL).value, 1);
	ASSERT_DOUBLE_EQ(find("nexus_tasks_pending", NULL, NULL).value, 4);
	ASSERT_DOUBLE_EQ(find("nexus_agent_cpu_seconds_total", "coder", NULL).value, 0.75);
}

TEST(a_metric_without_labels_is_there_from_the_start)
{
	struct wanted w = find("nexus_event_streams", NULL, NULL);
	ASSERT_TRUE(w.found);
	ASSERT_EQ(w.series, 1);
	ASSERT_DOUBLE_EQ(w.value, 0);
	ASSERT_EQ(find("nexus_sandbox_runs_total", NULL, NULL).series, 0);
}

TEST(a_histogram_counts_cumulatively_and_sums)
{
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "200", 0.0001);
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "200", 0.001); /* a bound belongs to its bucket */
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "200", 2);
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "200", 1e6);
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "500", NAN);
	struct wanted w = find("nexus_request_duration_seconds", "submit", "200");
	ASSERT_EQ(w.count, 4);
	ASSERT_EQ(w.first_bucket, 2);
	ASSERT_EQ(w.last_bucket, 3);
	ASSERT_DOUBLE_NEAR(w.value, 1000002.0011, 1e-6);
	ASSERT_EQ(find("nexus_request_duration_seconds", "submit", "500").count, 1);
}

TEST(the_sixty_fifth_value_of_a_label_is_counted_as_other)
{
	char name[32];
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "agent-%d", i);
		nx_metric_add(NX_M_AGENT_ERRORS, name, NULL, 1);
	}
	nx_metric_add(NX_M_AGENT_ERRORS, "agent-3", NULL, 1);
	nx_metric_add(NX_M_AGENT_ERRORS, "agent-199", NULL, 1);
	struct wanted w = find("nexus_agent_errors_total", "other", NULL);
	ASSERT_EQ(w.series, 65);
	ASSERT_DOUBLE_EQ(w.value, 200 - 64 + 1);
	ASSERT_DOUBLE_EQ(find("nexus_agent_errors_total", "agent-3", NULL).value, 2);
	ASSERT_FALSE(find("nexus_agent_errors_total", "agent-64", NULL).found);
}

TEST(a_long_label_is_cut_between_characters)
{
	char label[100];
	for (size_t i = 0; i + 2 < sizeof(label); i += 2)
		memcpy(label + i, "\xd8\xb9", 3);
	nx_metric_add(NX_M_ERRORS, label, NULL, 1);
	label[62] = '\0';
	ASSERT_DOUBLE_EQ(find("nexus_errors_total", label, NULL).value, 1);
}

#define THREADS 4
#define ROUNDS 20000

static void *add_many(void *arg NX_UNUSED)
{
	char label[16];
	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(label, sizeof(label), "%d", i % 40);
		nx_metric_add(NX_M_SANDBOX_RUNS, label, NULL, 1);
		nx_metric_add(NX_M_AGENT_CPU, "many", NULL, 1);
		nx_metric_observe(NX_M_SEARCH_TIME, label, NULL, 0.002);
	}
	return NULL;
}

static void sum(const struct nx_metric_view *v, void *ctx)
{
	double *totals = ctx;
	if (strcmp(v->name, "nexus_sandbox_runs_total") == 0)
		totals[0] += v->value;
	if (strcmp(v->name, "nexus_search_seconds") == 0)
		totals[1] += (double)v->count;
}

TEST(nothing_is_lost_when_many_threads_count_while_others_look)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < 20; i++)
		(void)find("nexus_sandbox_runs_total", "7", NULL);
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	double totals[2] = {0};
	nx_metrics_visit(sum, totals);
	ASSERT_DOUBLE_EQ(totals[0], THREADS * ROUNDS);
	ASSERT_DOUBLE_EQ(totals[1], THREADS * ROUNDS);
	ASSERT_DOUBLE_EQ(find("nexus_agent_cpu_seconds_total", "many", NULL).value, THREADS * ROUNDS);
}
