#include "store/migrate_internal.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"

#include <ctype.h>
#include <string.h>

#define CREATE_LEDGER                                                                                          \
	"CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL," \
	" applied_at INTEGER NOT NULL) STRICT"

static int64_t version_at(const struct nx_assets *set, size_t i)
{
	/* The name starts with four digits: a file that does not is refused by the test of the set. */
	int64_t version = 0;
	for (const char *p = set->items[i].path; isdigit((unsigned char)*p); p++)
		version = version * 10 + (*p - '0');
	return version;
}

int64_t nx_migrations_latest(const struct nx_assets *set)
{
	return set->count ? version_at(set, set->count - 1) : 0;
}

static void hash_at(const struct nx_assets *set, size_t i, unsigned char ret[32])
{
	nx_sha256(nx_str_n((const char *)set->items[i].data, set->items[i].size), ret);
}

int nx_migrations_refuse_newer(int64_t version, const struct nx_assets *set, const char *path, struct nx_error **err)
{
	if (version <= nx_migrations_latest(set))
		return 0;
	int code = nx_error_set(err, NX_EVERSION, "%s has version %lld of the tables, this program knows up to %lld",
				path, (long long)version, (long long)nx_migrations_latest(set));
	(void)nx_error_hint(err, "run the newer program, or restore a backup made before it; the file was not touched");
	return code;
}

/* The part of the set that is applied must be what was applied. */
static int check_applied(struct nx_db *db, const struct nx_assets *set, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(db, "SELECT version, name, hash FROM schema_migrations ORDER BY version", NX_NO_PARAMS,
			     &rows, err);
	if (rc)
		return rc;
	size_t i = 0;
	while ((rc = nx_rows_next(rows, err)) > 0) {
		nx_str name = nx_rows_text(rows, 1), hash = nx_rows_blob(rows, 2);
		if (i >= set->count || version_at(set, i) != nx_rows_int(rows, 0))
			return nx_error_set(err, NX_EVERSION,
					    "migration %.*s was applied, and this program does not have it",
					    NX_FMT(name));
		unsigned char ours[32];
		hash_at(set, i, ours);
		if (hash.n != sizeof(ours) || memcmp(hash.p, ours, sizeof(ours)) != 0)
			return nx_error_set(err, NX_EVERSION, "migration %.*s was changed after it was applied",
					    NX_FMT(name));
		i++;
	}
	return rc;
}

static int apply_one(struct nx_db *db, const struct nx_assets *set, size_t i, struct nx_error **err)
{
	const struct nx_asset *m = &set->items[i];
	if (NX_FAULT(store_migrate))
		return nx_error_set(err, NX_EIO, "injected fault: migrate");
	if (db->ops->script(db, (const char *)m->data, err))
		return nx_error_wrap(err, "migration %s", m->path);
	unsigned char hash[32];
	hash_at(set, i, hash);
	return nx_db_exec(db, "INSERT INTO schema_migrations(version, name, hash, applied_at) VALUES ($1, $2, $3, $4)",
			  NX_PARAMS(nx_v_int(version_at(set, i)), nx_v_textz(m->path),
				    nx_v_blob(nx_str_n((const char *)hash, sizeof(hash))), nx_v_int(nx_time_wall_us())),
			  err);
}

static int apply_pending(struct nx_db *db, const struct nx_assets *set, int64_t version, struct nx_error **err)
{
	int rc = version == 0 ? nx_db_exec(db, CREATE_LEDGER, NX_NO_PARAMS, err) : 0;
	for (size_t i = 0; !rc && i < set->count; i++) {
		if (version_at(set, i) > version)
			rc = apply_one(db, set, i, err);
	}
	return rc ? rc : db->ops->set_version(db, nx_migrations_latest(set), err);
}

static int apply_in_one(struct nx_db *db, const struct nx_assets *set, int64_t version, struct nx_error **err)
{
	int rc = nx_db_exec(db, db->ops->begin_write, NX_NO_PARAMS, err);
	if (rc)
		return rc;
	rc = apply_pending(db, set, version, err);
	if (!rc)
		rc = nx_db_exec(db, "COMMIT", NX_NO_PARAMS, err);
	if (rc && db->ops->in_tx(db))
		(void)nx_db_exec(db, "ROLLBACK", NX_NO_PARAMS, NULL);
	return rc;
}

int nx_migrations_check(struct nx_db *db, const struct nx_assets *set, const char *path, struct nx_error **err)
{
	int64_t version = 0;
	int rc = db->ops->get_version(db, &version, err);
	if (!rc)
		rc = nx_migrations_refuse_newer(version, set, path, err);
	if (rc)
		return rc;
	if (version < nx_migrations_latest(set))
		return nx_error_set(err, NX_EVERSION,
				    "%s has version %lld of the tables and needs %lld: start the server on it once",
				    path, (long long)version, (long long)nx_migrations_latest(set));
	return check_applied(db, set, err);
}

int nx_migrate(struct nx_db *db, const struct nx_assets *set, const char *path, struct nx_error **err)
{
	int64_t version = 0;
	int rc = db->ops->get_version(db, &version, err);
	if (!rc)
		rc = nx_migrations_refuse_newer(version, set, path, err);
	if (!rc && version > 0)
		rc = check_applied(db, set, err);
	if (rc || version == nx_migrations_latest(set))
		return rc;
	return apply_in_one(db, set, version, err);
}
