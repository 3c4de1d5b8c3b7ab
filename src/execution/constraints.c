#include "execution/constraints.h"

#include "base/clock.h"

static const struct nx_field constraint_fields[] = {
	{.name = "max_cpu_percent",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_constraints_body, cpu_percent),
	 .min = 1,
	 .max = 10000,
	 .def = 20,
	 .help = "of one core"},
	{.name = "cpu_policy",
	 .type = NX_T_ENUM,
	 .names = nx_cpu_policy_names,
	 .offset = offsetof(struct nx_constraints_body, cpu_policy),
	 .def = NX_CPU_THROTTLE,
	 .help = "what comes of more CPU: throttle slows the program down, kill ends it with cpu_limit"},
	{.name = "max_memory_mb",
	 .type = NX_T_INT,
	 .offset = offsetof(struct nx_constraints_body, memory_mb),
	 .min = 1,
	 .max = 1048576,
	 .def = 512,
	 .help = "of all its processes"},
	{.name = "max_execution_time_s",
	 .type = NX_T_NUMBER,
	 .offset = offsetof(struct nx_constraints_body, time_s),
	 .min = 0.001,
	 .max = 86400,
	 .def = 30,
	 .help = "by the clock"},
	{.name = "allowed_imports",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct nx_constraints_body, allowed_imports),
	 .max_len = 256,
	 .help = "empty: no restriction"},
	{.name = "blocked_operations",
	 .type = NX_T_ARRAY,
	 .item = NX_T_STRING,
	 .offset = offsetof(struct nx_constraints_body, blocked_operations),
	 .max_len = 256,
	 .help = "network, process, file_write: refused by the kernel while the program runs; scanner rules or "
		 "functions: found before it runs"},
	{.name = "network_access",
	 .type = NX_T_ANY,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_constraints_body, network),
	 .json_schema = NX_NETWORK_ACCESS_SCHEMA,
	 .help = NX_NETWORK_ACCESS_HELP},
	{.name = "file_system_access",
	 .type = NX_T_ANY,
	 .flags = NX_F_NULL,
	 .offset = offsetof(struct nx_constraints_body, file_system),
	 .json_schema = NX_EXEC_FILES_SCHEMA,
	 .help = "false; directories of the host, below those that the operator allows (sandbox.read_roots, "
		 "sandbox.write_roots), at their own paths; true: all of these. The work directory is always writable"},
};
const struct nx_schema nx_constraints_schema = {.name = "Constraints",
						.help = "What a run may use.",
						.fields = constraint_fields,
						.nfields = nx_countof(constraint_fields),
						.size = sizeof(struct nx_constraints_body)};

int nx_constraints_fill(const struct nx_constraints_body *c, struct nx_arena *a, struct nx_exec_constraints *ret,
			struct nx_error **err)
{
	*ret = nx_exec_constraints_default;
	if (!c)
		return 0;
	ret->max_cpu_percent = c->cpu_percent;
	ret->cpu_policy = (enum nx_cpu_policy)c->cpu_policy;
	ret->max_memory_mb = c->memory_mb;
	ret->max_time_us = (int64_t)(c->time_s * (double)NX_USEC_PER_SEC);
	ret->allowed_imports = c->allowed_imports.items;
	ret->nallowed_imports = c->allowed_imports.n;
	ret->blocked_operations = c->blocked_operations.items;
	ret->nblocked_operations = c->blocked_operations.n;
	int rc = nx_exec_network_read(c->network, a, &ret->network, err);
	return rc ? rc : nx_exec_files_read(c->file_system, a, &ret->files, err);
}
