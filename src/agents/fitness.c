/*
 * Fitness = 0.4 capability match + 0.3 performance on this kind of task + 0.2 resource efficiency + 0.1 reliability.
 *
 *   capability   share of the needed capabilities that the agent has
 *   performance  successes of its steps with the first needed capability, with Laplace's rule of succession, so that an
 *                agent nobody has tried starts at one half
 *   efficiency   what the spec expects of time and memory against what runs measured, 1/2 when they agree
 *   reliability  share of all its runs that ended without an error
 */
#include "agents/agents_internal.h"

struct nx_agent_history *nx_agent_history(struct nx_agents *g, int64_t tenant, nx_str agent, nx_str capability,
					  bool make)
{
	struct nx_agent_history *h = g->history;

	while (h && (h->tenant != tenant || !nx_str_eqz(agent, h->agent) || !nx_str_eqz(capability, h->capability)))
		h = h->next;
	if (h || !make)
		return h;
	if (!(h = calloc(1, sizeof(*h))))
		return NULL;
	h->tenant = tenant;
	h->agent = strndup(agent.p, agent.n);
	h->capability = strndup(capability.p, capability.n);
	if (!h->agent || !h->capability) {
		free(h->agent);
		free(h->capability);
		free(h);
		return NULL;
	}
	h->next = g->history;
	g->history = h;
	return h;
}

static double match(const struct nx_agent *a, const nx_str *needed, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < a->spec->capabilities.n; k++)
			if (nx_str_eq(needed[i], *nx_list_at(a->spec->capabilities, nx_str, k))) {
				found++;
				break;
			}
	return n ? (double)found / (double)n : 0;
}

static double efficiency(const struct nx_agent *a, const struct nx_agent_history *h)
{
	const struct nx_agent_resources *r = a->spec->resources;
	double wall_ms = r ? (double)r->wall_ms : 1000, memory = (r ? (double)r->memory_mb : 256) * 1048576.0;

	if (!h || h->runs == 0)
		return 0.5;
	double time = wall_ms / (wall_ms + (double)h->wall_us / 1000.0 / (double)h->runs);
	double space = memory / (memory + (double)h->max_memory);
	return (time + space) / 2;
}

static double reliability(struct nx_agents *g, int64_t tenant, const struct nx_agent *a)
{
	int64_t runs = 0, errors = 0;

	for (const struct nx_agent_history *h = g->history; h; h = h->next)
		if (h->tenant == tenant && nx_str_eqz(a->spec->name, h->agent)) {
			runs += h->runs;
			errors += h->errors;
		}
	return runs ? 1.0 - (double)errors / (double)runs : 1.0;
}

void nx_agent_fitness(struct nx_agents *g, int64_t tenant, const struct nx_agent *a, const nx_str *capabilities,
		      size_t n, struct nx_agent_fitness *ret)
{
	const struct nx_agent_history *h =
		n ? nx_agent_history(g, tenant, a->spec->name, capabilities[0], false) : NULL;

	ret->capability = match(a, capabilities, n);
	ret->performance = h ? ((double)h->successes + 1) / ((double)h->runs + 2) : 0.5;
	ret->efficiency = efficiency(a, h);
	ret->reliability = reliability(g, tenant, a);
	ret->fitness = 0.4 * ret->capability + 0.3 * ret->performance + 0.2 * ret->efficiency + 0.1 * ret->reliability;
}
