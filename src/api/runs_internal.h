/* Sandbox executions that clients started: who may cancel which, and their output as a stream. */
#ifndef NX_API_RUNS_INTERNAL_H
#define NX_API_RUNS_INTERNAL_H

#include "base/schema.h"
#include "execution/execution.h"

struct nx_api;
struct nx_request;
struct nx_runs;

int nx_runs_new(struct nx_runs **ret, struct nx_error **err);
void nx_runs_free(struct nx_runs *t);
/* Is this execution under way for the tenant? */
bool nx_runs_has(struct nx_runs *t, int64_t tenant, nx_id id);

extern const struct nx_schema nx_execution_request_schema, nx_execution_file_schema;
/* Files of a body, decoded. At most sandbox.max_files. */
int nx_execution_files_decode(struct nx_request *r, const struct nx_list *files, struct nx_exec_file **ret,
			      size_t *ret_n, struct nx_error **err);
void nx_run_code(struct nx_request *r); /* POST /v1/sandbox/executions */

#endif
