/*
 * Numbered migrations, embedded: 0001_first.sql, 0002_…, applied in order and in one transaction with the version.
 *
 * The database carries its version and, in schema_migrations, the SHA-256 of each text that made it. A database that is
 * newer than the program, or was made by other texts, is refused before anything is written.
 */
#ifndef NX_STORE_MIGRATE_INTERNAL_H
#define NX_STORE_MIGRATE_INTERNAL_H

#include "base/asset.h"
#include "store/db_internal.h"

int64_t nx_migrations_latest(const struct nx_assets *set);
/* NX_EVERSION, saying both versions. `path` names the database. */
int nx_migrations_refuse_newer(int64_t version, const struct nx_assets *set, const char *path, struct nx_error **err);
/* Brings the database to the latest version. NX_EVERSION as above. */
int nx_migrate(struct nx_db *db, const struct nx_assets *set, const char *path, struct nx_error **err);
/* NX_EVERSION unless the database is at the latest version; writes nothing. */
int nx_migrations_check(struct nx_db *db, const struct nx_assets *set, const char *path, struct nx_error **err);

#endif
