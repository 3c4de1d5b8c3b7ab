/*
 * Intake: files as documents, whatever their format.
 *
 * Native formats are decoded where the call is made; foreign ones (HTML, Word, PDF) by the program of extract.h, a sandbox of
 * its own for each document: no network, no files, the memory and time of knowledge.extract_memory_mb and
 * knowledge.extract_time. Where no sandbox can be made they are refused. Knowledge and execution stand side by side, so what
 * joins them lives here.
 */
#ifndef NX_INTAKE_INTAKE_H
#define NX_INTAKE_INTAKE_H

#include "execution/execution.h"
#include "knowledge/knowledge.h"

/* A file; or documents that are ready, which take their place in the order. */
struct nx_intake_item {
	struct nx_knowledge_file file;
	bool is_unnamed; /* file.name is for messages and rows; a file that is one document gets no id from it */
	struct nx_document *docs;
	size_t ndocs; /* 0: the file is to be read */
};

struct nx_intake {
	const struct nx_config *config;
	struct nx_execution *execution;
	struct nx_workers *workers;
	struct nx_arena *arena; /* documents live here; nobody else uses it until done */
	int64_t tenant;
	struct nx_trace_ctx trace;
	struct nx_intake_item *items;
	size_t nitems;
	void (*done)(struct nx_intake *in, struct nx_error *err); /* once, on a worker */
	void *ctx;

	struct nx_document *docs; /* of all items, in their order */
	size_t ndocs;
	size_t failed; /* with an error: which item is at fault */

	/* private */
	struct nx_extract_limits limits;
	struct nx_intake_run *runs;
	size_t nruns, started, finished;
	struct nx_job job;
};
/* On a worker. Everything that was filled is kept alive until done. At most so many sandboxes are asked for at once: */
#define NX_INTAKE_AT_ONCE 4
void nx_intake_start(struct nx_intake *in);

#endif
