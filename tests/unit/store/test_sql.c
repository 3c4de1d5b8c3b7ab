/* The SQL interface, over SQLite: parameters, values, rows, errors, read transactions. */
#include "base/clock.h"
#include "store/sqlite_internal.h"
#include "tests/unit/store/rig.h"

#include <sys/wait.h>

static const char *rewritten(const char *sql)
{
	static char *text;
	free(nx_steal(text));
	if (nx_sqlite_rewrite(sql, &text, NULL))
		return NULL;
	return text;
}

TEST(parameters_are_numbered_as_they_are_written)
{
	ASSERT_STREQ(rewritten("SELECT $2, $1, $10, $1"), "SELECT ?2, ?1, ?10, ?1");
	ASSERT_STREQ(rewritten("INSERT INTO t VALUES($1,$2)"), "INSERT INTO t VALUES(?1,?2)");
	ASSERT_STREQ(rewritten("$1"), "?1");
	ASSERT_STREQ(rewritten(""), "");
}

TEST(a_dollar_in_a_string_a_name_or_a_comment_stays)
{
	ASSERT_STREQ(rewritten("SELECT '$1', 'it''s $2', $1"), "SELECT '$1', 'it''s $2', ?1");
	ASSERT_STREQ(rewritten("SELECT \"a$1\"\"$2\", `$3`, $1"), "SELECT \"a$1\"\"$2\", `$3`, ?1");
	ASSERT_STREQ(rewritten("SELECT $1 -- $2 'x\n, $3"), "SELECT ?1 -- $2 'x\n, ?3");
	ASSERT_STREQ(rewritten("SELECT /* $1 ' */ $2"), "SELECT /* $1 ' */ ?2");
	ASSERT_STREQ(rewritten("SELECT a$1, $1"), "SELECT a$1, ?1");
	ASSERT_STREQ(rewritten("SELECT x->>'$.a', $1"), "SELECT x->>'$.a', ?1");
}

TEST(what_never_ends_is_left_to_the_parser)
{
	ASSERT_STREQ(rewritten("SELECT '$1"), "SELECT '$1");
	ASSERT_STREQ(rewritten("SELECT /* $1"), "SELECT /* $1");
	ASSERT_STREQ(rewritten("SELECT 1 -- $1"), "SELECT 1 -- $1");
}

TEST(what_is_no_parameter_is_refused)
{
	char *text = NULL;
	const char *const bad[] = {"SELECT $0",  "SELECT $",    "SELECT $name",
				   "SELECT $1a", "SELECT $101", "SELECT $99999999999999999999",
				   "SELECT $01"};
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_ERR(nx_sqlite_rewrite(bad[i], &text, NULL), NX_EINTERNAL);
	ASSERT_NULL(text);
}

static struct rig fresh_inline(void)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	return r;
}

static int every_type(void *ctx, struct nx_db *db, struct nx_error **err)
{
	nx_id id = *(nx_id *)ctx;
	const char nul[] = "a\0b";
	int rc = nx_db_exec(db,
			    "CREATE TABLE v (i INTEGER, r REAL, t TEXT, b BLOB, n TEXT, e TEXT, z BLOB, u BLOB) STRICT",
			    NX_NO_PARAMS, err);
	if (rc)
		return rc;
	return nx_db_exec(db, "INSERT INTO v(i, r, t, b, n, e, z, u) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			  NX_PARAMS(nx_v_int(INT64_MIN), nx_v_real(0.5), nx_v_textz("سلام"),
				    nx_v_blob(nx_str_n(nul, 3)), nx_v_text(NX_STR_NULL), nx_v_text(NX_STR("")),
				    nx_v_blob(NX_STR("")), nx_v_id(&id)),
			  err);
}

TEST(values_come_back_as_they_went)
{
	struct rig r = fresh_inline();
	nx_id id = nx_id_new();
	ASSERT_OK(nx_store_write_sync(r.store, every_type, &id, NULL));
	struct nx_rows *rows = NULL;
	struct nx_db *db = nx_store_reader(r.store);
	ASSERT_OK(nx_db_query(db, "SELECT i, r, t, b, n, e, z, u FROM v", NX_NO_PARAMS, &rows, NULL));
	ASSERT_EQ(nx_rows_next(rows, NULL), 1);
	ASSERT_EQ(nx_rows_int(rows, 0), INT64_MIN);
	ASSERT_DOUBLE_EQ(nx_rows_real(rows, 1), 0.5);
	ASSERT_TRUE(nx_str_eqz(nx_rows_text(rows, 2), "سلام"));
	ASSERT_EQ(nx_rows_blob(rows, 3).n, 3);
	ASSERT_TRUE(nx_rows_is_null(rows, 4));
	ASSERT_NULL(nx_rows_text(rows, 4).p);
	ASSERT_NULL(nx_rows_blob(rows, 4).p);
	ASSERT_FALSE(nx_rows_is_null(rows, 5));
	ASSERT_NOT_NULL(nx_rows_text(rows, 5).p);
	ASSERT_NOT_NULL(nx_rows_blob(rows, 6).p);
	ASSERT_EQ(nx_rows_blob(rows, 6).n, 0);
	ASSERT_TRUE(nx_id_eq(nx_rows_id(rows, 7), id));
	ASSERT_TRUE(nx_id_none(nx_rows_id(rows, 3)));
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	ASSERT_STREQ(nx_rows_textdup(rows, 2, a).p, "سلام");
	ASSERT_NULL(nx_rows_textdup(rows, 4, a).p);
	ASSERT_EQ(nx_rows_next(rows, NULL), 0);
	ASSERT_EQ(nx_rows_next(rows, NULL), 0);
	nx_rows_done(rows);
	rig_close(&r);
}

TEST(a_copy_that_found_no_memory_fails_its_query_and_not_the_next)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	nx_auto_arena struct nx_arena *narrow = nx_arena_new(16);
	nx_auto_arena struct nx_arena *wide = nx_arena_new(0);
	struct nx_arena *const arenas[] = {narrow, wide};
	for (size_t i = 0; i < nx_countof(arenas); i++) {
		struct nx_rows *rows = NULL;
		ASSERT_OK(nx_db_query(db, "SELECT 'more than fits into sixteen bytes'", NX_NO_PARAMS, &rows, NULL));
		ASSERT_EQ(nx_rows_next(rows, NULL), 1);
		bool fits = arenas[i] == wide;
		ASSERT_EQ(nx_rows_textdup(rows, 0, arenas[i]).p != NULL, fits);
		ASSERT_EQ(nx_rows_check(rows, NULL), fits ? 0 : NX_ENOMEM);
		ASSERT_EQ(nx_rows_next(rows, NULL), fits ? 0 : NX_ENOMEM);
		nx_rows_done(rows);
	}
	rig_close(&r);
}

TEST(ids_times_and_texts_that_are_not_there_are_null)
{
	nx_id none = NX_ID_NONE;
	ASSERT_EQ(nx_v_id(NULL).type, NX_V_NULL);
	ASSERT_EQ(nx_v_id(&none).type, NX_V_NULL);
	ASSERT_EQ(nx_v_int0(0).type, NX_V_NULL);
	ASSERT_EQ(nx_v_int0(1).type, NX_V_INT);
	ASSERT_EQ(nx_v_textz(NULL).type, NX_V_NULL);
}

TEST(a_text_stays_in_the_cache_and_another_at_its_address_replaces_it)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	char text[32] = "SELECT 1";
	int64_t got = 0;
	ASSERT_OK(nx_db_get_int(db, text, NX_NO_PARAMS, &got, NULL));
	ASSERT_OK(nx_db_get_int(db, text, NX_NO_PARAMS, &got, NULL));
	ASSERT_EQ(got, 1);
	(void)snprintf(text, sizeof(text), "SELECT 22");
	ASSERT_OK(nx_db_get_int(db, text, NX_NO_PARAMS, &got, NULL));
	ASSERT_EQ(got, 22);
	rig_close(&r);
}

TEST(more_texts_than_the_cache_holds_are_no_harm)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	static char texts[NX_SQLITE_MAX_CACHED + 100][16];
	for (size_t i = 0; i < nx_countof(texts); i++) {
		int64_t got = -1;
		(void)snprintf(texts[i], sizeof(texts[i]), "SELECT %zu", i);
		ASSERT_OK(nx_db_get_int(db, texts[i], NX_NO_PARAMS, &got, NULL));
		ASSERT_EQ(got, i);
	}
	rig_close(&r);
}

TEST(misuse_is_an_error_that_names_the_text)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	nx_auto_error struct nx_error *err = NULL;
	int64_t got;
	ASSERT_ERR(nx_db_get_int(db, "SELECT $1", NX_NO_PARAMS, &got, &err), NX_EINTERNAL);
	ASSERT_STREQ(nx_error_message(err), "0 parameters given, 1 needed: SELECT $1");
	ASSERT_ERR(nx_db_exec(db, "SELECT 1; SELECT 2", NX_NO_PARAMS, NULL), NX_EINTERNAL);
	ASSERT_ERR(nx_db_exec(db, "SELEC", NX_NO_PARAMS, NULL), NX_EINTERNAL);
	ASSERT_ERR(nx_db_exec(db, " ", NX_NO_PARAMS, NULL), NX_EINTERNAL);
	ASSERT_ERR(nx_db_get_int(db, "SELECT 1 WHERE 0", NX_NO_PARAMS, &got, NULL), NX_ENOTFOUND);

	static const char twice[] = "SELECT 1 UNION SELECT 2";
	struct nx_rows *rows = NULL, *again = NULL;
	ASSERT_OK(nx_db_query(db, twice, NX_NO_PARAMS, &rows, NULL));
	ASSERT_ERR(nx_db_query(db, twice, NX_NO_PARAMS, &again, NULL), NX_EINTERNAL);
	nx_rows_done(rows);
	nx_rows_done(NULL);
	rig_close(&r);
}

TEST(a_reader_cannot_write)
{
	struct rig r = fresh_inline();
	ASSERT_ERR(nx_db_exec(nx_store_reader(r.store), "DELETE FROM settings", NX_NO_PARAMS, NULL), NX_EINTERNAL);
	rig_close(&r);
}

TEST(constraints_have_codes_of_their_own)
{
	struct rig r = fresh_inline();
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '1')"));
	ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '2')"), NX_EEXISTS);
	ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('b', NULL)"), NX_EINVAL);
	ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('b', x'00')"), NX_EINVAL);
	ASSERT_ERR(rig_write(&r, "INSERT INTO sessions(uid, tenant_id, user_id, name, created_at, updated_at)"
				 " VALUES (x'01', 77, 'u', 'n', 0, 0)"),
		   NX_ENOTFOUND);
	rig_close(&r);
}

static int insert_returning(void *ctx, struct nx_db *db, struct nx_error **err)
{
	int64_t *ret = ctx;
	int rc = nx_db_get_int(db, "INSERT INTO settings(key, value) VALUES ($1, $2) RETURNING length(key)",
			       NX_PARAMS(nx_v_textz("four"), nx_v_textz("")), &ret[0], err);
	if (!rc)
		rc = nx_db_exec(db, "UPDATE settings SET value = 'x'", NX_NO_PARAMS, err);
	ret[1] = nx_db_changes(db);
	if (!rc)
		rc = nx_db_exec(db, "SELECT 1", NX_NO_PARAMS, err);
	ret[2] = nx_db_changes(db);
	return rc;
}

TEST(returning_gives_rows_and_changes_are_counted)
{
	struct rig r = fresh_inline();
	int64_t got[3] = {0};
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('other', '')"));
	ASSERT_OK(nx_store_write_sync(r.store, insert_returning, got, NULL));
	ASSERT_EQ(got[0], 4);
	ASSERT_EQ(got[1], 2);
	ASSERT_EQ(got[2], 0);
	ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM settings"), 2);
	rig_close(&r);
}

TEST(a_read_transaction_sees_one_state)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	ASSERT_OK(nx_db_begin_read(db, NULL));
	ASSERT_EQ(rig_count(db, "SELECT count(*) FROM settings"), 0);
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '1')"));
	ASSERT_EQ(rig_count(db, "SELECT count(*) FROM settings"), 0);
	nx_db_end_read(db);
	ASSERT_EQ(rig_count(db, "SELECT count(*) FROM settings"), 1);
	rig_close(&r);
}

TEST(a_read_transaction_lasts_a_second)
{
	struct nx_fake_clock clock;
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	nx_fake_clock_install(&clock, 0);
	nx_auto_error struct nx_error *err = NULL;
	int64_t got;
	ASSERT_OK(nx_db_begin_read(db, NULL));
	nx_fake_clock_advance(&clock, NX_USEC_PER_SEC);
	ASSERT_OK(nx_db_get_int(db, "SELECT 1", NX_NO_PARAMS, &got, NULL));
	nx_fake_clock_advance(&clock, 1);
	ASSERT_ERR(nx_db_get_int(db, "SELECT 1", NX_NO_PARAMS, &got, &err), NX_ETIMEOUT);
	ASSERT_CONTAINS(nx_error_message(err), "1 s");
	nx_db_end_read(db);
	ASSERT_OK(nx_db_get_int(db, "SELECT 1", NX_NO_PARAMS, &got, NULL));
	nx_clock_set(NULL);
	rig_close(&r);
}

TEST(a_statement_that_outlasts_its_read_transaction_is_stopped)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	int64_t got, start = nx_time_mono_us();
	ASSERT_OK(nx_db_begin_read(db, NULL));
	ASSERT_ERR(nx_db_get_int(db,
				 "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
				 NX_NO_PARAMS, &got, NULL),
		   NX_ETIMEOUT);
	ASSERT_GE(nx_time_mono_us() - start, NX_USEC_PER_SEC);
	nx_db_end_read(db);
	ASSERT_OK(nx_db_get_int(db, "SELECT 1", NX_NO_PARAMS, &got, NULL));
	rig_close(&r);
}

TEST(a_connection_carried_over_a_fork_is_refused)
{
	struct rig r = fresh_inline();
	struct nx_db *db = nx_store_reader(r.store);
	pid_t pid = fork();
	if (pid == 0) {
		int64_t got;
		int rc = nx_db_get_int(db, "SELECT 1", NX_NO_PARAMS, &got, NULL);
		nx_store_close(r.store); /* leaves everything to the parent */
		_exit(rc == NX_EINTERNAL ? 0 : 1);
	}
	int status = -1;
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '1')"));
	ASSERT_EQ(rig_count(db, "SELECT count(*) FROM settings"), 1);
	rig_close(&r);
}
