/*
 * `constraints` of a run as its clients write them: one shape for the API and for tools. Names, ranges and defaults are those
 * of the design; what this server allows beyond them is checked when the run is admitted.
 */
#ifndef NX_EXECUTION_CONSTRAINTS_H
#define NX_EXECUTION_CONSTRAINTS_H

#include "base/schema.h"
#include "execution/execution.h"

struct nx_constraints_body {
	int64_t cpu_percent, memory_mb;
	double time_s;
	int cpu_policy;
	struct nx_list allowed_imports, blocked_operations;
	yyjson_val *network, *file_system;
};
extern const struct nx_schema nx_constraints_schema;

/* NULL: the defaults. Lists are in `a`, texts as they lie in the body. NX_EINVAL, at its place below /constraints. */
int nx_constraints_fill(const struct nx_constraints_body *c, struct nx_arena *a, struct nx_exec_constraints *ret,
			struct nx_error **err);

/* The two grants, for the shapes of sessions. */
#define NX_NETWORK_HOSTS_SCHEMA "{\"type\":\"array\",\"maxItems\":32,\"items\":{\"type\":\"string\"}}"
#define NX_NETWORK_ACCESS_SCHEMA                                                                       \
	"{\"type\":[\"boolean\",\"object\",\"null\"],\"default\":false,"                               \
	"\"properties\":{\"allow\":" NX_NETWORK_HOSTS_SCHEMA ",\"deny\":" NX_NETWORK_HOSTS_SCHEMA "}," \
	"\"additionalProperties\":false,\"example\":{\"allow\":[\"api.example.com:443\",\"*.example.com\"]}}"
#define NX_NETWORK_ACCESS_HELP                                                                                       \
	"true: every public address; or hosts that may be reached, HOST, *.HOST, * or an address, with :PORT or :* " \
	"(without: 80 and 443); deny wins; private addresses only as ADDRESS:PORT. Through a proxy"
#define NX_EXEC_FILES_SCHEMA                                                                                             \
	"{\"type\":[\"boolean\",\"object\",\"null\"],\"default\":false,\"properties\":{"                                 \
	"\"read\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":8},"                                  \
	"\"write\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":8}},\"additionalProperties\":false," \
	"\"examples\":[{\"read\":[\"/data/a\"],\"write\":[\"/data/b\"]}]}"

#endif
