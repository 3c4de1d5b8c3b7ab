#include "execution/session_internal.h"
#include "tests/unit/execution/sandbox_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static struct box box;

static nx_str framed(struct nx_buf *b, const char *json)
{
	nx_buf_clear(b);
	ASSERT_TRUE(nx_session_frame_add(b, nx_str_z(json)));
	return nx_buf_str(b);
}

/* ---- frames ---- */

TEST(a_frame_is_cut_when_it_is_whole)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_str in = framed(&b, "{\"op\":\"ready\"}"), json;
	size_t used = 0;
	for (size_t n = 0; n < in.n; n++)
		ASSERT_EQ(nx_session_frame_cut(nx_str_slice(in, 0, n), 100, &json, &used, NULL), 0);
	ASSERT_EQ(nx_session_frame_cut(in, 100, &json, &used, NULL), 1);
	ASSERT_EQ(used, in.n);
	ASSERT_TRUE(nx_str_eqz(json, "{\"op\":\"ready\"}"));
}

TEST(a_frame_that_would_be_too_long_is_refused_by_its_head)
{
	nx_str json;
	size_t used;
	ASSERT_ERR(nx_session_frame_cut(NX_STR("\xff\xff\xff\xff"), 1 << 20, &json, &used, NULL), NX_ETOOBIG);
	ASSERT_ERR(nx_session_frame_cut(NX_STR("\x65\0\0\0"), 100, &json, &used, NULL), NX_ETOOBIG);
	ASSERT_EQ(nx_session_frame_cut(NX_STR("\x64\0\0\0"), 100, &json, &used, NULL), 0);
}

TEST(an_answer_is_read)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	struct nx_session_answer answer;
	ASSERT_OK(
		nx_session_answer_read(NX_STR("{\"op\":\"done\",\"run\":7,\"outcome\":\"error\",\"exit_code\":3,"
					      "\"value\":{\"text\":\"t\",\"html\":\"<b>\",\"png\":\"iVBORw0KGgo=\"}}"),
				       a, &answer, NULL));
	ASSERT_EQ(answer.run, 7);
	ASSERT_EQ(answer.outcome, NX_SESSION_ERROR);
	ASSERT_EQ(answer.exit_code, 3);
	ASSERT_TRUE(nx_str_eqz(answer.text, "t") && nx_str_eqz(answer.html, "<b>"));
	ASSERT_TRUE(nx_str_eqz(answer.png, "iVBORw0KGgo="));
}

TEST(what_is_no_image_is_not_told_as_one)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	static const char *const wrong[] = {"", "PGh0bWw+", "iVBORw0KGg", "%%%%", "iVBORw0K"};
	for (size_t i = 0; i < nx_countof(wrong); i++) {
		struct nx_session_answer answer;
		char *json = nx_arena_printf(a,
					     "{\"op\":\"done\",\"run\":1,\"outcome\":\"ok\",\"exit_code\":0,"
					     "\"value\":{\"png\":\"%s\"}}",
					     wrong[i]);
		ASSERT_OK(nx_session_answer_read(nx_str_z(json), a, &answer, NULL));
		ASSERT_NULL(answer.png.p);
	}
}

TEST(what_is_no_answer_is_refused)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	static const char *const wrong[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"op\":\"done\"}",
		"{\"op\":\"done\",\"run\":0,\"outcome\":\"ok\",\"exit_code\":0}",
		"{\"op\":\"done\",\"run\":-1,\"outcome\":\"ok\",\"exit_code\":0}",
		"{\"op\":\"done\",\"run\":1,\"outcome\":\"good\",\"exit_code\":0}",
		"{\"op\":\"done\",\"run\":1,\"outcome\":\"ok\",\"exit_code\":256}",
		"{\"op\":\"done\",\"run\":1,\"outcome\":\"ok\"}",
		"{\"op\":\"done\",\"run\":1,\"outcome\":\"ok\",\"exit_code\":0",
		"{\"op\":\"done\",\"run\":1,\"outcome\":\"ok\",\"exit_code\":0,\"value\":[[[[[[1]]]]]]}",
		"{\"op\":\"done\",\"op\":\"ready\"}",
	};
	for (size_t i = 0; i < nx_countof(wrong); i++) {
		struct nx_session_answer answer;
		ASSERT_TRUE(nx_session_answer_read(nx_str_z(wrong[i]), a, &answer, NULL) < 0);
	}
}

/* ---- snapshots ---- */

TEST(a_snapshot_reads_back_what_was_written)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	char name[NX_EXEC_PATH_MAX + 1];
	static const size_t lengths[] = {1, 88, 89, 99, 100, 101, 255, NX_EXEC_PATH_MAX};
	memset(name, 'n', sizeof(name));
	for (size_t i = 0; i < nx_countof(lengths); i++)
		nx_tar_add_file(&b, nx_str_n(name, lengths[i]), nx_str_n(name, lengths[i] * (i % 2)), 0644, 0);
	nx_tar_end(&b);
	ASSERT_FALSE(nx_buf_failed(&b));
	nx_str path, bytes;
	size_t at = 0;
	for (size_t i = 0; i < nx_countof(lengths); i++) {
		ASSERT_EQ(nx_tar_next(nx_buf_str(&b), &at, &path, &bytes, NULL), 1);
		ASSERT_EQ(path.n, lengths[i]);
		ASSERT_EQ(bytes.n, lengths[i] * (i % 2));
	}
	ASSERT_EQ(nx_tar_next(nx_buf_str(&b), &at, &path, &bytes, NULL), 0);
}

TEST(a_damaged_snapshot_is_refused)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	nx_tar_add_file(&b, NX_STR("a"), NX_STR("bytes"), 0644, 0);
	nx_tar_end(&b);
	nx_str path, bytes;
	for (size_t i = 0; i < 263; i++) { /* what a head has fields in */
		size_t at = 0;
		if (i == 154 || i == 155)
			continue; /* after the digits of the sum */
		b.p[i] ^= 1;
		int r = nx_tar_next(nx_buf_str(&b), &at, &path, &bytes, NULL);
		ASSERT_EQ(r, NX_ECORRUPT);
		b.p[i] ^= 1;
	}
	for (size_t n = 0; n < 1024; n += 64) {
		size_t at = 0;
		ASSERT_EQ(nx_tar_next(nx_str_slice(nx_buf_str(&b), 0, n), &at, &path, &bytes, NULL), NX_ECORRUPT);
	}
}

/* ---- files ---- */

TEST(a_file_is_put_beneath_its_directory_alone)
{
	char dir[512], text[600];
	struct stat st;
	snprintf(dir, sizeof(dir), "%s/work", nx_test_dir());
	ASSERT_EQ(mkdir(dir, 0700), 0);
	nx_auto_fd int work = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_TRUE(work >= 0);
	ASSERT_EQ(symlinkat("/tmp", work, "out"), 0);
	ASSERT_EQ(symlinkat("../outside", work, "link"), 0);
	ASSERT_EQ(mkfifoat(work, "fifo", 0600), 0);
	ASSERT_OK(nx_session_put_file(work, NX_STR("a/b/c.txt"), NX_STR("one"), NULL));
	ASSERT_OK(nx_session_put_file(work, NX_STR("a/b/c.txt"), NX_STR("two!"), NULL));
	ASSERT_EQ(fstatat(work, "a/b/c.txt", &st, AT_SYMLINK_NOFOLLOW), 0);
	ASSERT_EQ(st.st_size, 4);
	ASSERT_ERR(nx_session_put_file(work, NX_STR("out/x"), NX_STR("x"), NULL), NX_ECONFLICT);
	ASSERT_ERR(nx_session_put_file(work, NX_STR("fifo/x"), NX_STR("x"), NULL), NX_ECONFLICT);
	ASSERT_ERR(nx_session_put_file(work, NX_STR("a"), NX_STR("x"), NULL), NX_ECONFLICT);
	ASSERT_ERR(nx_session_put_file(work, NX_STR("../x"), NX_STR("x"), NULL), NX_EINVAL);
	ASSERT_OK(nx_session_put_file(work, NX_STR("link"), NX_STR("x"), NULL));
	ASSERT_OK(nx_session_put_file(work, NX_STR("fifo"), NX_STR("x"), NULL));
	ASSERT_EQ(fstatat(work, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	ASSERT_TRUE(S_ISREG(st.st_mode));
	snprintf(text, sizeof(text), "%s/outside", nx_test_dir());
	ASSERT_TRUE(access(text, F_OK) < 0);
}

/* ---- the real thing ---- */

struct made {
	struct nx_session_new n;
	struct nx_session_end d;
	struct nx_arena *arena;
	struct nx_error *err;
	uv_mutex_t lock;
	uv_cond_t came;
	bool is_done;
};

static void told(struct made *m, struct nx_error *err)
{
	uv_mutex_lock(&m->lock);
	m->err = nx_error_copy(err);
	m->is_done = true;
	uv_cond_signal(&m->came);
	uv_mutex_unlock(&m->lock);
}

static void on_made(struct nx_session_new *n, struct nx_error *err)
{
	told(n->ctx, err);
}

static void on_ended(struct nx_session_end *d, struct nx_error *err)
{
	told(d->ctx, err);
}

static void wait_for(struct made *m)
{
	uv_mutex_lock(&m->lock);
	while (!m->is_done)
		uv_cond_wait(&m->came, &m->lock);
	m->is_done = false;
	uv_mutex_unlock(&m->lock);
}

static void make(struct made *m, const char *language, int64_t memory_mb)
{
	*m = (struct made){.arena = nx_arena_new(0)};
	ASSERT_EQ(uv_mutex_init(&m->lock), 0);
	ASSERT_EQ(uv_cond_init(&m->came), 0);
	m->n = (struct nx_session_new){
		.arena = m->arena,
		.tenant = NX_STORE_TENANT,
		.language = nx_str_z(language),
		.constraints = {.max_cpu_percent = 100, .max_memory_mb = memory_mb, .max_time_us = NX_USEC_PER_SEC},
		.done = on_made,
		.ctx = m,
	};
	nx_session_create(box.execution, &m->n);
	wait_for(m);
	if (m->err)
		print_message("error: %s\n", nx_error_message(m->err));
}

static void finish(struct made *m)
{
	m->d = (struct nx_session_end){.tenant = NX_STORE_TENANT, .id = m->n.id, .done = on_ended, .ctx = m};
	nx_error_free(nx_steal(m->err));
	nx_session_end(box.execution, &m->d);
	wait_for(m);
}

static void done(struct made *m)
{
	nx_error_free(m->err);
	uv_cond_destroy(&m->came);
	uv_mutex_destroy(&m->lock);
	nx_arena_free(m->arena);
}

static void run_in(struct made *m, struct trial *t, const char *code)
{
	trial_init(t, &box, "python", code);
	t->x.session = m->n.id;
	trial_run(t);
}

TEST(the_sandbox_opens)
{
	static const char *const options[] = {"sandbox.uid_base=1900700000", NULL};
	box_open(&box, options);
}

TEST(runs_share_a_namespace_and_their_usage_is_apart)
{
	struct made m;
	struct trial a, b;
	make(&m, "python", 256);
	ASSERT_EQ(nx_error_code(m.err), 0);
	run_in(&m, &a, "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: x = 41");
	ASSERT_STREQ(trial_status(&a), "ok");
	ASSERT_GE(a.x.result.usage.cpu_us, 180000);
	run_in(&m, &b, "print(x)\nx + 1");
	ASSERT_STREQ(trial_out(&b), "41\n");
	ASSERT_TRUE(nx_str_eqz(b.x.result.value_text, "42"));
	ASSERT_LT(b.x.result.usage.cpu_us, 100000);
	trial_done(&a);
	trial_done(&b);
	finish(&m);
	ASSERT_EQ(nx_error_code(m.err), 0);
	finish(&m);
	ASSERT_EQ(nx_error_code(m.err), NX_ENOTFOUND);
	done(&m);
}

TEST(a_language_without_sessions_is_refused)
{
	struct made m;
	make(&m, "shell", 256);
	ASSERT_EQ(nx_error_code(m.err), NX_EINVAL);
	done(&m);
}

TEST(the_sandbox_closes_with_its_sessions)
{
	struct made m;
	struct trial t;
	make(&m, "python", 256);
	trial_init(&t, &box, "python", "import time\ntime.sleep(60)");
	t.x.session = m.n.id;
	trial_start(&t);
	usleep(200000);
	box_close(&box);
	ASSERT_TRUE(t.is_done);
	ASSERT_STREQ(trial_status(&t), "cancelled");
	trial_done(&t);
	done(&m);
	for (int i = 0; i < 100 && count_processes_of(1900700000, 1900701024); i++)
		usleep(10000);
	ASSERT_EQ(count_processes_of(1900700000, 1900701024), 0);
}
