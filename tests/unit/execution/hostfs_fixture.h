/* A host with a root to read and one to write, and runs that are granted directories there. */
#ifndef NX_HOSTFS_FIXTURE_H
#define NX_HOSTFS_FIXTURE_H

#include "tests/unit/execution/sandbox_fixture.h"

#define HOST_OWNER 12345 /* nobody on this host; owns the directories when the test is root */

struct host {
	char top[64], read[80], write[80]; /* read holds a/in.txt ("given\n"), write holds b/, top a file "secret" */
	char options[2][256];
	const char *list[4]; /* the options, for box_open */
};
extern struct host host;
/* Makes it anew and opens a box with its roots; `more`: one more option, or NULL. Removed when the program ends. */
void host_open(struct box *b, const char *more);
void host_remove(void);
const char *host_at(const char *root, const char *name); /* one of eight buffers, in turn */
void host_make_dir(const char *path);
void host_make_file(const char *path, const char *text);
const char *host_sh(struct nx_arena *a, const char *code); /* with $R and $W */

/* Starts and waits; `read` or `write` may be NULL. The caller calls trial_done. */
void granted_run(struct trial *t, struct box *b, const char *language, const char *code, const char *read,
		 const char *write);
void granted_prints(struct box *b, const char *language, const char *code, const char *read, const char *write,
		    const char *want);
void granted_refused(struct box *b, const char *read, const char *write, int code, const char *why);

#endif
