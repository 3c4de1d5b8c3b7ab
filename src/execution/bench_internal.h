/* The benchmark's peers. */
#ifndef NX_EXECUTION_BENCH_INTERNAL_H
#define NX_EXECUTION_BENCH_INTERNAL_H

#include "execution/execution_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum nx_bench_kind {
	NX_BENCH_BARE,
	NX_BENCH_BWRAP,
	NX_BENCH_DOCKER,
	NX_BENCH_COLD,
	NX_BENCH_BOX,
	NX_BENCH_WARM,
	NX_BENCH_KINDS
};

struct nx_bench_program {
	const char *name;
	const char *argv[6]; /* of ours; the peers get the same with an empty program of their own */
	enum nx_ready ready;
	const char *file; /* of ours, in the box; empty */
	unsigned part;    /* of the runs that were asked for, one in so many: for what takes long */
};

/* False: the peer is not on this host, and its row stays out. */
bool nx_bench_has(int kind, const struct nx_execution_peers *peers, const struct nx_bench_program *p);
/* One run of a peer, waited for. */
int nx_bench_peer(int kind, const struct nx_execution_peers *peers, const struct nx_bench_program *p,
		  struct nx_error **err);

#endif
