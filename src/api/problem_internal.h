/*
 * Errors as clients see them: RFC 9457 problem documents.
 *
 * {"type":"/docs#NX-INVALID","title","status","detail","code","instance","trace_id","pointer","hint","errors"}. `code` is
 * stable and the one `nexus explain` knows; `errors` lists places as {"pointer","detail"}. One table gives each code its
 * status. What is our own fault or the disk's is told to the log in full, and to the client by title and trace id.
 */
#ifndef NX_API_PROBLEM_INTERNAL_H
#define NX_API_PROBLEM_INTERNAL_H

#include "base/schema.h"
#include "base/trace.h"

extern const struct nx_schema nx_problem_schema;

struct nx_problem {
	int status; /* 0: that of the code */
	const struct nx_error *err;
	nx_str instance; /* path of the request */
	nx_id trace;
	nx_str places; /* {"errors":[{"path","message"}]}, or empty: the error's own place */
};

int nx_problem_status(int code);
/* True when the details are not for clients (NX_EINTERNAL, NX_EIO, NX_ECORRUPT). */
bool nx_problem_is_private(int code);
/* Seconds for Retry-After; 0: none. */
int nx_problem_retry_after(int code, int status);
/* Never fails: without memory it is the literal of the next. ret_status (or NULL) gets the status that it says. */
nx_str nx_problem_json(const struct nx_problem *p, struct nx_arena *a, int *ret_status);
nx_str nx_problem_no_memory(void); /* 503, a literal */

#endif
