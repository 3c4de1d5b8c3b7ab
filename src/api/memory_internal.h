/* What the routes of memories and of sessions share. */
#ifndef NX_API_MEMORY_INTERNAL_H
#define NX_API_MEMORY_INTERNAL_H

#include "api/request_internal.h"

extern const struct nx_schema nx_memory_answer_schema; /* a memory, as it is shown */

/* A key bound to a user sees that user's alone; another's are not found. `sql` counts, and takes tenant, id and user. */
int nx_request_check_owner(struct nx_request *r, const char *sql, nx_id id, const char *what, struct nx_error **err);

#endif
