#include "monitoring/monitoring.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>

static struct nx_buf exposition(void)
{
	struct nx_buf b = NX_BUF_INIT;
	nx_monitoring_prometheus(&b);
	ASSERT_FALSE(nx_buf_failed(&b));
	return b;
}

TEST(an_agents_steps_show_as_its_five_figures)
{
	nx_monitoring_agent_step("coder", true, 0.2, 150000, 1 << 20);
	nx_monitoring_agent_step("coder", true, 0.3, 150000, 2 << 20);
	nx_monitoring_agent_step("coder", false, 4, 200000, 0);
	nx_monitoring_agent_step("coder", true, 0.02, 0, 0);
	struct nx_buf b = exposition();
	ASSERT_CONTAINS(b.p, "\nnexus_agent_success_ratio{agent=\"coder\"} 0.75\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_errors_total{agent=\"coder\"} 1\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_steps_total{agent=\"coder\",outcome=\"succeeded\"} 3\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_cpu_seconds_total{agent=\"coder\"} 0.5\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_memory_bytes{agent=\"coder\"} 2097152\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_response_seconds_bucket{agent=\"coder\",le=\"0.25\"} 2\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_response_seconds_count{agent=\"coder\"} 4\n");
	ASSERT_CONTAINS(b.p, "\nnexus_agent_response_seconds_sum{agent=\"coder\"} 4.52\n");
	nx_buf_done(&b);
}

TEST(the_success_rate_is_that_of_the_last_64_steps)
{
	for (int i = 0; i < 100; i++)
		nx_monitoring_agent_step("learner", false, 0.1, 0, 0);
	for (int i = 0; i < 64; i++)
		nx_monitoring_agent_step("learner", true, 0.1, 0, 0);
	struct nx_buf b = exposition();
	ASSERT_CONTAINS(b.p, "nexus_agent_success_ratio{agent=\"learner\"} 1\n");
	nx_buf_done(&b);
}

TEST(agents_beyond_the_sixty_third_are_counted_together)
{
	char name[16];
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "made-%d", i);
		nx_monitoring_agent_step(name, i % 2 == 0, 0.1, 0, 0);
	}
	struct nx_buf b = exposition();
	ASSERT_CONTAINS(b.p, "nexus_agent_success_ratio{agent=\"other\"} 0.48");
	nx_buf_done(&b);
}

TEST(the_figures_of_the_process_are_taken_when_asked)
{
	struct nx_buf b = exposition();
	double rss = 0, cpu = -1;
	const char *at = strstr(b.p, "\nnexus_process_resident_memory_bytes ");
	ASSERT_NOT_NULL(at);
	ASSERT_EQ(sscanf(at, "\nnexus_process_resident_memory_bytes %lf", &rss), 1);
	at = strstr(b.p, "\nnexus_process_cpu_seconds_total ");
	ASSERT_NOT_NULL(at);
	ASSERT_EQ(sscanf(at, "\nnexus_process_cpu_seconds_total %lf", &cpu), 1);
	ASSERT_GT(rss, 1 << 20);
	ASSERT_GE(cpu, 0);
	ASSERT_CONTAINS(b.p, "# HELP nexus_tasks_pending tasks that are accepted and not finished\n"
			     "# TYPE nexus_tasks_pending gauge\n"
			     "nexus_tasks_pending 0\n");
	nx_buf_done(&b);
}

TEST(odd_label_values_are_escaped)
{
	nx_metric_add(NX_M_ERRORS, "a\"b\\c\nd", NULL, 1);
	struct nx_buf b = exposition();
	ASSERT_CONTAINS(b.p, "nexus_errors_total{code=\"a\\\"b\\\\c\\nd\"} 1\n");
	nx_buf_done(&b);
}

TEST(promtool_accepts_the_exposition)
{
	if (access("/usr/bin/promtool", X_OK) != 0)
		SKIP("promtool is not there");
	nx_metric_observe(NX_M_REQUEST_TIME, "submit", "200", 0.01);
	nx_metric_add(NX_M_TASKS, "succeeded", NULL, 1);
	struct nx_buf b = exposition();
	FILE *f = popen("/usr/bin/promtool check metrics", "w");
	ASSERT_NOT_NULL(f);
	ASSERT_EQ(fwrite(b.p, 1, b.n, f), b.n);
	ASSERT_EQ(pclose(f), 0);
	nx_buf_done(&b);
}
