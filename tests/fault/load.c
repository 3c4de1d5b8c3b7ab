#include "tests/fault/load.h"

#include "base/assert.h"
#include "base/io.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_FLIGHT 12
#define MAX_TEXT 6000 /* bytes of a row: some fill more than a page */
#define BULK_SLICES 3
#define AHEAD 1024 /* numbers are given out in order, so this many past the last acknowledged may be in use */

uint64_t load_dice(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* ---- what a number stands for ---- */

enum kind { KIND_ROW, KIND_BULK, KIND_FAILING, KIND_FILE };

static enum kind kind_of(uint64_t number)
{
	if (number % 97 == 0)
		return KIND_FILE;
	if (number % 11 == 0)
		return KIND_BULK;
	return number % 7 == 0 ? KIND_FAILING : KIND_ROW;
}

static nx_str text_of(uint64_t number, char buf[MAX_TEXT])
{
	uint64_t state = number;
	size_t n = (size_t)(load_dice(&state) % 5 ? load_dice(&state) % 200 : load_dice(&state) % MAX_TEXT);
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)('a' + load_dice(&state) % 26);
	return nx_str_n(buf, n);
}

static int insert_row(struct nx_db *db, uint64_t number, const char *level, struct nx_error **err)
{
	char buf[MAX_TEXT];
	return nx_db_exec(
		db,
		"INSERT INTO logs(tenant_id, time_us, level, component, message, fields) VALUES ($1, $2, $3, 'load', $4, '{}')",
		NX_PARAMS(nx_v_int(NX_STORE_TENANT), nx_v_int((int64_t)number), nx_v_textz(level),
			  nx_v_text(text_of(number, buf))),
		err);
}

/* ---- the child ---- */

struct load;
struct load_write {
	struct nx_write w;
	struct load *load;
	uint64_t number;
	unsigned slice;
};

struct load {
	struct load_options o;
	struct nx_store *store;
	_Atomic uint64_t next;
	_Atomic unsigned in_flight;
	struct load_write writes[IN_FLIGHT];
};

static int apply_bulk(struct load_write *lw, struct nx_db *db, struct nx_error **err)
{
	if (lw->slice++ < BULK_SLICES) {
		int rc = insert_row(db, lw->number, "staged", err);
		return rc ? rc : NX_WRITE_MORE;
	}
	return nx_db_exec(db, "UPDATE logs SET level = 'bulk' WHERE time_us = $1 AND component = 'load'",
			  NX_PARAMS(nx_v_int((int64_t)lw->number)), err);
}

static int write_file(struct load_write *lw, struct nx_error **err)
{
	char path[512], buf[MAX_TEXT];
	(void)snprintf(path, sizeof(path), "%s/artifacts/%llu", lw->load->o.dir, (unsigned long long)lw->number);
	return nx_file_write_durable(path, text_of(lw->number, buf), 0600, err);
}

static int apply(struct nx_write *w, struct nx_db *db, struct nx_error **err)
{
	struct load_write *lw = nx_container_of(w, struct load_write, w);
	switch (kind_of(lw->number)) {
	case KIND_BULK: return apply_bulk(lw, db, err);
	case KIND_FILE: {
		/* The order of an artifact: the file is durable, then its row. */
		int rc = write_file(lw, err);
		return rc ? rc : insert_row(db, lw->number, "file", err);
	}
	case KIND_FAILING: {
		/* Writes, and then fails: nothing of it may be seen. */
		int rc = insert_row(db, lw->number, "failed", err);
		return rc ? rc : nx_error_set(err, NX_ECONFLICT, "meant to fail");
	}
	case KIND_ROW: break;
	}
	return insert_row(db, lw->number, "row", err);
}

static void submit(struct load_write *lw);

static void done(struct nx_write *w, struct nx_error *err)
{
	struct load_write *lw = nx_container_of(w, struct load_write, w);
	struct load *l = lw->load;
	nx_assert((kind_of(lw->number) == KIND_FAILING) == (err != NULL));
	ssize_t n = write(l->o.ack_fd, &lw->number, sizeof(lw->number));
	nx_assert(n == sizeof(lw->number) || errno == EPIPE);
	submit(lw);
}

static void submit(struct load_write *lw)
{
	struct load *l = lw->load;
	lw->number = atomic_fetch_add(&l->next, 1);
	if (l->o.writes && lw->number >= l->o.first + l->o.writes) {
		atomic_fetch_sub(&l->in_flight, 1);
		return;
	}
	lw->slice = 0;
	lw->w = (struct nx_write){.apply = apply, .done = done};
	if (kind_of(lw->number) == KIND_BULK)
		lw->w.lane = NX_LANE_BULK;
	nx_store_write(l->store, &lw->w);
}

/* Readers hold the log back from starting anew, as real ones do. */
static void *read_all_the_time(void *ctx)
{
	struct load *l = ctx;
	struct nx_db *db = NULL;
	if (nx_store_reader_new(l->store, &db, NULL))
		return NULL;
	while (atomic_load(&l->in_flight)) {
		int64_t a = 0, b = 0;
		if (nx_db_begin_read(db, NULL))
			continue;
		(void)nx_db_get_int(db, "SELECT count(*) FROM logs", NX_NO_PARAMS, &a, NULL);
		(void)usleep(500);
		(void)nx_db_get_int(db, "SELECT count(*) FROM logs", NX_NO_PARAMS, &b, NULL);
		nx_assert(a == b || a == 0 || b == 0);
		nx_db_end_read(db);
	}
	nx_store_reader_free(db);
	return NULL;
}

int load_run(const struct load_options *o, struct nx_error **err)
{
	struct load l = {.o = *o, .next = o->first, .in_flight = IN_FLIGHT};
	struct nx_store_options so = {.dir = o->dir, .sync = o->sync, .readers = 1};
	int rc = nx_store_open(&so, &l.store, err);
	if (rc)
		return rc;
	pthread_t reader;
	bool has_reader = pthread_create(&reader, NULL, read_all_the_time, &l) == 0;
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		l.writes[i].load = &l;
		submit(&l.writes[i]);
	}
	while (atomic_load(&l.in_flight))
		(void)usleep(1000);
	if (has_reader)
		(void)pthread_join(reader, NULL);
	nx_store_close(l.store);
	return 0;
}

/* ---- the parent ---- */

bool load_read_acks(int fd, struct load_ledger *l)
{
	for (;;) {
		if (l->n == l->cap) {
			l->cap = l->cap * 2 + 1024;
			uint64_t *p = realloc(l->acked, l->cap * sizeof(*p));
			if (!p)
				return false;
			l->acked = p;
		}
		ssize_t n = read(fd, &l->acked[l->n], sizeof(l->acked[0]));
		if (n == 0)
			return true;
		if (n == sizeof(l->acked[0]))
			l->n++;
		else if (n > 0 || errno != EINTR)
			return false;
	}
}

void load_ledger_done(struct load_ledger *l)
{
	free(l->acked);
	*l = (struct load_ledger){0};
}

uint64_t load_next(struct load_ledger *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->next = nx_max(l->next, l->acked[i]);
	l->next += AHEAD;
	return l->next;
}

static int wrong(uint64_t number, const char *what, struct nx_error **err)
{
	return nx_error_set(err, NX_ECORRUPT, "write %llu %s", (unsigned long long)number, what);
}

static int check_file(const char *dir, uint64_t number, struct nx_error **err)
{
	char path[512], buf[MAX_TEXT];
	(void)snprintf(path, sizeof(path), "%s/artifacts/%llu", dir, (unsigned long long)number);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str got;
	int rc = nx_file_read(a, path, MAX_TEXT, &got, err);
	if (rc)
		return rc;
	return nx_str_eq(got, text_of(number, buf)) ? 0 : wrong(number, "has another file", err);
}

static int check_rows(struct nx_db *db, uint64_t number, const char *level, int want, struct nx_error **err)
{
	char buf[MAX_TEXT];
	nx_str text = text_of(number, buf);
	nx_auto_rows struct nx_rows *rows = NULL;
	int rc = nx_db_query(db, "SELECT level, message FROM logs WHERE time_us = $1",
			     NX_PARAMS(nx_v_int((int64_t)number)), &rows, err);
	int found = 0;
	while (!rc && (rc = nx_rows_next(rows, err)) > 0) {
		rc = 0;
		found++;
		if (!nx_str_eqz(nx_rows_text(rows, 0), level) || !nx_str_eq(nx_rows_text(rows, 1), text))
			return wrong(number, "is not what was written", err);
	}
	if (rc < 0)
		return rc;
	return found == want ? 0 : wrong(number, found < want ? "is lost" : "is there more than once", err);
}

static int check_one(struct nx_db *db, const char *dir, uint64_t number, struct nx_error **err)
{
	switch (kind_of(number)) {
	case KIND_BULK: return check_rows(db, number, "bulk", BULK_SLICES, err);
	case KIND_FAILING: return check_rows(db, number, "failed", 0, err);
	case KIND_FILE: {
		int rc = check_rows(db, number, "file", 1, err);
		return rc ? rc : check_file(dir, number, err);
	}
	case KIND_ROW: break;
	}
	return check_rows(db, number, "row", 1, err);
}

/* Finding a row by its number must not read them all. */
static int index_numbers(void *ctx, struct nx_db *db, struct nx_error **err)
{
	return nx_db_exec(db, "CREATE INDEX IF NOT EXISTS load_numbers ON logs(time_us)", NX_NO_PARAMS, err);
}

int load_verify(const char *dir, const struct load_ledger *l, size_t from, struct nx_error **err)
{
	struct nx_store_options so = {.dir = dir, .readers = 1, .inline_writer = true};
	struct nx_store *store = NULL;
	int rc = nx_store_open(&so, &store, err);
	if (rc)
		return rc;
	rc = nx_store_check(store, true, err);
	if (!rc && l->n)
		rc = nx_store_write_sync(store, index_numbers, NULL, err);
	for (size_t i = from; !rc && i < l->n; i++)
		rc = check_one(nx_store_reader(store), dir, l->acked[i], err);
	nx_store_close(store);
	return rc;
}
