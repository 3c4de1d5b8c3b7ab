/* A store on a directory of its own, for the unit tests of the store. */
#ifndef NX_TESTS_UNIT_STORE_RIG_H
#define NX_TESTS_UNIT_STORE_RIG_H

#include "store/store.h"
#include "tests/unit/nx_test.h"

#include <stdio.h>
#include <unistd.h>

struct rig {
	char dir[512];
	struct nx_store *store;
};

static inline void rig_dir(struct rig *r)
{
	(void)snprintf(r->dir, sizeof(r->dir), "%s", nx_test_dir());
}

static inline void rig_open_with(struct rig *r, struct nx_store_options o)
{
	struct nx_error *err = NULL;
	o.dir = r->dir;
	int rc = nx_store_open(&o, &r->store, &err);
	if (rc)
		print_error("%s\n", nx_error_message(err));
	ASSERT_OK(rc);
}

static inline void rig_open(struct rig *r, bool is_inline)
{
	rig_open_with(r, (struct nx_store_options){.readers = 1, .inline_writer = is_inline});
}

static inline void rig_close(struct rig *r)
{
	nx_store_close(nx_steal(r->store));
}

/* The directory's own path of `name`, in one of two buffers. */
static inline const char *rig_path(const struct rig *r, const char *name)
{
	static char buf[2][600];
	static unsigned turn;
	char *p = buf[turn++ % 2];
	(void)snprintf(p, 600, "%s/%s", r->dir, name);
	return p;
}

static inline int rig_run_sql(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db, ctx, NX_NO_PARAMS, err);
}

/* One statement, committed. */
static inline int rig_write(struct rig *r, const char *sql)
{
	return nx_store_write_sync(r->store, rig_run_sql, (void *)(uintptr_t)sql, NULL);
}

static inline int64_t rig_count(struct nx_db *db, const char *sql)
{
	int64_t n = -1;
	ASSERT_OK(nx_db_get_int(db, sql, NX_NO_PARAMS, &n, NULL));
	return n;
}

#endif
