/* What the proxy of a run refused, for who looks for what a program tried: a line of the log and a row of `audit` for each. */
#include "execution/execution_internal.h"

#include <stdio.h>

struct refusal {
	struct nx_write write;
	int64_t tenant, at_us;
	char object[NX_ID_TEXT];
	char detail[384]; /* host:port: reason */
};

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	const struct refusal *f = nx_container_of(w, struct refusal, write);
	return nx_db_exec(
		db,
		"INSERT INTO audit(tenant_id, action, object, detail, created_at) "
		"VALUES ($1, 'sandbox.network_refused', $2, $3, $4)",
		NX_PARAMS(nx_v_int(f->tenant), nx_v_textz(f->object), nx_v_textz(f->detail), nx_v_int(f->at_us)), err);
}

static void done(struct nx_write *w, struct nx_error *err)
{
	if (err)
		nx_log_error("sandbox", "a refusal was not written to the audit", NX_LERR(err));
	free(nx_container_of(w, struct refusal, write));
}

void nx_execution_refused(struct nx_execution *e, int64_t tenant, nx_id id, const struct nx_spawn_refused *m)
{
	struct refusal *f = calloc(1, sizeof(*f));
	nx_log_warn("sandbox", "a connection was refused", NX_LID("execution", id), NX_LINT("tenant", tenant),
		    NX_LSTRZ("host", m->host), NX_LINT("port", m->port), NX_LSTRZ("reason", m->reason));
	if (!f) {
		nx_log_error("sandbox", "a refusal was not written to the audit: no memory");
		return;
	}
	*f = (struct refusal){.write = {.apply = apply, .done = done}, .tenant = tenant, .at_us = nx_time_wall_us()};
	nx_id_format(id, f->object);
	snprintf(f->detail, sizeof(f->detail), "%s:%u: %s", m->host, m->port, m->reason);
	nx_store_write(e->store, &f->write); /* its own allocation: it may be written after its run is over */
}
