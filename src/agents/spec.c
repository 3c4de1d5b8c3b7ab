/* The shape of an agent's spec, in YAML or JSON. */
#include "agents/agents_internal.h"

#include <stddef.h>

static const struct nx_field call_fields[] = {
	{.name = "tool",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct nx_agent_call_spec, tool),
	 .max_len = 64,
	 .help = "tool to call"},
	{.name = "input",
	 .type = NX_T_MAP,
	 .flags = NX_F_REQUIRED,
	 .offset = offsetof(struct nx_agent_call_spec, input),
	 .max_len = 64,
	 .help = "its input; strings may hold {{input}}, {{data.NAME}}, {{calls.N.NAME}}"},
};
static const struct nx_schema call_schema = {
	"AgentCall", "one call of a rule", call_fields, nx_countof(call_fields), sizeof(struct nx_agent_call_spec),
	false};
static const struct nx_field rule_fields[] = {
	{.name = "intents",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct nx_agent_rule, intents),
	 .max_len = 32,
	 .help = "intents it serves; none: any"},
	{.name = "calls",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .flags = NX_F_REQUIRED,
	 .schema = &call_schema,
	 .offset = offsetof(struct nx_agent_rule, calls),
	 .max_len = 16,
	 .help = "tools called in this order"},
};
static const struct nx_schema rule_schema = {"AgentRule",
					     "what the agent does without a language model",
					     rule_fields,
					     nx_countof(rule_fields),
					     sizeof(struct nx_agent_rule),
					     false};
static const struct nx_field resource_fields[] = {
	{.name = "memory_mb",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_agent_resources, memory_mb),
	 .min = 1,
	 .max = 1048576,
	 .def = 256,
	 .help = "memory it is expected to need"},
	{.name = "wall_ms",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_agent_resources, wall_ms),
	 .min = 1,
	 .max = 86400000,
	 .def = 1000,
	 .help = "time it is expected to take"},
	{.name = "max_tokens",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_agent_resources, max_tokens),
	 .min = 1,
	 .max = 1e9,
	 .def = 32768,
	 .help = "tokens of one run with a model"},
};
static const struct nx_schema resource_schema = {"AgentResources",
						 "what a run needs",
						 resource_fields,
						 nx_countof(resource_fields),
						 sizeof(struct nx_agent_resources),
						 false};
static const struct nx_field safety_fields[] = {
	{.name = "max_turns",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_agent_safety, max_turns),
	 .min = 1,
	 .max = 100,
	 .def = 8,
	 .help = "model calls of one run"},
};
static const struct nx_schema safety_schema = {
	"AgentSafety", "bounds of a run", safety_fields, nx_countof(safety_fields), sizeof(struct nx_agent_safety),
	false};

#define SPEC(m) offsetof(struct nx_agent_spec, m)
static const struct nx_field spec_fields[] = {
	{.name = "name",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED | NX_F_TRIM,
	 .offset = SPEC(name),
	 .max_len = 64,
	 .help = "letters, digits, - and _"},
	{.name = "description",
	 .type = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = SPEC(description),
	 .max_len = 2000,
	 .help = "what it is good at"},
	{.name = "capabilities",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .flags = NX_F_REQUIRED,
	 .offset = SPEC(capabilities),
	 .max_len = 32,
	 .help = "what a step may ask of it"},
	{.name = "instructions",
	 .type = NX_T_STRING,
	 .offset = SPEC(instructions),
	 .max_len = 32768,
	 .def_str = "",
	 .help = "given to the language model"},
	{.name = "model",
	 .type = NX_T_STRING,
	 .flags = NX_F_NULL,
	 .offset = SPEC(model),
	 .max_len = 200,
	 .help = "model it prefers"},
	{.name = "tools",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = SPEC(tools),
	 .max_len = 64,
	 .help = "tools it may call"},
	{.name = "rules",
	 .type = NX_T_ARRAY,
	 .item = NX_T_OBJECT,
	 .schema = &rule_schema,
	 .offset = SPEC(rules),
	 .max_len = 32,
	 .help = "what it does without a language model; the first that fits"},
	{.name = "resources",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &resource_schema,
	 .offset = SPEC(resources),
	 .help = "what a run needs"},
	{.name = "safety",
	 .type = NX_T_OBJECT,
	 .flags = NX_F_NULL,
	 .schema = &safety_schema,
	 .offset = SPEC(safety),
	 .help = "bounds of a run"},
};
const struct nx_schema nx_agent_spec_schema = {"AgentSpec",
					       "an agent: what it can do, and how",
					       spec_fields,
					       nx_countof(spec_fields),
					       sizeof(struct nx_agent_spec),
					       false};

static int check_name(nx_str name, struct nx_error **err)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' &&
		    c != '-') {
			nx_error_set(err, NX_EINVAL,
				     "an agent's name may hold letters, digits, - and _ only, not `%.*s`",
				     NX_FMT(name));
			return nx_error_at(err, "/name");
		}
	}
	return 0;
}

static bool lists(const struct nx_agent_spec *s, nx_str tool)
{
	for (size_t i = 0; i < s->tools.n; i++)
		if (nx_str_eq(*nx_list_at(s->tools, nx_str, i), tool))
			return true;
	return false;
}

/* A tool that is not there (a feature that is off) makes a spec poorer, not wrong; an unknown name in a rule is wrong only
 * when the spec itself does not list it. */
static int check_rules(const struct nx_agent_spec *s, struct nx_error **err)
{
	for (size_t i = 0; i < s->rules.n; i++) {
		const struct nx_agent_rule *r = nx_list_at(s->rules, struct nx_agent_rule, i);
		for (size_t k = 0; k < r->calls.n; k++) {
			nx_str tool = nx_list_at(r->calls, struct nx_agent_call_spec, k)->tool;
			if (!lists(s, tool)) {
				nx_error_set(err, NX_EINVAL, "the rule calls `%.*s`, which `tools` does not list",
					     NX_FMT(tool));
				return nx_error_at(err, "/rules/%zu/calls/%zu/tool", i, k);
			}
		}
	}
	return 0;
}

int nx_agent_spec_decode(yyjson_val *v, struct nx_arena *a, struct nx_agent_spec **ret, struct nx_error **err)
{
	void *p = NULL;
	int rc = nx_schema_decode(&nx_agent_spec_schema, v, a, &p, err);

	if (rc < 0)
		return rc;
	struct nx_agent_spec *s = p;
	if ((rc = check_name(s->name, err)) < 0 || (rc = check_rules(s, err)) < 0)
		return rc;
	if (s->capabilities.n == 0) {
		nx_error_set(err, NX_EINVAL, "an agent needs at least one capability");
		return nx_error_at(err, "/capabilities");
	}
	*ret = s;
	return 0;
}
