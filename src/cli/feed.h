/* Files on their way to the server: read here or there, sent in batches, with a bar that tells rate and time left. */
#ifndef NX_CLI_FEED_H
#define NX_CLI_FEED_H

#include "cli/cli.h"
#include "knowledge/knowledge.h"

#define NX_FEED_BATCH 32 /* documents */

struct nx_feed_file {
	const char *path, *name; /* name: the document's id */
	int64_t size;
};
struct nx_feed {
	struct nx_cli *cli;
	bool no_wait;
	bool follows; /* documents that a file held before, and does not any more, are deleted */
	struct nx_feed_file *files;
	size_t nfiles, cap;

	size_t failed; /* files that were named on stderr and passed over */
	int64_t inserted, updated, unchanged, deleted, chunks;

	/* private */
	struct nx_arena *arena; /* of the batch */
	struct nx_document batch[NX_FEED_BATCH];
	size_t nbatch, batch_bytes;
	int64_t bytes, bytes_done, started_us;
	size_t documents_done;
};
int nx_feed_add(struct nx_feed *f, const char *path, const char *name, struct nx_error **err);
/* Sends all that was added. A file that cannot be read fails alone, unless it is the only one; what the server cannot do
 * ends it. */
int nx_feed_run(struct nx_feed *f, struct nx_error **err);
/* Deletes the documents that came from `path`, a file, or with a "/" at its end all files below a directory, but those
 * whose name `keeps` accepts (NULL: none). */
int nx_feed_delete(struct nx_feed *f, const char *path, bool (*keeps)(void *ctx, nx_str name, nx_str uri), void *ctx,
		   struct nx_error **err);
/* "file:///…" of an absolute path, percent-encoded (RFC 8089); p NULL: no memory. */
nx_str nx_feed_uri(struct nx_arena *a, const char *path);
/* "ingest [####......] 1.2 of 3.0 MB  40 documents  12/s  3 s left"; drawn again in place, nothing off a terminal. */
void nx_feed_draw(const struct nx_feed *f, bool is_over);

#endif
