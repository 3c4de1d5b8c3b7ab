/*
 * Spans and metrics: what happened, how long it took, how often. base only records; monitoring keeps and exports.
 *
 * Spans follow W3C Trace Context (16-byte trace id, 8-byte span id) and the OpenTelemetry GenAI names. Metrics are
 * declared once in the table below, each with its help and labels, and updated with relaxed atomics: a sum that is read
 * a moment late is still right. Label values come from closed sets, never from ids.
 */
#ifndef NX_BASE_TRACE_H
#define NX_BASE_TRACE_H

#include "base/id.h"
#include "base/json.h"

struct nx_trace_ctx {
	nx_id trace;
	uint64_t span; /* 0: none */
};
/* "00-…-…-01". False when it is not a valid traceparent (the caller then makes a new trace). */
bool nx_traceparent_parse(nx_str s, struct nx_trace_ctx *ret);
void nx_traceparent_format(struct nx_trace_ctx c, char ret[56]);

struct nx_span {
	struct nx_trace_ctx ctx;
	uint64_t parent;
	int64_t tenant;
	nx_id task; /* none: not part of a task */
	nx_id step;
	char name[64];
	int64_t start_us, end_us; /* wall */
	int error;                /* 0 or NX_E… */
	char attrs[512];          /* members of a JSON object, without the braces; what does not fit is left out */
	size_t nattrs;
};
void nx_span_start(struct nx_span *s, struct nx_trace_ctx parent, const char *name);
void nx_span_attr_str(struct nx_span *s, const char *key, nx_str v);
void nx_span_attr_int(struct nx_span *s, const char *key, int64_t v);
/* Sets the end and gives a copy to the sink. */
void nx_span_end(struct nx_span *s, int error);
/* Set once, before the first span or by the thread that makes them: the context is not exchanged together with it. */
void nx_span_sink_set(void (*sink)(const struct nx_span *s, void *ctx), void *ctx);

/*
 * X(symbol, KIND, name, label names separated by commas ("" none; at most 2), series, help), sorted by name. `series`: how
 * many it has besides "other", a power of two; as many as its labels can have values where these are ours, as the operations
 * of the API times the classes of a status are.
 */
/* clang-format off */
#define NX_METRICS(X) \
X(NX_M_AGENT_CPU, COUNTER_F, "nexus_agent_cpu_seconds_total", "agent", 64, "CPU time spent by an agent's steps") \
X(NX_M_AGENT_ERRORS, COUNTER, "nexus_agent_errors_total", "agent", 64, "steps of an agent that failed") \
X(NX_M_AGENT_MEMORY, GAUGE, "nexus_agent_memory_bytes", "agent", 64, "largest memory of an agent's last step") \
X(NX_M_AGENT_RESPONSE, HISTOGRAM, "nexus_agent_response_seconds", "agent", 64, "time of an agent's steps") \
X(NX_M_AGENT_STEPS, COUNTER, "nexus_agent_steps_total", "agent,outcome", 64, "steps an agent finished") \
X(NX_M_AGENT_SUCCESS, GAUGE_F, "nexus_agent_success_ratio", "agent", 64, "share of an agent's recent steps that succeeded") \
X(NX_M_AGENTS_ACTIVE, GAUGE, "nexus_agents_active", "", 1, "agents that run a step now") \
X(NX_M_COMMITS, COUNTER, "nexus_store_commits_total", "", 1, "transactions committed") \
X(NX_M_COMMIT_TIME, HISTOGRAM, "nexus_store_commit_seconds", "", 1, "time of a group commit") \
X(NX_M_DOCUMENTS, GAUGE, "nexus_documents", "", 1, "documents stored") \
X(NX_M_CHUNKS, GAUGE, "nexus_chunks", "", 1, "chunks indexed") \
X(NX_M_ERRORS, COUNTER, "nexus_errors_total", "code", 64, "errors answered or logged") \
X(NX_M_LOOP_DELAY, GAUGE_F, "nexus_loop_delay_seconds", "loop", 64, "worst delay of a message in the last 10 s") \
X(NX_M_MODEL_TOKENS, COUNTER, "nexus_model_tokens_total", "direction", 64, "tokens sent to and received from models") \
X(NX_M_MODEL_TIME, HISTOGRAM, "nexus_model_request_seconds", "provider", 64, "time of a model call") \
X(NX_M_CONNECTIONS, GAUGE, "nexus_open_connections", "", 1, "open HTTP connections") \
X(NX_M_CPU, COUNTER_F, "nexus_process_cpu_seconds_total", "", 1, "CPU time of the server process") \
X(NX_M_RSS, GAUGE, "nexus_process_resident_memory_bytes", "", 1, "resident memory of the server process") \
X(NX_M_RECORDS_DROPPED, COUNTER, "nexus_trace_records_dropped_total", "", 1, "spans and log lines of tasks that were not kept") \
X(NX_M_REQUEST_TIME, HISTOGRAM, "nexus_request_duration_seconds", "operation,status", 1024, "time of HTTP requests") \
X(NX_M_SANDBOX_RUNS, COUNTER, "nexus_sandbox_runs_total", "status", 64, "sandbox executions") \
X(NX_M_SANDBOX_TIME, HISTOGRAM, "nexus_sandbox_run_seconds", "language", 64, "wall time of sandbox executions") \
X(NX_M_SEARCH_TIME, HISTOGRAM, "nexus_search_seconds", "mode", 64, "time of searches") \
X(NX_M_STREAMS, GAUGE, "nexus_event_streams", "", 1, "open event streams") \
X(NX_M_TASKS_PENDING, GAUGE, "nexus_tasks_pending", "", 1, "tasks that are accepted and not finished") \
X(NX_M_TASKS, COUNTER, "nexus_tasks_total", "state", 64, "tasks finished")
/* clang-format on */

#define NX_X_(sym, kind, name, labels, series, help) sym,
enum nx_metric { NX_METRICS(NX_X_) NX_M_MAX_ };
#undef NX_X_

/* Labels are given in the table's order; pass NULL for those it does not have. A value not seen before takes one of
 * the metric's series; when all are taken, further ones are counted under "other". */
void nx_metric_add(enum nx_metric m, const char *l1, const char *l2, double v);
void nx_metric_set(enum nx_metric m, const char *l1, const char *l2, double v);
void nx_metric_observe(enum nx_metric m, const char *l1, const char *l2, double seconds);

struct nx_metric_view {
	const char *name, *help, *kind;          /* "counter", "gauge", "histogram" */
	const char *l1_name, *l1, *l2_name, *l2; /* NULL where the metric has none */
	double value;
	uint64_t count;          /* histogram */
	const uint64_t *buckets; /* cumulative counts per bound */
	const double *bounds;
	size_t nbounds;
};
/* How many series it has besides "other". */
size_t nx_metric_series(enum nx_metric m);
/* Visits every series, grouped by metric, in the table's order. */
void nx_metrics_visit(void (*visit)(const struct nx_metric_view *v, void *ctx), void *ctx);

#endif
