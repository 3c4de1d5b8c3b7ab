/* JavaScript, C and SQL: each runs in the same walls, with the same statuses, as Python and the shell. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>

static struct box B;
static struct nx_exec_language L[8];
static size_t nlanguages;

TEST(the_sandbox_opens)
{
	box_open(&B, (const char *[]){"sandbox.work_bytes=8MiB", "sandbox.uid_base=1901100000", NULL});
	nlanguages = nx_execution_languages(B.execution, L, nx_countof(L));
}

static const char *why_not(const char *name)
{
	static char text[160];
	for (size_t i = 0; i < nlanguages; i++) {
		if (strcmp(L[i].name, name) != 0 || L[i].available)
			continue;
		snprintf(text, sizeof(text), "%s cannot be run here: apt-get install %s", name, L[i].package);
		return text;
	}
	return NULL;
}

#define NEEDS(language)                                           \
	do {                                                      \
		if (why_not(language)) {                          \
			print_message("%s\n", why_not(language)); \
			skip();                                   \
		}                                                 \
	} while (0)

static void run(struct trial *t, const char *language, const char *code)
{
	trial_init(t, &B, language, code);
	trial_run(t);
}

static void limited(struct trial *t, const char *language, const char *code, int64_t ms)
{
	trial_init(t, &B, language, code);
	t->x.constraints.max_time_us = ms * 1000;
	t->x.constraints.max_memory_mb = 128;
	trial_run(t);
}

static void run_with(struct trial *t, const char *language, const char *code, const char *in, struct nx_exec_file *f,
		     size_t n)
{
	trial_init(t, &B, language, code);
	t->x.stdin_text = nx_str_z(in);
	t->x.files = f;
	t->x.nfiles = n;
	trial_run(t);
}

static const char *err_out(const struct trial *t)
{
	return nx_arena_printf(t->arena, "%.*s", NX_FMT(t->x.result.err_out));
}

static void expect(struct trial *t, const char *status, const char *out)
{
	if (strcmp(trial_status(t), status) != 0)
		print_message("stderr: %s\n", err_out(t));
	ASSERT_STREQ(trial_status(t), status);
	if (out)
		ASSERT_STREQ(trial_out(t), out);
}

static void expect_run(const char *language, const char *code, const char *status, const char *out)
{
	struct trial t;
	run(&t, language, code);
	expect(&t, status, out);
	trial_done(&t);
}

static void expect_limit(const char *language, const char *code, int64_t ms, const char *status)
{
	struct trial t;
	limited(&t, language, code, ms);
	expect(&t, status, NULL);
	trial_done(&t);
}

static void expect_error(const char *language, const char *code, const char *status, int exit_code, const char *text)
{
	struct trial t;
	run(&t, language, code);
	expect(&t, status, NULL);
	ASSERT_EQ(t.x.result.exit_code, exit_code);
	ASSERT_CONTAINS(err_out(&t), text);
	trial_done(&t);
}

/* ---- JavaScript ---- */

TEST(javascript_runs)
{
	NEEDS("javascript");
	expect_run("javascript", "console.log(6 * 7, process.cwd())", "ok", "42 /box/work\n");
}

TEST(javascript_reads_stdin_and_files_and_leaves_artifacts)
{
	NEEDS("javascript");
	struct trial t;
	struct nx_exec_file f[] = {{NX_STR("in.txt"), NX_STR("abc")},
				   {NX_STR("lib.js"), NX_STR("exports.up = (s) => s.toUpperCase()")}};
	run_with(&t, "javascript",
		 "const fs = require('fs'), lib = require('lib.js')\n"
		 "fs.writeFileSync('out.txt', lib.up(fs.readFileSync('in.txt', 'utf8')) + fs.readFileSync(0, 'utf8'))",
		 "tail", f, 2);
	expect(&t, "ok", "");
	ASSERT_EQ(t.x.result.nartifacts, 1);
	ASSERT_EQ(t.x.result.artifacts[0].size, 7);
	trial_done(&t);
}

TEST(javascript_that_does_not_end_is_ended)
{
	NEEDS("javascript");
	expect_limit("javascript", "for (;;) {}", 700, "timeout");
}

TEST(javascript_that_takes_too_much_memory_is_ended)
{
	NEEDS("javascript");
	expect_limit("javascript", "const x = []; for (;;) x.push(Buffer.alloc(1 << 20, 1))", 10000, "memory_limit");
	expect_limit("javascript", "const x = []; for (;;) x.push([Math.random()])", 10000, "memory_limit");
}

TEST(garbage_in_javascript_is_no_flood)
{
	NEEDS("javascript");
	expect_limit("javascript", "let x; for (let i = 0; i < 3000; i++) x = new Array(20000).fill(i)", 10000, "ok");
}

TEST(javascript_that_starts_processes_without_end_meets_their_limit)
{
	NEEDS("javascript");
	expect_limit("javascript",
		     "const {spawn} = require('child_process')\n"
		     "for (let i = 0; i < 200; i++) spawn('sleep', ['20'])\n",
		     10000, "process_limit");
}

TEST(javascript_ends_with_its_own_status)
{
	NEEDS("javascript");
	expect_error("javascript", "process.exit(7)", "error", 7, "");
	expect_error("javascript", "null.x", "error", 1, "TypeError");
	expect_error("javascript", "let let", "error", 1, "SyntaxError");
}

/* ---- C ---- */

TEST(c_is_compiled_and_runs)
{
	NEEDS("c");
	struct trial t;
	run(&t, "c",
	    "#include <math.h>\n#include <stdio.h>\nint main(void) { printf(\"%.3f\\n\", sqrt(2)); return 0; }\n");
	expect(&t, "ok", "1.414\n");
	ASSERT_EQ(t.x.result.nartifacts, 0);
	trial_done(&t);
}

TEST(c_reads_stdin_and_files_and_leaves_artifacts)
{
	NEEDS("c");
	struct trial t;
	struct nx_exec_file f[] = {{NX_STR("in.txt"), NX_STR("abc")}, {NX_STR("n.h"), NX_STR("#define N 64\n")}};
	run_with(&t, "c",
		 "#include <stdio.h>\n#include \"n.h\"\n"
		 "int main(void) { char a[N] = \"\", b[N] = \"\"; FILE *in = fopen(\"in.txt\", \"r\"), *out = "
		 "fopen(\"out.txt\", \"w\");\n"
		 "return fgets(a, N, in) && fgets(b, N, stdin) && fprintf(out, \"%s%s\", a, b) == 7 ? 0 : 9; }\n",
		 "tail", f, 2);
	expect(&t, "ok", "");
	ASSERT_EQ(t.x.result.nartifacts, 1);
	ASSERT_EQ(t.x.result.artifacts[0].size, 7);
	trial_done(&t);
}

TEST(what_the_compiler_says_is_told)
{
	NEEDS("c");
	expect_error("c", "int main(void) { return x; }", "compile_error", 1, "main.c:1:25: error:");
	struct trial t;
	run(&t, "c", "int main(void) { int unused; return 0; }");
	expect(&t, "ok", "");
	ASSERT_CONTAINS(err_out(&t), "-Wunused-variable");
	trial_done(&t);
}

TEST(the_compiler_is_held_by_the_same_limits)
{
	NEEDS("c");
	expect_limit("c", "#include \"/dev/zero\"\nint main(void) { return 0; }", 10000, "memory_limit");
	expect_limit("c", "int main(void) { return 0; }", 5, "timeout");
}

TEST(c_that_does_not_end_is_ended)
{
	NEEDS("c");
	expect_limit("c", "int main(void) { for (;;) ; }", 1500, "timeout");
}

TEST(c_that_takes_too_much_memory_is_ended)
{
	NEEDS("c");
	expect_limit(
		"c",
		"#include <stdlib.h>\n#include <string.h>\n"
		"int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) return 1; memset(p, 1, 1 << 20); } }",
		10000, "memory_limit");
}

TEST(a_fork_bomb_in_c_meets_the_limit_of_processes)
{
	NEEDS("c");
	expect_limit("c", "#include <unistd.h>\nint main(void) { for (;;) fork(); }", 10000, "process_limit");
}

TEST(c_ends_with_its_own_status_or_signal)
{
	NEEDS("c");
	struct trial t;
	expect_error("c", "#include <stdio.h>\nint main(void) { fputs(\"bad\", stderr); return 7; }", "error", 7,
		     "bad");
	expect_error("c", "int main(void) { return 1; }", "error", 1, "");
	run(&t, "c", "#include <stdlib.h>\nint main(void) { abort(); }");
	expect(&t, "error", "");
	ASSERT_EQ(t.x.result.signal, SIGABRT);
	trial_done(&t);
}

/* ---- SQL ---- */

TEST(sql_runs)
{
	NEEDS("sql");
	expect_run("sql", "SELECT 6 * 7 AS n, NULL AS none, 'a,\"b' AS text;", "ok", "n,none,text\n42,,\"a,\"\"b\"\n");
}

TEST(csv_files_and_stdin_are_tables)
{
	NEEDS("sql");
	struct trial t;
	struct nx_exec_file f[] = {
		{NX_STR("sub/it's.csv"),
		 NX_STR("id,na\"me,zip,\"a \"\"b\"\"\",id,\r\n9,x,007,1.5,2,z\r\n10,\"y,\ny\",123,,3,\r\n")},
		{NX_STR("notes.txt"), NX_STR("no table")},
	};
	run_with(&t, "sql",
		 "SELECT zip, \"na\"\"me\", \"a \"\"b\"\"\" IS NULL AS e, id_5, column_6 FROM \"it's\" WHERE id > 9;\n"
		 "SELECT zip, n FROM \"it's\" JOIN stdin USING (id);\nSELECT avg(\"a \"\"b\"\"\") AS a FROM \"it's\";",
		 "id,n\n9,nine\n", f, 2);
	expect(&t, "ok", "zip,\"na\"\"me\",e,id_5,column_6\n123,\"y,\ny\",1,3,\nzip,n\n007,nine\na\n1.5\n");
	ASSERT_EQ(t.x.result.nartifacts, 0);
	trial_done(&t);
}

TEST(sql_reaches_nothing_but_its_tables)
{
	NEEDS("sql");
	static const char *const bad[] = {
		".shell echo hi",
		".system echo hi",
		".open /work/x.db",
		".load x",
		".import /code/load.sql t",
		".output /work/o",
		".once /work/o",
		".read /code/load.sql",
		".save /work/x",
		".backup /work/x",
		".clone /work/x",
		".cd /",
		".log /work/l",
		".excel",
		"ATTACH '/work/x' AS y;",
		"VACUUM INTO '/work/x';",
		"SELECT readfile('/code/load.sql');",
		"SELECT writefile('/work/x', 'x');",
		"SELECT load_extension('x');",
		"SELECT edit('x');",
	};
	for (size_t i = 0; i < nx_countof(bad); i++)
		expect_error("sql", bad[i], "error", 1, i == 0 ? "safe mode" : "");
}

TEST(a_start_file_among_the_inputs_is_not_run)
{
	NEEDS("sql");
	struct trial t;
	struct nx_exec_file f = {NX_STR(".sqliterc"), NX_STR(".shell echo started\n")};
	run_with(&t, "sql", "SELECT 1 AS n;", "", &f, 1);
	expect(&t, "ok", "n\n1\n");
	trial_done(&t);
}

TEST(sql_stops_at_its_first_error)
{
	NEEDS("sql");
	expect_error("sql", "SELECT 1;\nSELECT x;\nSELECT 2;", "error", 1, "no such column");
	expect_error("sql", ".exit 3", "error", 3, "");
}

TEST(sql_that_does_not_end_is_ended)
{
	NEEDS("sql");
	expect_limit("sql", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;",
		     500, "timeout");
}

TEST(sql_that_takes_too_much_memory_is_ended)
{
	NEEDS("sql");
	expect_limit("sql",
		     "CREATE TABLE t(x);\nWITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000)\n"
		     "INSERT INTO t SELECT randomblob(1000000) FROM c;",
		     20000, "memory_limit");
}

static void refuse_files(struct nx_exec_file *f, size_t n, const char *pointer)
{
	struct trial t;
	trial_init(&t, &B, "sql", "SELECT 1;");
	t.x.files = f;
	t.x.nfiles = n;
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_EINVAL);
	ASSERT_STREQ(nx_error_pointer(t.err), pointer);
	trial_done(&t);
}

static char *wide_csv(size_t n)
{
	static char text[8192];
	memset(text, ',', sizeof(text));
	text[n] = '\0';
	return text;
}

TEST(files_that_cannot_be_tables_are_refused)
{
	NEEDS("sql");
	struct nx_exec_file twice[] = {{NX_STR("a.csv"), NX_STR("x\n1\n")}, {NX_STR("b/A.CSV"), NX_STR("x\n1\n")}};
	struct nx_exec_file own = {NX_STR("sqlite_x.csv"), NX_STR("x\n1\n")}, empty = {NX_STR("e.csv"), NX_STR("")};
	struct nx_exec_file many = {NX_STR("m.csv"), NX_STR("")};
	refuse_files(twice, 2, "/files/1/path");
	refuse_files(&own, 1, "/files/0/path");
	refuse_files(&empty, 1, "/files/0");
	many.bytes = nx_str_z(wide_csv(2001));
	refuse_files(&many, 1, "/files/0");
}

/* ---- all ---- */

TEST(a_language_without_rules_is_run_and_said_to_be_unread)
{
	NEEDS("sql");
	struct trial t;
	trial_init(&t, &B, "sql", "SELECT 1 AS n;");
	t.x.policy = NX_SCAN_STANDARD;
	trial_run(&t);
	expect(&t, "ok", "n\n1\n");
	ASSERT_FALSE(t.x.result.scan.scanned);
	trial_done(&t);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}
