/* Core on a simulated loop, clock and workers, with a real store written inline, and tools that tests steer. */
#ifndef NX_CORE_RIG_H
#define NX_CORE_RIG_H

#include "core/core_internal.h"
#include "tests/unit/nx_test.h"

struct rig {
	struct nx_fake_clock clock;
	struct nx_config *config;
	struct nx_store *store;
	struct nx_workers *workers;
	struct nx_loop *loop;
	struct nx_agents *agents;
	struct nx_core *core;
	struct nx_arena *arena;
	const char *dir;
	/* test.hold keeps its calls here until rig_finish; test.fail fails `failures` times, then succeeds. */
	struct nx_tool_call *held[16];
	size_t nheld;
	unsigned failures, runs;
	char order[256]; /* "word" of each test.log and test.once call */
};

void rig_open(struct rig *r, const char *name);
void rig_close(struct rig *r);
void rig_crash(struct rig *r); /* what is in memory is lost; a new core recovers from the store */
void rig_run(struct rig *r);   /* until nothing is posted and no timer is due */
void rig_advance(struct rig *r, double seconds);

struct answer {
	struct nx_submit submit;
	bool done;
	int code;
	char message[300], pointer[100];
	yyjson_val *task;
};
void rig_submit(struct rig *r, const char *json, struct answer *ret);
yyjson_val *rig_task(struct rig *r, nx_id id); /* as stored */
const char *rig_state(struct rig *r, nx_id id);
const char *rig_step(struct rig *r, nx_id id, const char *step, const char *member);
void rig_cancel(struct rig *r, nx_id id);
void rig_finish(struct rig *r, size_t held, bool ok);
int64_t rig_count(struct rig *r, const char *sql);

#endif
