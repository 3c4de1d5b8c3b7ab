/* What a run gives back: status, output, files, usage; and what is refused before it starts. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static struct box B;

static const struct nx_exec_artifact *artifact(const struct trial *t, const char *path)
{
	for (size_t i = 0; i < t->x.result.nartifacts; i++)
		if (nx_str_eqz(t->x.result.artifacts[i].path, path))
			return &t->x.result.artifacts[i];
	return NULL;
}

static void refuse(const char *language, const char *code, int want)
{
	struct trial t;
	trial_init(&t, &B, language, code);
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), want);
	trial_done(&t);
}

TEST(the_sandbox_opens)
{
	box_open(&B, (const char *[]){"sandbox.max_output_bytes=64KiB", "sandbox.max_artifact_bytes=1MiB", NULL});
	struct nx_exec_check checks[16];
	size_t n = nx_execution_checks(B.execution, checks, nx_countof(checks));
	ASSERT_GT(n, 0);
	for (size_t i = 0; i < n; i++)
		print_message("%-20s %-3s %s\n", checks[i].what, checks[i].ok ? "yes" : "no", checks[i].detail);
	ASSERT_TRUE(checks[0].ok);
}

TEST(a_program_prints_and_ends_with_zero)
{
	struct trial t;
	run_python(&t, &B, "print(6 * 7)");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "42\n");
	ASSERT_EQ(t.x.result.exit_code, 0);
	ASSERT_EQ(t.x.result.signal, 0);
	ASSERT_EQ(t.streamed, 3);
	trial_done(&t);
}

TEST(a_shell_program_runs_too)
{
	struct trial t;
	run_shell(&t, &B, "for i in 1 2 3; do echo $((i * i)); done | sort -r");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "9\n4\n1\n");
	trial_done(&t);
}

TEST(the_exit_code_and_the_signal_of_a_failure_are_told)
{
	struct trial t;
	run_shell(&t, &B, "echo no >&2; exit 7");
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_EQ(t.x.result.exit_code, 7);
	ASSERT_TRUE(nx_str_eqz(t.x.result.err_out, "no\n"));
	trial_done(&t);
	run_python(&t, &B, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)");
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_EQ(t.x.result.exit_code, -1);
	ASSERT_EQ(t.x.result.signal, 11);
	trial_done(&t);
}

TEST(standard_input_is_given_and_is_empty_otherwise)
{
	struct trial t;
	trial_init(&t, &B, "python", "import sys; print(sum(int(l) for l in sys.stdin))");
	t.x.stdin_text = NX_STR("1\n2\n39\n");
	trial_run(&t);
	ASSERT_STREQ(trial_out(&t), "42\n");
	trial_done(&t);
	run_python(&t, &B, "import sys; print(repr(sys.stdin.read()))");
	ASSERT_STREQ(trial_out(&t), "''\n");
	trial_done(&t);
}

TEST(files_go_in_and_new_or_changed_ones_come_out)
{
	struct trial t;
	trial_init(&t, &B, "python",
		   "import helper\n"
		   "text = open('in/data.txt').read()\n"
		   "open('out.txt', 'w').write(text.upper() + helper.TAIL)\n"
		   "open('in/more.csv', 'w').write('a,b\\n')\n"
		   "open('changed.txt', 'a').write('!')\n");
	struct nx_exec_file files[] = {{NX_STR("in/data.txt"), NX_STR("hello ")},
				       {NX_STR("helper.py"), NX_STR("TAIL = 'world'\n")},
				       {NX_STR("changed.txt"), NX_STR("x")}};
	t.x.files = files;
	t.x.nfiles = nx_countof(files);
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.nartifacts, 3);
	ASSERT_NOT_NULL(artifact(&t, "changed.txt"));
	ASSERT_STREQ(artifact(&t, "in/more.csv")->mime.p, "text/csv");
	ASSERT_EQ(artifact(&t, "out.txt")->size, 11);
	nx_str bytes, mime;
	struct nx_db *db;
	ASSERT_OK(nx_store_reader_new(B.store, &db, NULL));
	nx_store_reader_free(db);
	char path[1024], id[NX_ID_TEXT];
	nx_id_format(artifact(&t, "out.txt")->id, id);
	snprintf(path, sizeof(path), "%s/artifacts/%s", nx_store_dir(B.store), id);
	ASSERT_OK(nx_file_read(t.arena, path, 100, &bytes, NULL));
	ASSERT_TRUE(nx_str_eqz(bytes, "HELLO world"));
	(void)mime;
	trial_done(&t);
}

TEST(only_regular_files_of_a_fair_size_and_depth_are_kept)
{
	struct trial t;
	run_python(&t, &B,
		   "import os\n"
		   "open('good.txt', 'w').write('x')\n"
		   "os.symlink('/etc/passwd', 'link')\n"
		   "os.symlink('/', 'root')\n"
		   "os.symlink('good.txt', 'near')\n"
		   "os.mkfifo('fifo')\n"
		   "open('sparse', 'w').truncate(500000)\n"
		   "open('big', 'wb').write(b'x' * 2000000)\n"
		   "os.makedirs('/'.join('d' * 20))\n"
		   "open('/'.join('d' * 20) + '/deep', 'w').write('x')\n"
		   "os.makedirs('a/b'); open('a/b/c.txt', 'w').write('y')\n"
		   "import socket; s = socket.socket(socket.AF_UNIX); s.bind('sock')\n");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.nartifacts, 2);
	ASSERT_NOT_NULL(artifact(&t, "good.txt"));
	ASSERT_NOT_NULL(artifact(&t, "a/b/c.txt"));
	trial_done(&t);
}

TEST(many_files_are_kept_up_to_the_limit)
{
	struct trial t;
	run_python(&t, &B, "for i in range(500): open(f'f{i}', 'w').write('x')");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.nartifacts, 100);
	trial_done(&t);
	char path[1024];
	snprintf(path, sizeof(path), "%s/artifacts/incoming", nx_store_dir(B.store));
	ASSERT_EQ(rmdir(path), 0); /* empty */
	ASSERT_OK(nx_mkdirs(path, 0700, NULL));
}

static void artifact_path(char *ret, size_t size, nx_id id)
{
	char text[NX_ID_TEXT];
	nx_id_format(id, text);
	snprintf(ret, size, "%s/artifacts/%s", nx_store_dir(B.store), text);
}

static void put_file(const char *path)
{
	FILE *f = fopen(path, "we");
	ASSERT_NOT_NULL(f);
	ASSERT_EQ(fclose(f), 0);
}

static void wait_gone(const char *path)
{
	for (int i = 0; i < 500 && access(path, F_OK) == 0; i++)
		usleep(10000);
}

TEST(artifacts_without_a_row_are_swept_and_no_others)
{
	struct trial t;
	char kept[600], orphan[600], foreign[600], young[600];
	run_shell(&t, &B, "echo kept > out.txt");
	artifact_path(kept, sizeof(kept), artifact(&t, "out.txt")->id);
	trial_done(&t);
	artifact_path(orphan, sizeof(orphan), nx_id_new());
	snprintf(foreign, sizeof(foreign), "%s/artifacts/notes.txt", nx_store_dir(B.store));
	usleep(2000);
	nx_id later = nx_id_new();
	later.b[0]++; /* a run that begins after the sweep */
	artifact_path(young, sizeof(young), later);
	put_file(orphan);
	put_file(foreign);
	put_file(young);
	nx_artifacts_sweep(B.store, B.workers);
	wait_gone(orphan);
	ASSERT_TRUE(access(orphan, F_OK) != 0);
	ASSERT_EQ(access(kept, F_OK), 0);
	ASSERT_EQ(access(foreign, F_OK), 0);
	ASSERT_EQ(access(young, F_OK), 0);
}

TEST(output_that_is_not_utf_8_is_repaired)
{
	struct trial t;
	run_python(&t, &B, "import sys; sys.stdout.buffer.write(b'a\\xff\\xfeb\\n\\xc3\\xa9')");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_TRUE(nx_utf8_valid(t.x.result.out));
	ASSERT_CONTAINS(trial_out(&t), "\xc3\xa9");
	trial_done(&t);
}

TEST(usage_is_measured)
{
	struct trial t;
	run_python(
		&t, &B,
		"x = bytearray(100 << 20)\nimport time\ne = time.process_time() + 0.3\nwhile time.process_time() < e: pass");
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_GT(t.x.result.usage.cpu_us, 250000);
	ASSERT_LT(t.x.result.usage.cpu_us, 2000000);
	ASSERT_GT(t.x.result.usage.wall_us, 250000);
	ASSERT_GT(t.x.result.usage.max_rss_bytes, 90 << 20);
	ASSERT_LT(t.x.result.usage.max_rss_bytes, 200 << 20);
	ASSERT_GT(t.x.result.usage.start_us, 0);
	ASSERT_GE(t.x.result.usage.queue_us, 0);
	trial_done(&t);
}

TEST(many_runs_at_once_keep_to_themselves)
{
	struct trial t[16];
	char code[16][64], want[16][32];
	for (size_t i = 0; i < nx_countof(t); i++) {
		snprintf(code[i], sizeof(code[i]), "open('f', 'w').write('%zu'); print(open('f').read())", i);
		snprintf(want[i], sizeof(want[i]), "%zu\n", i);
		trial_init(&t[i], &B, "python", code[i]);
		trial_start(&t[i]);
	}
	for (size_t i = 0; i < nx_countof(t); i++) {
		trial_wait(&t[i]);
		ASSERT_EQ(nx_error_code(t[i].err), 0);
		ASSERT_STREQ(trial_out(&t[i]), want[i]);
		trial_done(&t[i]);
	}
}

TEST(a_program_that_strict_does_not_like_is_blocked_and_never_runs)
{
	struct trial t;
	trial_init(&t, &B, "python", "import os\nprint(os.getcwd())");
	t.x.policy = NX_SCAN_STRICT;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "blocked");
	ASSERT_EQ(t.x.result.exit_code, -1);
	ASSERT_EQ(t.x.result.out.n, 0);
	ASSERT_GT(t.x.result.scan.nfindings, 0);
	trial_done(&t);
	trial_init(&t, &B, "python", "import os\nprint(os.getcwd())");
	t.x.policy = NX_SCAN_STANDARD;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	trial_done(&t);
}

TEST(a_run_is_recorded_and_read_again_by_its_tenant_alone)
{
	struct trial t;
	run_python(&t, &B, "print('kept')");
	struct nx_db *db;
	int64_t n = 0;
	ASSERT_OK(nx_store_reader_new(B.store, &db, NULL));
	ASSERT_OK(nx_db_get_int(db,
				"SELECT count(*) FROM executions WHERE uid = $1 AND tenant_id = $2 AND status = 'ok' "
				"AND json_extract(answer, '$.stdout') = 'kept' || char(10)",
				NX_PARAMS(nx_v_id(&t.x.id), nx_v_int(NX_STORE_TENANT)), &n, NULL));
	ASSERT_EQ(n, 1);
	nx_store_reader_free(db);
	trial_done(&t);
}

TEST(what_cannot_be_run_is_refused_with_its_reason)
{
	refuse("cobol", "x", NX_EINVAL);
	refuse("python", "a\xff", NX_EENCODING);
	struct trial t;
	trial_init(&t, &B, "python", "1");
	t.x.constraints.max_memory_mb = 1 << 30;
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ELIMIT);
	ASSERT_CONTAINS(nx_error_message(t.err), "sandbox.max_memory_mb");
	ASSERT_STREQ(nx_error_pointer(t.err), "/constraints/max_memory_mb");
	trial_done(&t);
	static const char *const bad[] = {"../x", "/x",          "a//b", "a/./b", "", "a/", "1/2/3/4/5/6/7/8/9",
					  "..",   "a\\..\n/../b"};
	for (size_t i = 0; i < nx_countof(bad); i++) {
		struct nx_exec_file f = {nx_str_z(bad[i]), NX_STR("x")};
		trial_init(&t, &B, "python", "1");
		t.x.files = &f;
		t.x.nfiles = 1;
		trial_start(&t);
		trial_wait(&t);
		ASSERT_EQ(nx_error_code(t.err), NX_EINVAL);
		trial_done(&t);
	}
}

TEST(the_languages_are_listed_with_what_to_install)
{
	struct nx_exec_language l[8];
	size_t n = nx_execution_languages(B.execution, l, nx_countof(l));
	ASSERT_EQ(n, 5);
	ASSERT_STREQ(l[0].name, "python");
	ASSERT_TRUE(l[0].available);
	ASSERT_CONTAINS(l[0].version, "3.");
	ASSERT_STREQ(l[2].package, "nodejs");
	ASSERT_STREQ(l[3].name, "c");
	ASSERT_STREQ(l[4].name, "sql");
}

TEST(the_clocks_of_queue_start_and_run_are_apart)
{
	struct box b;
	struct trial first, second;
	box_open(&b, (const char *[]){"sandbox.uid_base=1900050000", "sandbox.max_running=1", NULL});
	trial_init(&first, &b, "shell", "sleep 2.5");
	trial_init(&second, &b, "shell", "sleep 0.2");
	second.x.constraints.max_time_us = 2000000; /* the time in the queue is not the program's */
	trial_start(&first);
	usleep(100000);
	trial_start(&second);
	trial_wait(&first);
	trial_wait(&second);
	const struct nx_exec_usage *u = &second.x.result.usage;
	ASSERT_STREQ(trial_status(&second), "ok");
	ASSERT_GT(u->queue_us, 2000000);
	ASSERT_GE(u->wall_us, 200000);
	ASSERT_LT(u->wall_us, 2000000);
	ASSERT_GT(u->start_us, 0);
	ASSERT_LT(u->start_us, 2000000);
	trial_done(&first);
	trial_done(&second);
	box_close(&b);
}

/* ---- usage beside the cgroup's own files ---- */

static bool find_set(const char *dir, pid_t spawner, const char *must_have, unsigned depth, char *ret, size_t size)
{
	bool found = false;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		char path[512];
		struct nx_cgroup_name name;
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path))
			continue;
		if (nx_cgroup_name_parse(e->d_name, &name) && name.pid == spawner) {
			snprintf(ret, size, "%s/%s", path, must_have);
			found = access(ret, R_OK) == 0;
		} else if (depth < 4) {
			found = find_set(path, spawner, must_have, depth + 1, ret, size);
		}
	}
	if (d)
		closedir(d);
	return found;
}

static int64_t read_number(const char *path, const char *key)
{
	char text[4096];
	long long v = -1;
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	if (key)
		return nx_cgroup_parse_key(text, key);
	return sscanf(text, "%lld", &v) == 1 ? v : -1;
}

static bool is_within_tenth(int64_t a, int64_t b)
{
	print_message("%lld beside the cgroup's %lld\n", (long long)a, (long long)b);
	return a > b - b / 10 && a < b + b / 10;
}

TEST(usage_agrees_with_the_cgroup)
{
	struct box b;
	struct trial t;
	char cpu[1024], memory[1024];
	box_open(&b, (const char *[]){"sandbox.pool_size=0", "sandbox.uid_base=1900060000", NULL});
	trial_init(&t, &b, "python",
		   "import time\n"
		   "x = b'x' * (100 << 20)\n"
		   "while time.process_time() < 1: pass\n"
		   "print('on', flush=True)\n"
		   "time.sleep(1)\n");
	trial_start(&t);
	for (int i = 0; i < 1000 && !t.streamed; i++)
		usleep(10000);
	usleep(300000);
	pid_t spawner = spawner_pid(&b);
	int64_t cpu_us = -1, peak = -1;
	if (find_set("/sys/fs/cgroup", spawner, "cpuacct.usage", 0, cpu, sizeof(cpu)))
		cpu_us = read_number(cpu, NULL) / 1000;
	else if (find_set("/sys/fs/cgroup", spawner, "cpu.stat", 0, cpu, sizeof(cpu)))
		cpu_us = read_number(cpu, "usage_usec");
	if (find_set("/sys/fs/cgroup", spawner, "memory.max_usage_in_bytes", 0, memory, sizeof(memory)) ||
	    find_set("/sys/fs/cgroup", spawner, "memory.peak", 0, memory, sizeof(memory)))
		peak = read_number(memory, NULL);
	trial_wait(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	if (cpu_us >= 0)
		ASSERT_TRUE(is_within_tenth(t.x.result.usage.cpu_us, cpu_us));
	if (peak >= 0)
		ASSERT_TRUE(is_within_tenth(t.x.result.usage.max_rss_bytes, peak));
	ASSERT_GT(t.x.result.usage.max_rss_bytes, 100 << 20);
	ASSERT_GT(t.x.result.usage.cpu_us, 990000);
	trial_done(&t);
	box_close(&b);
	if (cpu_us < 0 || peak < 0)
		SKIP("no cgroups here");
}

TEST(the_sandbox_closes)
{
	pid_t spawner = spawner_pid(&B);
	box_close(&B);
	ASSERT_EQ(count_cgroups_of(spawner), 0);
}
