#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/unit/nx_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What is logged goes to a pipe, and what came is read here. */
static int pipe_fds[2];
static struct nx_fake_clock fake;

static void begin(enum nx_log_level level, enum nx_log_format format)
{
	ASSERT_OK(pipe(pipe_fds));
	nx_fake_clock_install(&fake, INT64_C(1772366400123456));
	nx_log_setup(level, format, pipe_fds[1]);
}

static const char *end(void)
{
	static char text[65536];
	(void)close(pipe_fds[1]);
	size_t n = 0;
	for (ssize_t got; (got = read(pipe_fds[0], text + n, sizeof(text) - 1 - n)) > 0;)
		n += (size_t)got;
	text[n] = '\0';
	(void)close(pipe_fds[0]);
	nx_log_setup(NX_LOG_INFO, NX_LOG_AUTO, STDERR_FILENO);
	nx_clock_set(NULL);
	return text;
}

TEST(a_json_line_has_every_part)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EIO, "disk \"a\"");
	nx_id id;
	ASSERT_TRUE(nx_id_parse(NX_STR("01890a5d-ac96-774b-bcce-b302099a8057"), &id));
	begin(NX_LOG_DEBUG, NX_LOG_JSON);
	struct nx_log_scope before = nx_log_scope_set((struct nx_log_scope){.tenant = 3, .task = id, .trace = id});
	nx_log_warn("api", "slow", NX_LSTRZ("path", "/v1\n"), NX_LINT("n", -5), NX_LNUM("f", 1.5), NX_LBOOL("b", true),
		    NX_LID("id", id), NX_LERR(err));
	(void)nx_log_scope_set(before);
	nx_log_debug("core", "plain");
	ASSERT_STREQ(
		end(),
		"{\"time\":\"2026-03-01T12:00:00.123456Z\",\"level\":\"warn\",\"component\":\"api\",\"message\":\"slow\","
		"\"tenant\":3,\"task_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
		"\"trace_id\":\"01890a5dac96774bbcceb302099a8057\",\"fields\":{\"path\":\"/v1\\n\",\"n\":-5,\"f\":1.5,"
		"\"b\":true,\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\","
		"\"error\":{\"code\":\"NX-IO\",\"message\":\"disk \\\"a\\\"\"}}}\n"
		"{\"time\":\"2026-03-01T12:00:00.123456Z\",\"level\":\"debug\",\"component\":\"core\",\"message\":\"plain\"}\n");
}

TEST(a_line_for_people_is_short_and_safe_on_a_terminal)
{
	nx_auto_error struct nx_error *err = NULL;
	nx_error_set(&err, NX_EIO, "disk");
	begin(NX_LOG_INFO, NX_LOG_TEXT);
	nx_log_info("api", "listening", NX_LSTRZ("address", "127.0.0.1"), NX_LINT("port", 8600),
		    NX_LSTRZ("s", "a b\033[0m"), NX_LERR(err));
	ASSERT_STREQ(end(), "12:00:00.123 info  api: listening address=127.0.0.1 port=8600 s=\"a b\\u001b[0m\" "
			    "error=\"disk\" (NX-IO)\n");
}

TEST(levels_below_are_not_logged)
{
	int evaluated = 0;
	begin(NX_LOG_WARN, NX_LOG_TEXT);
	nx_log_info("x", "no", NX_LINT("n", ++evaluated));
	nx_log_error("x", "yes");
	ASSERT_STREQ(end(), "12:00:00.123 error x: yes\n");
	ASSERT_EQ(evaluated, 0);
	ASSERT_TRUE(nx_log_enabled(NX_LOG_INFO));
	ASSERT_FALSE(nx_log_enabled(NX_LOG_DEBUG));
}

TEST(elsewhere_than_on_a_terminal_auto_is_json)
{
	begin(NX_LOG_INFO, NX_LOG_AUTO);
	nx_log_info("x", "y");
	ASSERT_EQ(end()[0], '{');
}

TEST(whatever_is_logged_a_line_is_json_and_one_line)
{
	static char huge[20000];
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (int kind = 0; kind < 6; kind++) {
		static const int bytes[] = {'x', 1, '"', 0xFF, 0xE2, '\n'};
		yyjson_val *v;
		memset(huge, bytes[kind], sizeof(huge));
		huge[sizeof(huge) - 1] = '\0';
		begin(NX_LOG_INFO, NX_LOG_JSON);
		nx_log_info("x", kind % 2 == 0 ? "m" : huge, NX_LSTRZ("a", huge), NX_LSTRZ("b", huge), NX_LINT("c", 1),
			    NX_LSTR("none", NX_STR_NULL), NX_LNUM("nan", 0.0 / 0.0));
		const char *line = end();
		size_t n = strlen(line);
		ASSERT_LE(n, 9216);
		ASSERT_TRUE(strchr(line, '\n') == line + n - 1);
		ASSERT_OK(nx_json_read(a, nx_str_z(line), NULL, &v, NULL));
		ASSERT_EQ(nx_json_int(nx_json_get(v, "fields"), "c", 0), 1);
	}
}

static struct nx_log_record kept;
static char kept_fields[256];
static void keep(const struct nx_log_record *r, void *ctx)
{
	(*(int *)ctx)++;
	kept = *r;
	(void)snprintf(kept_fields, sizeof(kept_fields), "%.*s", NX_FMT(r->fields_json));
}

TEST(a_sink_keeps_what_belongs_to_a_task_whatever_is_printed)
{
	int calls = 0;
	begin(NX_LOG_INFO, NX_LOG_TEXT);
	nx_log_sink_set(keep, &calls);
	nx_log_info("core", "of no task");
	ASSERT_EQ(calls, 0);
	(void)nx_log_scope_set((struct nx_log_scope){.tenant = 9, .task = nx_id_new()});
	nx_log_info("core", "begun");
	nx_log_debug("core", "done", NX_LINT("steps", 2));
	nx_log_sink_set(NULL, NULL);
	nx_log_debug("core", "without a sink");
	(void)nx_log_scope_set((struct nx_log_scope){.tenant = 0});
	nx_log_info("core", "after");
	const char *printed = end();
	ASSERT_NOT_NULL(strstr(printed, "begun"));
	ASSERT_NULL(strstr(printed, "done"));
	ASSERT_NULL(strstr(printed, "without a sink"));
	ASSERT_EQ(calls, 2);
	ASSERT_STREQ(kept.message, "done");
	ASSERT_EQ(kept.scope.tenant, 9);
	ASSERT_EQ(kept.time_us, INT64_C(1772366400123456));
	ASSERT_STREQ(kept_fields, "{\"steps\":2}");
}

TEST(logging_leaves_errno_alone_and_survives_a_closed_descriptor)
{
	nx_log_setup(NX_LOG_INFO, NX_LOG_JSON, 999);
	errno = 42;
	nx_log_info("x", "lost");
	ASSERT_EQ(errno, 42);
	nx_log_setup(NX_LOG_INFO, NX_LOG_AUTO, STDERR_FILENO);
}

static void *log_many(void *p)
{
	for (int i = 0; i < 50; i++)
		nx_log_info("thread", "line", NX_LINT("i", i), NX_LSTRZ("who", p));
	return NULL;
}

TEST(threads_do_not_mix_their_lines)
{
	pthread_t threads[4];
	static const char *const names[] = {"aaaa", "bbbb", "cccc", "dddd"};
	begin(NX_LOG_INFO, NX_LOG_TEXT);
	for (size_t i = 0; i < 4; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, log_many, (void *)(uintptr_t)names[i]));
	for (size_t i = 0; i < 4; i++)
		ASSERT_OK(pthread_join(threads[i], NULL));
	nx_str text = nx_str_z(end());
	size_t lines = 0;
	while (text.n > 0) {
		nx_str line = nx_str_cut(&text, '\n');
		ASSERT_TRUE(nx_str_starts(line, NX_STR("12:00:00.123 info  thread: line i=")));
		lines++;
	}
	ASSERT_EQ(lines, 200);
}

TEST(a_level_is_parsed_or_told)
{
	enum nx_log_level level;
	nx_auto_error struct nx_error *err = NULL;
	ASSERT_OK(nx_log_level_parse("WARN", &level, NULL));
	ASSERT_EQ(level, NX_LOG_WARN);
	ASSERT_ERR(nx_log_level_parse("loud", &level, &err), NX_EINVAL);
	ASSERT_STREQ(nx_error_message(err), "\"loud\" is no log level: it is debug, info, warn or error");
}
