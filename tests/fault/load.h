/*
 * A load whose effects can be checked after a crash.
 *
 * The child keeps writes of several kinds in flight on one data directory and, after each acknowledgement, writes the
 * write's number to a descriptor. What a number stands for follows from the number alone, so the parent can tell whether
 * an acknowledged write is there, whole and as it was.
 */
#ifndef NX_TESTS_LOAD_H
#define NX_TESTS_LOAD_H

#include "store/store.h"

struct load_options {
	const char *dir;
	uint64_t first; /* the first number to use; earlier ones are in the directory */
	enum nx_synchronous sync;
	int ack_fd;
	uint64_t writes; /* after so many, stop and close; 0: never */
};
/* Runs the load in this process. */
int load_run(const struct load_options *o, struct nx_error **err);

/* The numbers that were acknowledged. */
struct load_ledger {
	uint64_t *acked;
	size_t n, cap;
	uint64_t next; /* no life used this number or a later one */
};
/* Reads a pipe to its end. False when memory runs out or a read fails. */
bool load_read_acks(int fd, struct load_ledger *l);
void load_ledger_done(struct load_ledger *l);
/* The first number of the next life: past all that earlier ones may have used, acknowledged or not. */
uint64_t load_next(struct load_ledger *l);

/* Opens the directory as after a crash, checks it whole and looks for the writes that were acknowledged, those before
 * `from` left out. NX_ECORRUPT says what is missing or wrong. */
int load_verify(const char *dir, const struct load_ledger *l, size_t from, struct nx_error **err);

uint64_t load_dice(uint64_t *state);

#endif
