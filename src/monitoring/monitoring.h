/*
 * Monitoring: keeps, watches and exports what base records.
 *
 * Kept: every span and log line that belongs to a task. The sinks of base copy them into a bounded queue (by bytes; what
 * comes when it is full is dropped and counted), and the bulk lane of the store writes them in batches, so that neither a
 * request nor a commit ever waits for its own trace. What waits in the queue is merged into what is read, so that a trace
 * is complete as soon as its task is. A trace is not an acknowledgement: a crash may lose the last half second of it.
 *
 * One instance a process. The sinks run on any thread, the timers on `loop`, the reads on the caller's thread with the
 * caller's read connection. References: W3C Trace Context; Prometheus text exposition format 0.0.4.
 */
#ifndef NX_MONITORING_MONITORING_H
#define NX_MONITORING_MONITORING_H

#include "base/config.h"
#include "base/loop.h"
#include "base/schema.h"
#include "base/trace.h"
#include "store/store.h"

struct nx_monitoring;
struct nx_monitoring_parts {
	const struct nx_config *config; /* NULL: the defaults */
	struct nx_store *store;
	struct nx_loop
		*loop; /* real or simulated, owned by the calling thread for now: its timers decide when to write */
};
/* Takes over the sinks of base/log.h and base/trace.h. */
int nx_monitoring_new(const struct nx_monitoring_parts *p, struct nx_monitoring **ret, struct nx_error **err);
/* After the loop has stopped and before it is freed and the store closed: writes what still waits. Accepts NULL. */
void nx_monitoring_free(struct nx_monitoring *m);

/* Shows the delay of this loop in nexus_loop_delay_seconds until nx_monitoring_free. At most 8; before threads start. */
void nx_monitoring_watch_loop(struct nx_monitoring *m, struct nx_loop *l);

struct nx_monitoring_stats {
	uint64_t kept, dropped; /* records since the start */
	size_t waiting;
};
void nx_monitoring_stats(struct nx_monitoring *m, struct nx_monitoring_stats *ret); /* any thread */

/*
 * GET /v1/tasks/{id}/trace: {"task_id","trace_id","spans":[…]} with the spans by start, at most 10,000. NX_ENOTFOUND when
 * the tenant has no such task.
 */
int nx_monitoring_trace_json(struct nx_monitoring *m, struct nx_db *db, int64_t tenant, nx_id task, struct nx_arena *a,
			     nx_str *ret, struct nx_error **err);
/*
 * GET /v1/tasks/{id}/logs: an array of lines in order. Begins after the line `after` (0: from the first); *ret_next is the
 * `after` of the next page, 0 when this is the last. NX_ENOTFOUND when the tenant has no such task.
 */
int nx_monitoring_logs_json(struct nx_monitoring *m, struct nx_db *db, int64_t tenant, nx_id task, int64_t after,
			    size_t limit, struct nx_arena *a, nx_str *ret_items, int64_t *ret_next,
			    struct nx_error **err);
extern const struct nx_schema nx_trace_schema, nx_log_line_schema; /* of the two answers: whole, and one item */

/* GET /metrics: every series, with the figures of the process taken now. Any thread; a failed buffer is the only error. */
void nx_monitoring_prometheus(struct nx_buf *b);

/*
 * An agent has finished a step: its time, CPU, memory (bytes, the largest of the step; 0 when unknown), success rate over
 * its last 64 steps, and errors. Any thread. Agents beyond the first 63 are counted together as "other".
 */
void nx_monitoring_agent_step(const char *agent, bool ok, double seconds, int64_t cpu_us, int64_t memory);

#endif
