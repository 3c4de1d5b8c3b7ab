/*
 * Fault points: named places that can be made to fail, so that tests can make the n-th one do so.
 *
 * `if (NX_FAULT(store_commit)) return nx_error_set(err, NX_EIO, …)`. Compiled in with -Dfaults=true only; in release the
 * macro is 0. NEXUS_FAULTS="n" (the n-th point passed, whatever its name), "name=n" or "record=FILE" (write the names
 * passed, in order, for a later sweep) sets the plan at start; nx_fault_plan does in unit tests.
 */
#ifndef NX_BASE_FAULT_H
#define NX_BASE_FAULT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Sorted. */
#define NX_FAULTS(X)         \
	X(arena_alloc)       \
	X(artifact_fsync)    \
	X(artifact_rename)   \
	X(artifact_write)    \
	X(core_accept)       \
	X(core_dispatch)     \
	X(core_finish)       \
	X(core_step_commit)  \
	X(file_fsync)        \
	X(file_rename)       \
	X(file_write)        \
	X(http_client_start) \
	X(index_add)         \
	X(ingest_chunk)      \
	X(ingest_keep)       \
	X(intake_run)        \
	X(memory_store)      \
	X(model_call)        \
	X(model_embed)       \
	X(model_load)        \
	X(model_spawn)       \
	X(sandbox_cgroup)    \
	X(sandbox_clone)     \
	X(sandbox_collect)   \
	X(sandbox_control)   \
	X(sandbox_door)      \
	X(sandbox_files)     \
	X(sandbox_files_way) \
	X(sandbox_image)     \
	X(sandbox_keeper)    \
	X(sandbox_limit)     \
	X(sandbox_pipe)      \
	X(sandbox_plan)      \
	X(sandbox_process)   \
	X(sandbox_proxy)     \
	X(sandbox_ready)     \
	X(sandbox_resize)    \
	X(sandbox_seal)      \
	X(sandbox_seat)      \
	X(sandbox_spawn)     \
	X(sandbox_trees)     \
	X(sandbox_watch)     \
	X(sandbox_workdir)   \
	X(sandbox_zygote)    \
	X(store_begin)       \
	X(store_checkpoint)  \
	X(store_commit)      \
	X(store_lock)        \
	X(store_migrate)     \
	X(store_open)        \
	X(store_prepare)     \
	X(store_read)        \
	X(store_step)

#define NX_X_(name) NX_FAULT_##name,
enum nx_fault { NX_FAULTS(NX_X_) NX_FAULT_MAX_ };
#undef NX_X_

#ifdef NX_FAULTS_ENABLED
bool nx_fault_hit(enum nx_fault f);
#define NX_FAULT(name) nx_fault_hit(NX_FAULT_##name)
#else
#define NX_FAULT(name) 0
#endif

/* NULL clears the plan. NX_EINVAL when the text is not a plan; NX_EUNSUPPORTED where faults are compiled out. */
int nx_fault_plan(const char *text, struct nx_error **err);
uint64_t nx_fault_passed(void); /* points passed since the plan was set */

#endif
