/* What each agent's steps cost and how they ended. */
#include "monitoring/monitoring_internal.h"

#include "base/clock.h"

#include <stdio.h>

#define WINDOW 64 /* steps, one bit each */
#define MAX_AGENTS 63
#define OTHER MAX_AGENTS

struct agent {
	char name[64];
	uint64_t succeeded; /* newest step in bit 0 */
	unsigned n;         /* steps in the window */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct agent agents[MAX_AGENTS + 1] = {[OTHER] = {.name = "other"}};
static size_t nagents;

/* The lock is held. */
static struct agent *find_agent(const char *name)
{
	nx_str cut = nx_utf8_truncate(nx_str_z(name), sizeof(agents[0].name) - 1);
	for (size_t i = 0; i < nagents; i++) {
		if (nx_str_eqz(cut, agents[i].name))
			return &agents[i];
	}
	if (nagents == MAX_AGENTS)
		return &agents[OTHER];
	struct agent *a = &agents[nagents++];
	memcpy(a->name, cut.p, cut.n);
	return a;
}

/* The label to count under, and the share of recent steps that succeeded. */
static double note_outcome(const char *name, bool ok, const char **ret_label)
{
	pthread_mutex_lock(&lock);
	struct agent *a = find_agent(name);
	a->succeeded = a->succeeded << 1 | ok;
	a->n = nx_min(a->n + 1, WINDOW + 0U);
	double ratio = (double)__builtin_popcountll(a->succeeded) / a->n;
	*ret_label = a->name; /* never changes once it is set */
	pthread_mutex_unlock(&lock);
	return ratio;
}

void nx_monitoring_agent_step(const char *agent, bool ok, double seconds, int64_t cpu_us, int64_t memory)
{
	const char *label;
	double ratio = note_outcome(agent, ok, &label);
	nx_metric_set(NX_M_AGENT_SUCCESS, label, NULL, ratio);
	nx_metric_add(NX_M_AGENT_STEPS, label, ok ? "succeeded" : "failed", 1);
	nx_metric_add(NX_M_AGENT_ERRORS, label, NULL, ok ? 0 : 1);
	nx_metric_observe(NX_M_AGENT_RESPONSE, label, NULL, seconds);
	nx_metric_add(NX_M_AGENT_CPU, label, NULL, (double)cpu_us / NX_USEC_PER_SEC);
	if (memory > 0)
		nx_metric_set(NX_M_AGENT_MEMORY, label, NULL, (double)memory);
}
