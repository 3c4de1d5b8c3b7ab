#include "base/clock.h"
#include "base/log.h"
#include "base/schema.h"
#include "monitoring/monitoring.h"
#include "tests/unit/nx_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#define SECOND NX_USEC_PER_SEC
#define START (INT64_C(1800000000) * SECOND)

/* Everything in one thread, on a clock that stands still: an inline store and a simulated loop. */
struct fixture {
	struct nx_fake_clock clock;
	struct nx_store *store;
	struct nx_loop *loop;
	struct nx_monitoring *m;
	struct nx_arena *arena;
	struct nx_trace_ctx trace;
	nx_id task;
	char dir[512];
};

static int insert_task(void *ctx, struct nx_db *db, struct nx_error **err)
{
	struct fixture *f = ctx;
	return nx_db_exec(db,
			  "INSERT INTO tasks(uid, tenant_id, state, priority, input, request, trace_id, created_at) "
			  "VALUES ($1, 1, 'running', 1, 'x', '{}', $2, 1)",
			  NX_PARAMS(nx_v_id(&f->task), nx_v_id(&f->trace.trace)), err);
}

static void open_store(struct fixture *f, bool inline_writer)
{
	static int n;
	(void)snprintf(f->dir, sizeof(f->dir), "%s/%d", nx_test_dir(), n++);
	struct nx_store_options o = {.dir = f->dir, .readers = 1, .inline_writer = inline_writer};
	ASSERT_OK(nx_store_open(&o, &f->store, NULL));
	f->task = nx_id_new();
	f->trace = (struct nx_trace_ctx){.trace = nx_id_new(), .span = 1};
	ASSERT_OK(nx_store_write_sync(f->store, insert_task, f, NULL));
}

static void watch(struct fixture *f, const struct nx_config *config)
{
	struct nx_monitoring_parts p = {.config = config, .store = f->store, .loop = f->loop};
	ASSERT_OK(nx_monitoring_new(&p, &f->m, NULL));
}

static void set_up(struct fixture *f)
{
	*f = (struct fixture){.dir = ""};
	nx_fake_clock_install(&f->clock, START);
	nx_log_setup(NX_LOG_INFO, NX_LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
	open_store(f, true);
	f->loop = nx_loop_new_sim("sim");
	f->arena = nx_arena_new(0);
	ASSERT_NOT_NULL(f->loop);
	ASSERT_NOT_NULL(f->arena);
	watch(f, NULL);
}

static void tear_down(struct fixture *f)
{
	nx_monitoring_free(f->m);
	nx_loop_free(f->loop);
	nx_store_close(f->store);
	nx_arena_free(f->arena);
	nx_clock_set(NULL);
}

static void run_for(struct fixture *f, int64_t us)
{
	int64_t end = nx_time_mono_us() + us, next;
	for (;;) {
		while (nx_loop_step(f->loop, &next))
			;
		if (next > end)
			break;
		nx_fake_clock_advance(&f->clock, next - nx_time_mono_us());
	}
	nx_fake_clock_advance(&f->clock, end - nx_time_mono_us());
}

static void make_span(struct fixture *f, const char *name, int64_t us, int error)
{
	struct nx_span s;
	nx_span_start(&s, f->trace, name);
	s.tenant = 1;
	s.task = f->task;
	nx_span_attr_str(&s, "tool", NX_STR("math.eval"));
	nx_fake_clock_advance(&f->clock, us);
	nx_span_end(&s, error);
}

static void say(struct fixture *f, const char *message, int n)
{
	struct nx_log_scope before =
		nx_log_scope_set((struct nx_log_scope){.tenant = 1, .task = f->task, .trace = f->trace.trace});
	nx_log_info("core", message, NX_LINT("n", n));
	(void)nx_log_scope_set(before);
}

static struct nx_monitoring_stats stats(struct fixture *f)
{
	struct nx_monitoring_stats s;
	nx_monitoring_stats(f->m, &s);
	return s;
}

static yyjson_val *read_trace(struct fixture *f)
{
	nx_str text;
	yyjson_val *v;
	struct nx_db *db = nx_store_reader(f->store);
	ASSERT_OK(nx_monitoring_trace_json(f->m, db, 1, f->task, f->arena, &text, NULL));
	ASSERT_OK(nx_json_read(f->arena, text, NULL, &v, NULL));
	ASSERT_OK(nx_schema_check(&nx_trace_schema, v, NULL));
	return v;
}

static size_t count_spans(struct fixture *f)
{
	return yyjson_arr_size(nx_json_get(read_trace(f), "spans"));
}

static yyjson_val *read_logs(struct fixture *f, int64_t after, size_t limit, int64_t *ret_next)
{
	nx_str text;
	yyjson_val *v;
	struct nx_db *db = nx_store_reader(f->store);
	ASSERT_OK(nx_monitoring_logs_json(f->m, db, 1, f->task, after, limit, f->arena, &text, ret_next, NULL));
	ASSERT_OK(nx_json_read(f->arena, text, NULL, &v, NULL));
	for (size_t i = 0; i < yyjson_arr_size(v); i++)
		ASSERT_OK(nx_schema_check(&nx_log_line_schema, yyjson_arr_get(v, i), NULL));
	return v;
}

TEST(a_span_is_shown_before_and_after_it_is_written_and_once)
{
	struct fixture f;
	set_up(&f);
	make_span(&f, "step", 1500, NX_ETIMEOUT);
	ASSERT_EQ(count_spans(&f), 1);
	ASSERT_EQ(stats(&f).waiting, 1);
	run_for(&f, SECOND);
	ASSERT_EQ(stats(&f).waiting, 0);
	ASSERT_EQ(stats(&f).kept, 1);
	yyjson_val *trace = read_trace(&f), *spans = nx_json_get(trace, "spans");
	ASSERT_EQ(yyjson_arr_size(spans), 1);
	yyjson_val *s = yyjson_arr_get(spans, 0);
	char task[NX_ID_TEXT];
	nx_id_format(f.task, task);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(trace, "task_id"), task));
	ASSERT_EQ(nx_json_str(trace, "trace_id").n, 32);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(s, "name"), "step"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(s, "parent_id"), "0000000000000001"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(s, "error"), "NX-TIMEOUT"));
	ASSERT_DOUBLE_EQ(nx_json_num(s, "duration_ms", 0), 1.5);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(nx_json_get(s, "attributes"), "tool"), "math.eval"));
	tear_down(&f);
}

TEST(spans_come_by_their_start_though_the_outer_ones_end_last)
{
	struct fixture f;
	struct nx_span outer;
	set_up(&f);
	nx_span_start(&outer, f.trace, "task");
	outer.tenant = 1;
	outer.task = f.task;
	nx_fake_clock_advance(&f.clock, 10);
	make_span(&f, "a", 10, 0);
	run_for(&f, SECOND);
	make_span(&f, "b", 10, 0);
	nx_span_end(&outer, 0);
	yyjson_val *spans = nx_json_get(read_trace(&f), "spans");
	ASSERT_EQ(yyjson_arr_size(spans), 3);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(yyjson_arr_get(spans, 0), "name"), "task"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(yyjson_arr_get(spans, 1), "name"), "a"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(yyjson_arr_get(spans, 2), "name"), "b"));
	tear_down(&f);
}

TEST(many_records_are_one_write_and_none_is_no_timer)
{
	struct fixture f;
	struct nx_store_stats before, after;
	int64_t next;
	set_up(&f);
	(void)nx_loop_step(f.loop, &next);
	ASSERT_EQ(next, INT64_MAX);
	nx_store_stats(f.store, &before);
	for (int i = 0; i < 100; i++)
		make_span(&f, "step", 10, 0);
	run_for(&f, SECOND);
	nx_store_stats(f.store, &after);
	ASSERT_EQ(stats(&f).kept, 100);
	ASSERT_LE(after.commits - before.commits, 3);
	(void)nx_loop_step(f.loop, &next);
	ASSERT_EQ(next, INT64_MAX);
	tear_down(&f);
}

TEST(what_belongs_to_no_task_is_not_kept)
{
	struct fixture f;
	struct nx_span s;
	set_up(&f);
	nx_span_start(&s, f.trace, "request");
	nx_span_end(&s, 0);
	nx_log_info("api", "listening");
	ASSERT_EQ(stats(&f).waiting, 0);
	tear_down(&f);
}

TEST(log_lines_are_paged_in_order_over_what_is_written_and_what_waits)
{
	struct fixture f;
	int64_t next = 0;
	int seen = 0;
	set_up(&f);
	for (int i = 0; i < 5; i++)
		say(&f, "first", i);
	run_for(&f, SECOND);
	for (int i = 5; i < 9; i++)
		say(&f, "then", i);
	do {
		yyjson_val *page = read_logs(&f, next, 2, &next);
		for (size_t i = 0; i < yyjson_arr_size(page); i++)
			ASSERT_EQ(nx_json_int(nx_json_get(yyjson_arr_get(page, i), "fields"), "n", -1), seen++);
		ASSERT_LE(yyjson_arr_size(page), 2);
	} while (next);
	ASSERT_EQ(seen, 9);
	yyjson_val *first = yyjson_arr_get(read_logs(&f, 0, 100, &next), 0);
	ASSERT_EQ(next, 0);
	ASSERT_TRUE(nx_str_eqz(nx_json_str(first, "level"), "info"));
	ASSERT_TRUE(nx_str_eqz(nx_json_str(first, "component"), "core"));
	ASSERT_EQ(nx_json_str(first, "trace_id").n, 32);
	tear_down(&f);
}

TEST(a_task_of_another_tenant_is_not_found)
{
	struct fixture f;
	nx_auto_error struct nx_error *err = NULL;
	nx_str text;
	int64_t next;
	set_up(&f);
	make_span(&f, "step", 1, 0);
	struct nx_db *db = nx_store_reader(f.store);
	ASSERT_ERR(nx_monitoring_trace_json(f.m, db, 2, f.task, f.arena, &text, &err), NX_ENOTFOUND);
	ASSERT_ERR(nx_monitoring_logs_json(f.m, db, 2, f.task, 0, 10, f.arena, &text, &next, NULL), NX_ENOTFOUND);
	ASSERT_CONTAINS(nx_error_message(err), "there is no task");
	tear_down(&f);
}

TEST(a_full_queue_drops_and_counts)
{
	struct fixture f;
	set_up(&f);
	for (int i = 0; i < 40000; i++)
		make_span(&f, "step", 0, 0);
	struct nx_monitoring_stats s = stats(&f);
	ASSERT_GT(s.dropped, 0);
	ASSERT_EQ(s.dropped + s.waiting, 40000);
	int64_t next;
	while (nx_loop_step(f.loop, &next)) /* over half full: written at once, not in half a second */
		;
	ASSERT_EQ(stats(&f).waiting, 0);
	ASSERT_EQ(stats(&f).kept, s.waiting);
	tear_down(&f);
}

TEST(what_waits_is_written_at_the_end_and_keys_go_on_at_the_next_start)
{
	struct fixture f;
	set_up(&f);
	make_span(&f, "before", 1, 0);
	nx_monitoring_free(f.m);
	nx_loop_free(f.loop);
	make_span(&f, "between", 1, 0);
	f.loop = nx_loop_new_sim("next");
	ASSERT_NOT_NULL(f.loop);
	watch(&f, NULL);
	ASSERT_EQ(count_spans(&f), 1);
	make_span(&f, "after", 1, 0);
	ASSERT_EQ(count_spans(&f), 2);
	run_for(&f, SECOND);
	ASSERT_EQ(count_spans(&f), 2);
	ASSERT_EQ(stats(&f).dropped, 0);
	tear_down(&f);
}

TEST(what_is_too_old_is_removed)
{
	struct fixture f;
	set_up(&f);
	for (int i = 0; i < 600; i++)
		make_span(&f, "old", 1, 0);
	say(&f, "old", 1);
	run_for(&f, SECOND);
	ASSERT_EQ(count_spans(&f), 600);
	nx_fake_clock_advance(&f.clock, 8 * 86400 * SECOND);
	make_span(&f, "new", 1, 0);
	run_for(&f, SECOND);
	int64_t next;
	ASSERT_EQ(count_spans(&f), 1);
	ASSERT_EQ(yyjson_arr_size(read_logs(&f, 0, 10, &next)), 0);
	tear_down(&f);
}

/* ---- with threads ---- */

#define THREADS 3
#define SPANS 500

static void *make_spans(void *arg)
{
	struct fixture *f = arg;
	for (int i = 0; i < SPANS; i++) {
		struct nx_span s;
		nx_span_start(&s, f->trace, "step");
		s.tenant = 1;
		s.task = f->task;
		nx_span_end(&s, 0);
		say(f, "line", i);
	}
	return NULL;
}

TEST(many_threads_record_while_others_read_and_each_record_is_kept_once)
{
	struct fixture f = {.dir = ""};
	pthread_t threads[THREADS];
	struct nx_db *db;
	nx_str text;
	nx_log_setup(NX_LOG_INFO, NX_LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
	open_store(&f, false);
	ASSERT_OK(nx_loop_new("core", &f.loop, NULL));
	watch(&f, NULL);
	nx_monitoring_watch_loop(f.m, f.loop);
	ASSERT_OK(nx_loop_start(f.loop, NULL));
	ASSERT_OK(nx_store_reader_new(f.store, &db, NULL));
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, make_spans, &f), 0);
	size_t last = 0;
	yyjson_val *v;
	while (last < THREADS * SPANS) {
		struct nx_arena *a = nx_arena_new(0);
		ASSERT_OK(nx_monitoring_trace_json(f.m, db, 1, f.task, a, &text, NULL));
		ASSERT_OK(nx_json_read(a, text, NULL, &v, NULL));
		size_t n = yyjson_arr_size(nx_json_get(v, "spans"));
		ASSERT_GE(n, last);
		ASSERT_LE(n, THREADS * SPANS);
		last = n;
		nx_arena_free(a);
	}
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	nx_loop_stop(f.loop);
	nx_loop_join(f.loop);
	nx_monitoring_free(f.m);
	int64_t spans = 0, logs = 0;
	ASSERT_OK(nx_db_get_int(db, "SELECT count(*) FROM spans", NX_NO_PARAMS, &spans, NULL));
	ASSERT_OK(nx_db_get_int(db, "SELECT count(*) FROM logs", NX_NO_PARAMS, &logs, NULL));
	ASSERT_EQ(spans, THREADS * SPANS);
	ASSERT_EQ(logs, THREADS * SPANS);
	nx_store_reader_free(db);
	nx_loop_free(f.loop);
	nx_store_close(f.store);
}
