/* Runs without a namespace, as in an unprivileged container: this whole program enters one. */
#include "execution/bare.h"
#include "tests/unit/execution/container_fixture.h"
#include "tests/unit/execution/sandbox_fixture.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UIDS 1900800000

static struct box B;
static const char *const options[] = {"sandbox.uid_base=1900800000", "sandbox.without_namespaces=true",
				      "sandbox.max_running=2",       "sandbox.max_processes=16",
				      "sandbox.work_bytes=16MiB",    NULL};

static bool within(int ms, bool (*is_so)(void))
{
	for (int i = 0; i < ms / 10; i++) {
		if (is_so())
			return true;
		usleep(10000);
	}
	return is_so();
}

static bool no_guests(void)
{
	return count_processes_of(UIDS, UIDS + 1024) == 0;
}

/* Directories of runs, of whatever spawner. */
static size_t count_boxes(void)
{
	size_t n = 0;
	DIR *top = opendir("/tmp");
	ASSERT_NOT_NULL(top);
	for (struct dirent *e; (e = readdir(top));) {
		char path[PATH_MAX];
		snprintf(path, sizeof(path), "/tmp/%s", e->d_name);
		DIR *d = strncmp(e->d_name, "nexus-boxes-1900800000-", 23) == 0 ? opendir(path) : NULL;
		for (struct dirent *b; d && (b = readdir(d));)
			n += b->d_name[0] != '.';
		if (d)
			closedir(d);
	}
	closedir(top);
	return n;
}

static bool no_boxes(void)
{
	return count_boxes() == 0;
}

static void holds(const char *code)
{
	holds_in(&B, "python", code, "");
}

static void ends_as(const char *language, const char *code, int64_t memory_mb, const char *want)
{
	struct trial t;
	trial_init(&t, &B, language, code);
	t.x.constraints.max_memory_mb = memory_mb;
	t.x.constraints.max_time_us = 5 * NX_USEC_PER_SEC;
	trial_run(&t);
	if (strcmp(trial_status(&t), want) != 0)
		print_message("%s\n%.*s\n", trial_out(&t), NX_FMT(t.x.result.err_out));
	ASSERT_STREQ(trial_status(&t), want);
	trial_done(&t);
	ASSERT_TRUE(within(5000, no_guests));
	ASSERT_TRUE(within(5000, no_boxes));
}

TEST(paths_are_rewritten_where_they_begin)
{
	static const char *const cases[][2] = {
		{"/work", "/b/work"},
		{"/code/main.py", "/b/code/main.py"},
		{"PYTHONPATH=/work", "PYTHONPATH=/b/work"},
		{"NODE_PATH=/work:/usr/lib/work", "NODE_PATH=/b/work:/usr/lib/work"},
		{"cc -I/work -o /tmp/program /code/main.c && exec /tmp/program",
		 "cc -I/b/work -o /b/tmp/program /b/code/main.c && exec /b/tmp/program"},
		{"/usr/share/code/x", "/usr/share/code/x"},
		{"/worker /tmpfs /code2 /work_1", "/worker /tmpfs /code2 /work_1"},
		{"./tmp ../work", "./tmp ../work"},
		{"", ""},
	};
	char ret[256];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ASSERT_TRUE(nx_bare_rewrite(cases[i][0], "/b", ret, sizeof(ret)));
		ASSERT_STREQ(ret, cases[i][1]);
	}
	ASSERT_TRUE(nx_bare_rewrite("/work", "/b", ret, 8));
	for (size_t size = 0; size < 8; size++)
		ASSERT_FALSE(nx_bare_rewrite("/work", "/b", ret, size));
}

TEST(the_container_is_entered)
{
	if (geteuid() != 0)
		SKIP("needs root, which has users to give away");
	if (nx_landlock_abi() == 0)
		SKIP("this kernel has no Landlock");
	ASSERT_EQ(enter_container(), 0);
	box_open(&B, options);
}

TEST(every_language_runs)
{
	static const char *const cases[][2] = {
		{"python",
		 "import sys; open('made.txt', 'w').write('x'); print('out', sys.argv[0].endswith('/code/main.py'))"},
		{"javascript", "require('fs').writeFileSync('made.txt', 'x'); console.log('out', true)"},
		{"shell", "echo x > made.txt; echo out True"},
		{"c",
		 "#include <stdio.h>\nint main(void) { FILE *f = fopen(\"made.txt\", \"w\"); fputs(\"x\", f); fclose(f); puts(\"out\"); }"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trial t;
		trial_init(&t, &B, cases[i][0], cases[i][1]);
		trial_run(&t);
		if (strcmp(trial_status(&t), "ok") != 0)
			print_message("%s: %.*s\n", cases[i][0], NX_FMT(t.x.result.err_out));
		ASSERT_STREQ(trial_status(&t), "ok");
		ASSERT_CONTAINS(trial_out(&t), "out");
		ASSERT_EQ(t.x.result.nartifacts, 1);
		trial_done(&t);
	}
	struct trial t;
	trial_init(&t, &B, "sql", "SELECT sum(a) FROM t");
	struct nx_exec_file f = {NX_STR("t.csv"), NX_STR("a\n1\n2\n")};
	t.x.files = &f;
	t.x.nfiles = 1;
	trial_run(&t);
	ASSERT_CONTAINS(trial_out(&t), "3");
	trial_done(&t);
}

TEST(a_run_says_what_held_it)
{
	struct trial t;
	trial_init(
		&t, &B, "python",
		"import os, sys, tempfile\n"
		"print(os.getcwd().endswith('/work'), sys.stdin.read(), tempfile.gettempdir().endswith('/tmp'), open('in.txt').read())");
	t.x.stdin_text = NX_STR("in");
	struct nx_exec_file f = {NX_STR("in.txt"), NX_STR("file")};
	t.x.files = &f;
	t.x.nfiles = 1;
	trial_run(&t);
	ASSERT_STREQ(trial_out(&t), "True in True file\n");
	const struct nx_exec_enforced *e = &t.x.result.enforced;
	ASSERT_STREQ(e->filesystem, "landlock");
	ASSERT_STREQ(e->network, "seccomp");
	ASSERT_STREQ(e->disk, "watchdog");
	ASSERT_STREQ(e->user, "uid");
	ASSERT_STREQ(e->syscalls, "seccomp");
	ASSERT_TRUE(e->degraded);
	ASSERT_FALSE(t.x.result.is_warm);
	ASSERT_GT(t.x.result.usage.cpu_us, 0);
	trial_done(&t);
}

TEST(no_file_of_the_host_is_opened_or_changed)
{
	char code[4096];
	snprintf(
		code, sizeof(code),
		"import os, glob\n"
		"r = []\n"
		"def reach(what, f):\n"
		"    try: f(); r.append(what)\n"
		"    except OSError: pass\n"
		"for p in ('/etc/shadow', '/etc/passwd', '/etc/hostname', '/proc/1/environ', '/proc/meminfo', '/proc/%d/cmdline', '%s/home0/nexus.db'):\n"
		"    reach(p, lambda: open(p, 'rb').read(1))\n"
		"for p in ('/', '/etc', '/tmp', '/proc', '/root', '/home', '/var', '/dev', '/sys', '/work', '..', '../..', '%s'):\n"
		"    if p != '..': reach('list ' + p, lambda: os.listdir(p))\n"
		"for p in ('/tmp', '/var/tmp', '/dev/shm', '/usr', '/etc', '/', '/root', '../..'):\n"
		"    reach('write ' + p, lambda: open(p + '/nexus-bare', 'w').close())\n"
		"    reach('make ' + p, lambda: os.mkdir(p + '/nexus-bare-d'))\n"
		"    reach('fifo ' + p, lambda: os.mkfifo(p + '/nexus-bare-f'))\n"
		"    reach('link ' + p, lambda: os.symlink('x', p + '/nexus-bare-l'))\n"
		"for p in ('/etc/passwd', '/usr/bin/env'):\n"
		"    reach('hard link', lambda: os.link(p, 'l')); reach('mode', lambda: os.chmod(p, 0o777))\n"
		"    reach('owner', lambda: os.chown(p, os.getuid(), -1)); reach('times', lambda: os.utime(p))\n"
		"    reach('truncate', lambda: os.truncate(p, 0)); reach('rename', lambda: os.rename(p, 'n'))\n"
		"os.symlink('/etc/passwd', 'out'); reach('through a link', lambda: open('out').read())\n"
		"reach('node', lambda: os.mknod('dev', 0o600 | 0o020000, os.makedev(1, 1)))\n"
		"reach('disk', lambda: open('/dev/sda', 'rb')); reach('mem', lambda: open('/dev/mem', 'rb'))\n"
		"open('mine', 'w').write('x'); os.rename('mine', 'renamed'); os.truncate('renamed', 0)\n"
		"print(r or 'held')",
		getpid(), nx_test_dir(), nx_test_dir());
	holds(code);
}

TEST(no_network_and_no_object_of_the_host_is_reached)
{
	holds("import ctypes, os, socket\n"
	      "libc, r = ctypes.CDLL(None), []\n"
	      "for a in ((2, 1), (2, 2), (10, 1), (1, 1), (1, 2), (16, 3), (17, 3), (38, 5), (40, 1)):\n"
	      "    try: socket.socket(*a); r.append(a)\n"
	      "    except OSError: pass\n"
	      "try: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); r.append('datagrams')\n"
	      "except OSError: pass\n"
	      "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
	      "if libc.shmget(77, 4096, 0o1666) >= 0 or libc.msgget(77, 0o1666) >= 0 or libc.semget(77, 1, 0o1666) >= 0: r.append('ipc')\n"
	      "if libc.mq_open(b'/nexus', os.O_CREAT | os.O_RDWR, 0o600, None) >= 0: r.append('queue')\n"
	      "if libc.memfd_create(b'x', 0) >= 0: r.append('memfd')\n"
	      "if libc.syscall(250, 0, 0, 0) >= 0: r.append('keys')\n"
	      "if libc.syscall(425, 1, 0) >= 0: r.append('io_uring')\n"
	      "if libc.unshare(0x10000000) == 0: r.append('user namespace')\n"
	      "print(r or 'held')");
}

TEST(nobody_else_is_signalled_or_traced)
{
	char code[2048];
	snprintf(
		code, sizeof(code),
		"import ctypes, os, signal\n"
		"libc, r = ctypes.CDLL(None), []\n"
		"for p in [1, %d, %d, os.getppid()]:\n"
		"    for f in (lambda: os.kill(p, 0), lambda: os.kill(-p if p > 1 else p, 0), lambda: os.sched_setaffinity(p, {0}),\n"
		"              lambda: os.setpriority(os.PRIO_PROCESS, p, 19),\n"
		"              lambda: signal.pidfd_send_signal(os.pidfd_open(p), 0)):\n"
		"        try: f(); r.append((p, f.__code__.co_names))\n"
		"        except OSError: pass\n"
		"    if libc.ptrace(16, p, 0, 0) == 0: r.append('traced')\n"
		"    for x in ('mem', 'environ', 'maps', 'fd', 'root', 'cwd', 'exe'):\n"
		"        try: open('/proc/%%d/%%s' %% (p, x), 'rb').read(1); r.append((p, x))\n"
		"        except OSError: pass\n"
		"try: os.setuid(0); r.append('root')\n"
		"except OSError: pass\n"
		"try: os.setgroups([0]); r.append('groups')\n"
		"except OSError: pass\n"
		"for p in ('/usr/bin/su', '/usr/bin/passwd', '/bin/mount'):\n"
		"    if os.path.exists(p) and os.system('exec 2>/dev/null >&2 </dev/null; %%s -l' %% p) == 0: r.append(p)\n"
		"print(os.getuid() >= %d and os.getgid() >= %d and os.getgroups() == [] and not r and 'held' or r)",
		getpid(), spawner_pid(&B), UIDS, UIDS);
	holds(code);
}

TEST(what_a_program_leaves_ends_with_its_run)
{
	struct trial t;
	run_python(&t, &B,
		   "import os, signal, time\n"
		   "for s in range(1, 32):\n"
		   "    try: signal.signal(s, signal.SIG_IGN)\n"
		   "    except (OSError, ValueError): pass\n"
		   "for i in range(4):\n"
		   "    if os.fork() == 0:\n"
		   "        os.setsid()\n"
		   "        if os.fork(): os._exit(0)\n"
		   "        os.close(0); os.close(1); os.close(2)\n"
		   "        time.sleep(100)\n"
		   "print('over')");
	ASSERT_STREQ(trial_out(&t), "over\n");
	trial_done(&t);
	ASSERT_TRUE(within(2000, no_guests));
	ASSERT_TRUE(within(2000, no_boxes));
}

TEST(limits_hold)
{
	ends_as("python", "import time\ntime.sleep(60)", 64, "timeout");
	ends_as("python", "x = []\nwhile True: x.append(b'x' * 1000000)", 64, "memory_limit");
	ends_as("python",
		"import os, time\n"
		"for i in range(6):\n"
		"    if os.fork() == 0:\n"
		"        x = b'x' * 30000000\n"
		"        time.sleep(60)\n"
		"time.sleep(60)",
		96, "memory_limit");
	ends_as("python", "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.1)", 512,
		"process_limit");
	ends_as("shell", "yes", 64, "output_limit");
	ends_as("python", "while True: pass", 64, "timeout");
	ends_as("python", "import os, signal\nos.kill(-1, signal.SIGKILL)\nprint('on')", 64, "ok");
}

static void fills_disk(const char *code)
{
	struct trial t;
	trial_init(&t, &B, "python", code);
	trial_run(&t);
	if (strcmp(trial_status(&t), "error") != 0)
		print_message("%s\n%.*s\n", trial_out(&t), NX_FMT(t.x.result.err_out));
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_TRUE(t.x.result.limits_met & NX_LIMIT_DISK);
	trial_done(&t);
	ASSERT_TRUE(within(20000, no_boxes));
}

TEST(a_full_disk_ends_a_run)
{
	fills_disk("import tempfile\nd = tempfile.gettempdir()\n"
		   "for i in range(100000): open(f'{d}/{i}', 'wb').write(b'x' * 1000000)");
	fills_disk("for i in range(10000000): open(f'f{i}', 'w').close()");
	fills_disk("import os, time\nfor i in range(2000):\n    os.mkdir('d')\n    os.chdir('d')\ntime.sleep(60)");
}

TEST(a_run_is_cancelled)
{
	struct trial t;
	trial_init(&t, &B, "python", "import os, time\nos.fork()\nprint('on', flush=True)\ntime.sleep(60)");
	trial_start(&t);
	while (!t.streamed)
		usleep(1000);
	nx_execution_cancel(B.execution, t.x.id);
	trial_wait(&t);
	ASSERT_STREQ(trial_status(&t), "cancelled");
	trial_done(&t);
	ASSERT_TRUE(within(5000, no_guests));
}

TEST(what_needs_namespaces_is_refused_by_name)
{
	struct trial t;
	trial_init(&t, &B, "python", "print(1)");
	t.x.constraints.network.is_granted = true;
	trial_start(&t);
	trial_wait(&t);
	ASSERT_NE(nx_error_code(t.err), 0);
	ASSERT_CONTAINS(nx_error_message(t.err), "namespaces");
	trial_done(&t);
}

TEST(two_spawners_do_not_share_users)
{
	struct box other;
	struct trial t;
	box_open(&other, options);
	trial_init(&t, &other, "python", "print(1)");
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	ASSERT_CONTAINS(nx_error_message(t.err), "Device or resource busy");
	trial_done(&t);
	box_close(&other);
}

TEST(a_killed_spawner_takes_its_programs_with_it)
{
	struct trial t;
	trial_init(&t, &B, "python",
		   "import os, time\n0 if os.fork() else os.setsid()\nprint('on', flush=True)\ntime.sleep(60)");
	trial_start(&t);
	while (!t.streamed)
		usleep(1000);
	ASSERT_FALSE(no_guests());
	ASSERT_EQ(kill(spawner_pid(&B), SIGKILL), 0);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	trial_done(&t);
	ASSERT_TRUE(within(5000, no_guests));
	run_python(&t, &B, "print('again')");
	ASSERT_STREQ(trial_out(&t), "again\n");
	trial_done(&t);
	ASSERT_TRUE(within(5000, no_boxes));
}

/* By somebody else, together with the reapers: the next spawner ends what was left. */
TEST(strays_are_ended_by_the_next_spawner)
{
	pid_t stray = fork();
	if (stray == 0) {
		if (close_range(3, ~0U, 0) < 0 || setgid(UIDS + 7) < 0 || setuid(UIDS + 7) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	usleep(100000);
	ASSERT_FALSE(no_guests());
	box_close(&B);
	box_open(&B, options);
	int status = 0;
	struct trial t;
	run_python(&t, &B, "print(1)");
	trial_done(&t);
	ASSERT_EQ(waitpid(stray, &status, 0), stray);
	ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(without_the_option_nothing_is_run)
{
	struct trial t;
	box_close(&B);
	box_open(&B, (const char *[]){"sandbox.uid_base=1900800000", NULL});
	trial_init(&t, &B, "python", "print(1)");
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	ASSERT_CONTAINS(nx_error_message(t.err), "sandbox.without_namespaces is false");
	trial_done(&t);
	box_close(&B);
	ASSERT_TRUE(no_boxes());
}
