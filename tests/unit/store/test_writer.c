/* The writer: groups, savepoints, lanes, failures. */
#include "base/clock.h"
#include "base/fault.h"
#include "tests/unit/store/rig.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* A write that inserts `key`, and fails with `code` after that when it is not 0. */
struct put {
	struct nx_write w;
	const char *key;
	int code;
	int slices;  /* bulk: MORE so many times */
	sem_t *gate; /* waited for in apply */
	sem_t finished;
	int result;
	unsigned order;
	char message[256];
};

static _Atomic unsigned order;

static int put_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct put *p = nx_container_of(w, struct put, w);
	while (p->gate && sem_wait(p->gate))
		continue;
	p->gate = NULL;
	if (p->slices > 0) {
		p->slices--;
		while (!nx_write_slice_over(w))
			continue;
		return NX_WRITE_MORE;
	}
	int rc = nx_db_exec(db, "INSERT INTO settings(key, value) VALUES ($1, '')", NX_PARAMS(nx_v_textz(p->key)), err);
	if (!rc && p->code)
		return nx_error_set(err, p->code, "%s cannot be", p->key);
	return rc;
}

static void put_done(struct nx_write *w, struct nx_error *err)
{
	struct put *p = nx_container_of(w, struct put, w);
	p->result = nx_error_code(err);
	(void)snprintf(p->message, sizeof(p->message), "%s", nx_error_message(err));
	p->order = atomic_fetch_add(&order, 1);
	(void)sem_post(&p->finished);
}

static void put_start(struct rig *r, struct put *p, const char *key)
{
	p->key = key;
	p->w.apply = put_apply;
	p->w.done = put_done;
	(void)sem_init(&p->finished, 0, 0);
	nx_store_write(r->store, &p->w);
}

static void put_wait(struct put *p)
{
	while (sem_wait(&p->finished))
		ASSERT_EQ(errno, EINTR);
	(void)sem_destroy(&p->finished);
}

static struct rig fresh(void)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, false);
	return r;
}

static int64_t rows_now(struct rig *r)
{
	struct nx_db *db = NULL;
	ASSERT_OK(nx_store_reader_new(r->store, &db, NULL));
	int64_t n = rig_count(db, "SELECT count(*) FROM settings");
	nx_store_reader_free(db);
	return n;
}

TEST(a_write_can_be_read_when_it_is_done)
{
	struct rig r = fresh();
	struct put p = {0};
	put_start(&r, &p, "a");
	put_wait(&p);
	ASSERT_OK(p.result);
	ASSERT_EQ(rows_now(&r), 1);
	rig_close(&r);
}

TEST(writes_that_wait_together_are_one_commit_in_their_order)
{
	struct rig r = fresh();
	sem_t gate;
	(void)sem_init(&gate, 0, 0);
	struct put first = {.gate = &gate}, rest[50] = {0};
	static char keys[50][8];
	put_start(&r, &first, "first");
	for (int i = 0; i < 50; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		put_start(&r, &rest[i], keys[i]);
	}
	struct nx_store_stats before, after;
	nx_store_stats(r.store, &before);
	ASSERT_GE(before.queue, 50);
	(void)sem_post(&gate);
	put_wait(&first);
	for (int i = 0; i < 50; i++) {
		put_wait(&rest[i]);
		ASSERT_OK(rest[i].result);
		ASSERT_GT(rest[i].order, i ? rest[i - 1].order : first.order);
	}
	nx_store_stats(r.store, &after);
	ASSERT_LE(after.commits - before.commits, 2); /* the gate may have used up the first group's time */
	ASSERT_EQ(after.queue, 0);
	ASSERT_EQ(rows_now(&r), 51);
	rig_close(&r);
	(void)sem_destroy(&gate);
}

TEST(one_bad_message_fails_alone)
{
	struct rig r = fresh();
	sem_t gate;
	(void)sem_init(&gate, 0, 0);
	struct put first = {.gate = &gate}, bad = {.code = NX_ECONFLICT}, same = {0}, last = {0};
	put_start(&r, &first, "a");
	put_start(&r, &bad, "bad");
	put_start(&r, &same, "a");
	put_start(&r, &last, "b");
	(void)sem_post(&gate);
	put_wait(&first);
	put_wait(&bad);
	put_wait(&same);
	put_wait(&last);
	ASSERT_OK(first.result);
	ASSERT_ERR(bad.result, NX_ECONFLICT);
	ASSERT_STREQ(bad.message, "bad cannot be");
	ASSERT_ERR(same.result, NX_EEXISTS);
	ASSERT_OK(last.result);
	ASSERT_EQ(rows_now(&r), 2);
	rig_close(&r);
	(void)sem_destroy(&gate);
}

static int fail_silently(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return NX_EBUSY;
}

TEST(a_failure_without_a_word_still_has_a_message)
{
	struct rig r = fresh();
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_ERR(nx_store_write_sync(r.store, fail_silently, NULL, &err), NX_EBUSY);
	ASSERT_CONTAINS(nx_error_message(err), "did not say why");
	rig_close(&r);
}

/* Each slice of the bulk write posts an interactive one, which notes how many slices had begun when it was applied. */
#define NOTES 20
struct sliced;
struct note {
	struct nx_write w;
	struct sliced *sliced;
	unsigned posted_in, applied_after;
};
struct sliced {
	struct nx_write w;
	struct nx_store *store;
	unsigned slices;
	struct note notes[NOTES];
	sem_t finished;
};

static int note_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct note *n = nx_container_of(w, struct note, w);
	n->applied_after = n->sliced->slices;
	return 0;
}

static int sliced_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct sliced *s = nx_container_of(w, struct sliced, w);
	if (s->slices == NOTES)
		return 0;
	struct note *n = &s->notes[s->slices++];
	*n = (struct note){.w.apply = note_apply, .sliced = s, .posted_in = s->slices};
	nx_store_write(s->store, &n->w);
	while (!nx_write_slice_over(w))
		continue;
	return NX_WRITE_MORE;
}

static void sliced_done(struct nx_write *w, struct nx_error *err)
{
	(void)sem_post(&nx_container_of(w, struct sliced, w)->finished);
}

TEST(bulk_holds_an_interactive_write_up_for_one_slice_at_most)
{
	struct rig r = fresh();
	struct sliced s = {.w = {.lane = NX_LANE_BULK, .apply = sliced_apply, .done = sliced_done}, .store = r.store};
	(void)sem_init(&s.finished, 0, 0);
	nx_store_write(r.store, &s.w);
	while (sem_wait(&s.finished))
		continue;
	ASSERT_EQ(s.slices, NOTES);
	for (unsigned i = 0; i < NOTES; i++)
		ASSERT_EQ(s.notes[i].applied_after, s.notes[i].posted_in);
	rig_close(&r);
	(void)sem_destroy(&s.finished);
}

/* Keeps the interactive lane full by itself. */
struct flood {
	struct nx_write w;
	struct nx_store *store;
	_Atomic bool stop;
	sem_t stopped;
};

static int flood_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(
		db,
		"INSERT INTO settings(key, value) VALUES ('flood', '') ON CONFLICT DO UPDATE SET value = value || 'x'",
		NX_NO_PARAMS, err);
}

static void flood_done(struct nx_write *w, struct nx_error *err)
{
	struct flood *f = nx_container_of(w, struct flood, w);
	if (atomic_load(&f->stop))
		(void)sem_post(&f->stopped);
	else
		nx_store_write(f->store, w);
}

TEST(bulk_ends_although_interactive_writes_never_pause)
{
	struct rig r = fresh();
	struct flood floods[8];
	for (size_t i = 0; i < nx_countof(floods); i++) {
		floods[i] = (struct flood){.w = {.apply = flood_apply, .done = flood_done}, .store = r.store};
		(void)sem_init(&floods[i].stopped, 0, 0);
		nx_store_write(r.store, &floods[i].w);
	}
	struct put bulk = {.w.lane = NX_LANE_BULK, .slices = 5};
	put_start(&r, &bulk, "bulk");
	put_wait(&bulk);
	ASSERT_OK(bulk.result);
	for (size_t i = 0; i < nx_countof(floods); i++)
		atomic_store(&floods[i].stop, true);
	for (size_t i = 0; i < nx_countof(floods); i++)
		while (sem_wait(&floods[i].stopped))
			continue;
	rig_close(&r);
}

TEST(a_bulk_write_that_fails_late_keeps_its_earlier_slices_and_says_so)
{
	struct rig r = fresh();
	struct put bulk = {.w.lane = NX_LANE_BULK, .slices = 2, .code = NX_ETOOBIG};
	put_start(&r, &bulk, "bulk");
	put_wait(&bulk);
	ASSERT_ERR(bulk.result, NX_ETOOBIG);
	ASSERT_EQ(rows_now(&r), 0);
	rig_close(&r);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit l;
	ASSERT_OK(getrlimit(RLIMIT_FSIZE, &l));
	l.rlim_cur = bytes < l.rlim_max ? bytes : l.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_FSIZE, &l));
}

TEST(a_full_disk_is_said_to_every_member_and_the_store_goes_on_when_there_is_room)
{
	struct rig r = fresh();
	(void)signal(SIGXFSZ, SIG_IGN);
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('before', '')"));
	sem_t gate;
	(void)sem_init(&gate, 0, 0);
	struct put a = {.gate = &gate}, b = {0}, bulk = {.w.lane = NX_LANE_BULK};
	put_start(&r, &a, "a");
	put_start(&r, &b, "b");
	put_start(&r, &bulk, "bulk");
	limit_files(64); /* where a frame would be written, whatever the size of the log */
	(void)sem_post(&gate);
	put_wait(&a);
	put_wait(&b);
	put_wait(&bulk);
	limit_files(RLIM_INFINITY);
	ASSERT_ERR(a.result, NX_ENOSPACE);
	ASSERT_ERR(b.result, NX_ENOSPACE);
	ASSERT_ERR(bulk.result, NX_ENOSPACE);
	ASSERT_CONTAINS(a.message, "no space left");
	ASSERT_EQ(rows_now(&r), 1);
	struct put after = {0};
	put_start(&r, &after, "after");
	put_wait(&after);
	ASSERT_OK(after.result);
	ASSERT_OK(nx_store_check(r.store, true, NULL));
	rig_close(&r);
	rig_open(&r, false);
	ASSERT_EQ(rows_now(&r), 2);
	rig_close(&r);
	(void)sem_destroy(&gate);
}

TEST(what_cannot_begin_or_commit_fails_and_leaves_nothing)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	const char *const plans[] = {"store_begin=1", "store_commit=1", "store_step=1", "store_step=2", "store_step=3"};
	for (size_t i = 0; i < nx_countof(plans); i++) {
		if (nx_fault_plan(plans[i], NULL)) {
			rig_close(&r);
			SKIP("fault points are compiled out");
		}
		ASSERT_ERR(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '')"), NX_EIO);
		ASSERT_OK(nx_fault_plan(NULL, NULL));
		ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM settings"), 0);
	}
	ASSERT_OK(rig_write(&r, "INSERT INTO settings(key, value) VALUES ('a', '')"));
	rig_close(&r);
}

TEST(closing_finishes_what_is_queued)
{
	struct rig r = fresh();
	static char keys[200][8];
	struct put puts[200] = {0};
	for (int i = 0; i < 200; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		puts[i].w.lane = i % 3 ? NX_LANE_INTERACTIVE : NX_LANE_BULK;
		put_start(&r, &puts[i], keys[i]);
	}
	rig_close(&r);
	for (int i = 0; i < 200; i++) {
		put_wait(&puts[i]);
		ASSERT_OK(puts[i].result);
	}
	rig_open(&r, false);
	ASSERT_EQ(rows_now(&r), 200);
	rig_close(&r);
}

TEST(done_runs_on_the_loop_that_was_named)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	struct nx_loop *loop = nx_loop_new_sim("test");
	struct put p = {.w.reply = loop, .result = 1};
	put_start(&r, &p, "a");
	ASSERT_EQ(p.result, 1);
	int64_t next;
	while (nx_loop_step(loop, &next))
		continue;
	put_wait(&p);
	ASSERT_OK(p.result);
	nx_loop_free(loop);
	rig_close(&r);
}

/* Inline: a write made while one is being completed waits its turn. */
struct chain {
	struct nx_write w;
	struct nx_store *store;
	int left, depth, deepest;
};

static int chain_apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db, "INSERT INTO settings(key, value) SELECT count(*) || '', '' FROM settings", NX_NO_PARAMS,
			  err);
}

static void chain_done(struct nx_write *w, struct nx_error *err)
{
	struct chain *c = nx_container_of(w, struct chain, w);
	c->depth++;
	c->deepest = nx_max(c->deepest, c->depth);
	if (!err && --c->left > 0)
		nx_store_write(c->store, w);
	c->depth--;
}

TEST(inline_writes_run_one_after_the_other_without_nesting)
{
	struct rig r;
	rig_dir(&r);
	rig_open(&r, true);
	struct chain c = {.w = {.apply = chain_apply, .done = chain_done}, .store = r.store, .left = 100};
	nx_store_write(r.store, &c.w);
	ASSERT_EQ(c.left, 0);
	ASSERT_EQ(c.deepest, 1);
	ASSERT_EQ(rig_count(nx_store_reader(r.store), "SELECT count(*) FROM settings"), 100);
	rig_close(&r);
}

static int fill(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db,
			  "INSERT INTO logs(tenant_id, time_us, level, component, message, fields)"
			  " WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300)"
			  " SELECT 1, x, '', '', hex(zeroblob(1500)), '{}' FROM c",
			  NX_NO_PARAMS, err);
}

TEST(the_log_is_folded_back_and_does_not_grow_for_ever)
{
	struct rig r = fresh();
	for (int i = 0; i < 20; i++)
		ASSERT_OK(nx_store_write_sync(r.store, fill, NULL, NULL));
	struct nx_store_stats s;
	for (int i = 0; i < 200; i++) {
		nx_store_stats(r.store, &s);
		if (s.checkpoints > 0)
			break;
		(void)usleep(10000);
	}
	ASSERT_GT(s.checkpoints, 0);
	ASSERT_LT(s.wal_bytes, 16 << 20);
	ASSERT_GT(s.db_bytes, 1 << 20);
	ASSERT_GE(s.commits, 20);
	ASSERT_EQ(s.failed, 0);
	rig_close(&r);
}

TEST(the_group_waits_for_company_as_long_as_it_was_told)
{
	struct rig r;
	rig_dir(&r);
	rig_open_with(&r, (struct nx_store_options){.readers = 1, .group_wait_us = 3000});
	struct nx_store_stats before, after;
	nx_store_stats(r.store, &before);
	struct put a = {0}, b = {0};
	put_start(&r, &a, "a");
	put_start(&r, &b, "b");
	put_wait(&a);
	put_wait(&b);
	nx_store_stats(r.store, &after);
	ASSERT_LE(after.commits - before.commits, 2);
	ASSERT_OK(a.result);
	ASSERT_OK(b.result);
	rig_close(&r);
}
