#include "store/store.h"

#include "base/assert.h"
#include "base/asset.h"
#include "store/migrate_internal.h"
#include "store/sqlite_internal.h"
#include "store/store_internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define WRITER_NICE (-20)

NX_ASSETS(migrations_sqlite);

int nx_store_thread(pthread_t *ret, const char *name, void *(*run)(void *), void *ctx, struct nx_error **err)
{
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(ret, NULL, run, ctx);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return nx_error_set_errno(err, rc, "start the thread %s", name);
	(void)pthread_setname_np(*ret, name);
	return 0;
}

void nx_store_raise_priority(void)
{
	struct sched_param p = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) == 0)
		return;
	/* Without the privilege both fail, and the thread runs like any other. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), WRITER_NICE);
}

static int open_db(struct nx_store *s, enum nx_sqlite_mode mode, enum nx_synchronous sync, struct nx_db **ret,
		   struct nx_error **err)
{
	struct nx_sqlite_options o = {.path = s->datadir.db_path, .vfs = s->vfs, .mode = mode, .sync = sync};
	return nx_sqlite_open(&o, ret, err);
}

/* Refuses a log that is damaged; *ret tells whether there is anything in it. */
static int check_log(const struct nx_store *s, bool *ret, struct nx_error **err)
{
	nx_auto_free char *path = NULL;
	struct stat st;
	if (asprintf(&path, "%s-wal", s->datadir.db_path) < 0)
		return nx_error_set(err, NX_ENOMEM, "no memory for a path");
	*ret = stat(path, &st) == 0 && st.st_size > 0;
	return *ret ? nx_sqlite_log_check(path, err) : 0;
}

/* Refuses a newer database before anything is written. After a crash its version may be in the log alone: *ret_peek then
 * holds a connection that has read the log and spares the writer from reading it again. */
static int refuse_newer(struct nx_store *s, struct nx_db **ret_peek, struct nx_error **err)
{
	int64_t version = 0;
	int rc = nx_datadir_peek(&s->datadir, &version, err);
	if (!rc)
		rc = nx_migrations_refuse_newer(version, &nx_assets_migrations_sqlite, s->datadir.db_path, err);
	bool has_log = false;
	if (!rc)
		rc = check_log(s, &has_log, err);
	if (rc || !has_log)
		return rc;
	rc = open_db(s, NX_SQLITE_PEEK, NX_SYNC_FULL, ret_peek, err);
	if (!rc)
		rc = (*ret_peek)->ops->get_version(*ret_peek, &version, err);
	return rc ? rc : nx_migrations_refuse_newer(version, &nx_assets_migrations_sqlite, s->datadir.db_path, err);
}

static int open_writer(struct nx_store *s, const struct nx_store_options *o, struct nx_error **err)
{
	struct nx_db *peek = NULL;
	int rc = refuse_newer(s, &peek, err);
	if (!rc && !o->read_only) {
		rc = open_db(s, NX_SQLITE_WRITER, o->sync, &s->writer_db, err);
		if (!rc)
			rc = nx_migrate(s->writer_db, &nx_assets_migrations_sqlite, s->datadir.db_path, err);
		if (!rc)
			rc = nx_datadir_remember(&s->datadir, err);
	}
	nx_db_close(peek);
	return rc;
}

static int open_readers(struct nx_store *s, const struct nx_store_options *o, struct nx_error **err)
{
	enum nx_sqlite_mode mode = o->read_only ? NX_SQLITE_PEEK : NX_SQLITE_READER;
	unsigned n = nx_max(o->readers, 1U);
	s->readers = calloc(n, sizeof(*s->readers));
	if (!s->readers)
		return nx_error_set(err, NX_ENOMEM, "no memory for %u read connections", n);
	for (; s->nreaders < n; s->nreaders++) {
		int rc = open_db(s, mode, NX_SYNC_FULL, &s->readers[s->nreaders], err);
		if (rc)
			return rc;
	}
	if (o->read_only)
		return nx_migrations_check(s->readers[0], &nx_assets_migrations_sqlite, s->datadir.db_path, err);
	return 0;
}

static int start_threads(struct nx_store *s, const struct nx_store_options *o, struct nx_error **err)
{
	bool with_threads = !o->inline_writer && !o->read_only;
	s->writer.datadir = &s->datadir;
	s->writer.db = s->writer_db;
	s->writer.checkpointer = &s->checkpointer;
	s->writer.group_wait_us = o->group_wait_us;
	int rc = with_threads ? nx_checkpointer_start(&s->checkpointer, err) : 0;
	return rc ? rc : nx_writer_start(&s->writer, with_threads, err);
}

static int open_all(struct nx_store *s, const struct nx_store_options *o, struct nx_error **err)
{
	s->inline_writer = o->inline_writer;
	s->forks = nx_db_forks();
	s->writer.wake_fd = -1;
	s->datadir.lock_fd = -1;
	if (o->vfs && !(s->vfs = strdup(o->vfs)))
		return nx_error_set(err, NX_ENOMEM, "no memory for the store");
	int rc = nx_datadir_open(o->dir, &s->datadir, err);
	if (!rc)
		rc = open_writer(s, o, err);
	if (!rc)
		rc = open_readers(s, o, err);
	return rc ? rc : start_threads(s, o, err);
}

int nx_store_open(const struct nx_store_options *o, struct nx_store **ret, struct nx_error **err)
{
	struct nx_store *s = calloc(1, sizeof(*s));
	if (!s)
		return nx_error_set(err, NX_ENOMEM, "no memory for the store");
	int rc = open_all(s, o, err);
	if (rc) {
		nx_store_close(s);
		return nx_error_wrap(err, "open the data directory %s", o->dir);
	}
	*ret = s;
	return 0;
}

void nx_store_close(struct nx_store *s)
{
	/* In the child of a fork everything here is the parent's. */
	if (!s || s->forks != nx_db_forks())
		return;
	nx_assert(atomic_load_explicit(&s->loose_readers, memory_order_acquire) == 0);
	nx_writer_stop(&s->writer);
	nx_checkpointer_stop(&s->checkpointer);
	for (unsigned i = 0; i < s->nreaders; i++)
		nx_db_close(s->readers[i]);
	/* Failure loses nothing: the log is read again at the next start. */
	if (s->writer_db && s->writer_db->ops->checkpoint)
		(void)s->writer_db->ops->checkpoint(s->writer_db, true, NULL);
	nx_db_close(s->writer_db);
	nx_datadir_close(&s->datadir);
	free(s->readers);
	free(s->vfs);
	free(s);
}

const char *nx_store_dir(const struct nx_store *s)
{
	return s->datadir.dir;
}

int nx_store_note_address(struct nx_store *s, const char *address, struct nx_error **err)
{
	return nx_datadir_note_address(&s->datadir, address, err);
}

static void refuse(struct nx_write *w, const char *why)
{
	struct nx_error *err = NULL;
	(void)nx_error_set(&err, NX_EUNSUPPORTED, "%s", why);
	if (w->done)
		w->done(w, err);
	nx_error_free(err);
}

void nx_store_write(struct nx_store *s, struct nx_write *w)
{
	if (!s->writer_db)
		refuse(w, "the data directory was opened for reading only");
	else
		nx_writer_post(&s->writer, w, s->inline_writer);
}

struct sync_write {
	struct nx_write w;
	int (*apply)(void *ctx, struct nx_db *db, struct nx_error **err);
	void *ctx;
	struct nx_error *err;
	sem_t finished;
};

static int sync_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct sync_write *sw = nx_container_of(w, struct sync_write, w);
	return sw->apply(sw->ctx, db, err);
}

static void sync_done(struct nx_write *w, struct nx_error *err)
{
	struct sync_write *sw = nx_container_of(w, struct sync_write, w);
	sw->err = err ? nx_error_copy(err) : NULL;
	int rc = sem_post(&sw->finished);
	nx_assert(rc == 0);
}

int nx_store_write_sync(struct nx_store *s, int (*apply)(void *ctx, struct nx_db *db, struct nx_error **err), void *ctx,
			struct nx_error **err)
{
	struct sync_write sw = {.w = {.apply = sync_apply, .done = sync_done}, .apply = apply, .ctx = ctx};
	if (sem_init(&sw.finished, 0, 0))
		return nx_error_set_errno(err, errno, "make a semaphore");
	nx_store_write(s, &sw.w);
	while (sem_wait(&sw.finished))
		nx_assert(errno == EINTR);
	(void)sem_destroy(&sw.finished);
	return sw.err ? nx_error_move(err, sw.err) : 0;
}

struct nx_db *nx_store_reader(struct nx_store *s)
{
	int i = nx_worker_index();
	if (i < 0) {
		nx_assert(s->inline_writer || !s->writer_db);
		i = 0;
	}
	nx_assert((unsigned)i < s->nreaders);
	return s->readers[i];
}

int nx_store_reader_new(struct nx_store *s, struct nx_db **ret, struct nx_error **err)
{
	int rc = open_db(s, s->writer_db ? NX_SQLITE_READER : NX_SQLITE_PEEK, NX_SYNC_FULL, ret, err);
	if (rc)
		return rc;
	(*ret)->loose = &s->loose_readers;
	atomic_fetch_add_explicit(&s->loose_readers, 1, memory_order_relaxed);
	return 0;
}

void nx_store_reader_free(struct nx_db *db)
{
	if (!db)
		return;
	_Atomic unsigned *loose = db->loose;
	nx_assert(loose);
	nx_db_close(db);
	/* Release: the connection is closed before the store can be. */
	atomic_fetch_sub_explicit(loose, 1, memory_order_release);
}

static int64_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

void nx_store_stats(struct nx_store *s, struct nx_store_stats *ret)
{
	const struct nx_writer *w = &s->writer;
	nx_auto_free char *log = NULL;
	*ret = (struct nx_store_stats){
		.commits = atomic_load_explicit(&w->commits, memory_order_relaxed),
		.writes = atomic_load_explicit(&w->writes, memory_order_relaxed),
		.failed = atomic_load_explicit(&w->failed, memory_order_relaxed),
		.checkpoints = atomic_load_explicit(&w->checkpoints, memory_order_relaxed),
		.queue = atomic_load_explicit(&w->queue, memory_order_relaxed),
		.wal_bytes = asprintf(&log, "%s-wal", s->datadir.db_path) > 0 ? size_of(log) : 0,
		.db_bytes = size_of(s->datadir.db_path),
		.last_commit_us = atomic_load_explicit(&w->last_commit_us, memory_order_relaxed),
	};
}

int nx_store_check(struct nx_store *s, bool full, struct nx_error **err)
{
	/* A connection of its own has nothing cached: every page is read from the disk. */
	struct nx_db *db = NULL;
	int rc = nx_store_reader_new(s, &db, err);
	if (rc)
		return rc;
	rc = db->ops->check(db, full, err);
	nx_store_reader_free(db);
	return rc;
}

int nx_store_next_seq(struct nx_db *db, int64_t tenant, int64_t *ret, struct nx_error **err)
{
	int rc = nx_db_get_int(db, "UPDATE tenants SET next_seq = next_seq + 1 WHERE id = $1 RETURNING next_seq - 1",
			       NX_PARAMS(nx_v_int(tenant)), ret, err);
	return rc == NX_ENOTFOUND ? nx_error_wrap(err, "tenant %lld", (long long)tenant) : rc;
}
