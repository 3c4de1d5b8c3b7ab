/* Death of the server, death of the spawner, hosts that can do less, ordinary users. Each in a process of its own. */
#include "tests/unit/execution/container_fixture.h"
#include "tests/unit/execution/sandbox_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UIDS 1900300000

static bool within(int ms, bool (*is_so)(pid_t), pid_t arg)
{
	for (int i = 0; i < ms / 10; i++) {
		if (is_so(arg))
			return true;
		usleep(10000);
	}
	return is_so(arg);
}

static bool no_guests(pid_t unused)
{
	(void)unused;
	return count_processes_of(UIDS, UIDS + 1024) == 0;
}

static bool some_guests(pid_t unused)
{
	return !no_guests(unused);
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static bool no_cgroups(pid_t spawner)
{
	return count_cgroups_of(spawner) == 0;
}

static const char *const options[] = {"sandbox.uid_base=1900300000", NULL};
static const char sleeper[] =
	"import os, time\nos.fork()\n0 if os.fork() else os.setsid()\nprint('on', flush=True)\ntime.sleep(60)";

/* A server with one run under way; tells its spawner's pid and waits to be killed. */
static void serve(int out)
{
	struct box b;
	struct trial t;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test fails before it kills us */
	box_open(&b, options);
	trial_init(&t, &b, "python", sleeper);
	trial_start(&t);
	while (!t.streamed)
		usleep(1000);
	pid_t spawner = spawner_pid(&b);
	if (write(out, &spawner, sizeof(spawner)) != (ssize_t)sizeof(spawner))
		_exit(1);
	for (;;)
		pause();
}

TEST(nothing_is_left_when_the_server_is_killed)
{
	int p[2];
	pid_t spawner = 0;
	if (geteuid() != 0)
		SKIP("guests have uids of their own only below root");
	ASSERT_EQ(pipe(p), 0);
	pid_t server = fork();
	if (server == 0)
		serve(p[1]);
	close(p[1]);
	ASSERT_EQ(read(p[0], &spawner, sizeof(spawner)), sizeof(spawner));
	ASSERT_TRUE(within(20000, some_guests, 0));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ASSERT_TRUE(within(20000, no_guests, 0));
	ASSERT_TRUE(within(20000, is_gone, spawner));
	ASSERT_TRUE(within(20000, no_cgroups, spawner));
	close(p[0]);
}

TEST(a_killed_spawner_takes_its_guests_with_it_and_a_new_one_cleans_up)
{
	struct box b;
	struct trial t;
	if (geteuid() != 0)
		SKIP("guests have uids of their own only below root");
	box_open(&b, options);
	trial_init(&t, &b, "python", sleeper);
	trial_start(&t);
	while (!t.streamed)
		usleep(1000);
	pid_t spawner = spawner_pid(&b);
	kill(spawner, SIGKILL);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	trial_done(&t);
	ASSERT_TRUE(within(20000, no_guests, 0));
	run_python(&t, &b, "print('again')");
	ASSERT_STREQ(trial_out(&t), "again\n");
	trial_done(&t);
	ASSERT_NE(spawner_pid(&b), spawner);
	ASSERT_TRUE(no_cgroups(spawner));
	box_close(&b);
}

TEST(closing_ends_what_runs_and_what_waits)
{
	struct box b;
	struct trial t[6];
	box_open(&b, (const char *[]){"sandbox.uid_base=1900300000", "sandbox.max_running=2", NULL});
	for (size_t i = 0; i < nx_countof(t); i++) {
		trial_init(&t[i], &b, "python", sleeper);
		trial_start(&t[i]);
	}
	while (!t[0].streamed)
		usleep(1000);
	box_close(&b);
	for (size_t i = 0; i < nx_countof(t); i++) {
		ASSERT_TRUE(t[i].is_done);
		ASSERT_STREQ(trial_status(&t[i]), "cancelled");
		trial_done(&t[i]);
	}
	ASSERT_TRUE(no_guests(0));
}

enum { FAMILY_MAX = 64 };

/* Descendants of a process, from /proc; itself first. */
static size_t list_family(pid_t root, pid_t *ret)
{
	size_t n = 1;
	ret[0] = root;
	for (size_t i = 0; i < n; i++) {
		char path[64];
		int child;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", ret[i], ret[i]);
		FILE *f = fopen(path, "re");
		while (f && n < FAMILY_MAX && fscanf(f, "%d", &child) == 1)
			ret[n++] = child;
		if (f)
			fclose(f);
	}
	return n;
}

TEST(runs_go_on_when_a_process_of_the_spawner_is_killed)
{
	struct box b;
	struct trial t;
	pid_t family[FAMILY_MAX];
	box_open(&b, options);
	run_python(&t, &b, "print(1)");
	trial_done(&t);
	size_t n = list_family(spawner_pid(&b), family);
	for (size_t i = 1; i < n; i++) { /* keepers, of cgroups and of what was opened before the walls */
		(void)kill(family[i], SIGKILL);
		bool ran = false;
		for (int k = 0; k < 100 && !ran; k++) { /* one run may be told that it could not be started */
			trial_init(&t, &b, "python", "print('on')");
			trial_start(&t);
			trial_wait(&t);
			ran = !t.err && t.x.result.status == NX_EXEC_OK;
			trial_done(&t);
			if (!ran)
				usleep(20000);
		}
		ASSERT_TRUE(ran);
	}
	box_close(&b);
	ASSERT_TRUE(within(20000, no_guests, 0));
}

/* ---- hosts that can do less ---- */

struct expectation {
	const char *memory, *network, *user, *syscalls;
	bool degraded;
};

#ifdef NX_FAULTS_ENABLED
/* On a host whose cgroups are of version 2 they are that where they would be version 1 here. */
static bool is_held_by(const char *got, const char *want)
{
	return strcmp(got, want) == 0 || (strcmp(want, "cgroup-v1") == 0 && strcmp(got, "cgroup-v2") == 0);
}
#endif

static void run_forced(const char *force, const struct expectation *want)
{
#ifdef NX_FAULTS_ENABLED
	struct box b;
	struct trial t;
	setenv("NEXUS_SANDBOX_FORCE", force, 1);
	box_open(&b, options);
	run_python(&t, &b,
		   "import os, socket\n"
		   "try: socket.create_connection(('127.0.0.1', 22), 1); n = 'open'\n"
		   "except OSError: n = 'closed'\n"
		   "print(os.getuid() != 0, n, os.path.exists('/etc/shadow'))");
	ASSERT_STREQ(trial_out(&t), "True closed False\n");
	ASSERT_TRUE(is_held_by(t.x.result.enforced.memory, want->memory));
	ASSERT_STREQ(t.x.result.enforced.network, want->network);
	ASSERT_STREQ(t.x.result.enforced.user, want->user);
	ASSERT_STREQ(t.x.result.enforced.syscalls, want->syscalls);
	ASSERT_EQ(t.x.result.enforced.degraded, want->degraded);
	trial_done(&t);
	box_close(&b);
	unsetenv("NEXUS_SANDBOX_FORCE");
#else
	(void)force;
	(void)want;
	SKIP("built without fault points");
#endif
}

TEST(without_user_namespaces_each_run_has_a_uid_of_the_host)
{
	struct expectation e = {"cgroup-v1", "namespace", "uid", "seccomp", false};
	if (geteuid() != 0)
		SKIP("needs root");
	run_forced("no-userns", &e);
}

TEST(without_network_namespaces_seccomp_refuses_sockets)
{
	run_forced("no-netns", &(struct expectation){"cgroup-v1", "seccomp", "namespace", "seccomp", false});
}

TEST(without_landlock_the_other_walls_stand)
{
	run_forced("no-landlock", &(struct expectation){"cgroup-v1", "namespace", "namespace", "seccomp", false});
}

TEST(without_a_private_proc_there_is_none)
{
	run_forced("no-proc", &(struct expectation){"cgroup-v1", "namespace", "namespace", "seccomp", false});
}

TEST(without_seccomp_a_run_is_marked)
{
	run_forced("no-seccomp", &(struct expectation){"cgroup-v1", "namespace", "namespace", "none", true});
}

#ifdef NX_FAULTS_ENABLED
static void status_without_cgroups(struct box *b, const char *code, int64_t seconds, const char *want)
{
	struct trial t;
	trial_init(&t, b, "python", code);
	t.x.constraints.max_memory_mb = 64;
	t.x.constraints.max_time_us = seconds * NX_USEC_PER_SEC;
	t.x.constraints.max_cpu_percent = 5;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), want);
	trial_done(&t);
}
#endif

TEST(without_cgroups_the_watchdog_holds_the_limits)
{
#ifdef NX_FAULTS_ENABLED
	struct box b;
	setenv("NEXUS_SANDBOX_FORCE", "no-cgroup", 1);
	box_open(&b, options);
	status_without_cgroups(&b, "print(1)", 20, "ok");
	status_without_cgroups(&b, "x = []\nwhile True: x.append(b'x' * 1000000)", 20, "memory_limit");
	status_without_cgroups(&b,
			       "import os, time\n"
			       "for i in range(8):\n"
			       "  if os.fork() == 0:\n"
			       "    x = b'x' * (16 << 20); time.sleep(20)\n"
			       "time.sleep(20)",
			       20, "memory_limit");
	status_without_cgroups(&b, "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.1)",
			       20, "process_limit");
	status_without_cgroups(&b, "while True: pass", 20, "cpu_limit"); /* 5 % of 20 s */
	status_without_cgroups(&b, "import time; time.sleep(30)", 1, "timeout");
	box_close(&b);
	unsetenv("NEXUS_SANDBOX_FORCE");
#else
	SKIP("built without fault points");
#endif
}

TEST(what_cannot_be_enforced_is_refused_where_the_policy_says_so)
{
#ifdef NX_FAULTS_ENABLED
	struct box b;
	struct trial t;
	setenv("NEXUS_SANDBOX_FORCE", "no-cgroup", 1);
	box_open(&b, (const char *[]){"sandbox.uid_base=1900300000", "sandbox.degraded=false", NULL});
	trial_init(&t, &b, "python", "print(1)");
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	trial_done(&t);
	box_close(&b);
	setenv("NEXUS_SANDBOX_FORCE", "no-namespaces", 1);
	box_open(&b, options);
	trial_init(&t, &b, "python", "print(1)");
	trial_start(&t);
	trial_wait(&t);
	ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
	ASSERT_CONTAINS(nx_error_message(t.err), "cannot isolate");
	trial_done(&t);
	box_close(&b);
	unsetenv("NEXUS_SANDBOX_FORCE");
#else
	SKIP("built without fault points");
#endif
}

#ifdef NX_FAULTS_ENABLED
static int bind_abstract(int type, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s", name);
	ASSERT_EQ(
		bind(s, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
		0);
	return s;
}

static void status_without(struct box *b, const char *code, int64_t percent, const char *want)
{
	struct trial t;
	trial_init(&t, b, "python", code);
	t.x.constraints.max_memory_mb = 64;
	t.x.constraints.max_cpu_percent = percent;
	t.x.constraints.cpu_policy = percent < 100 ? NX_CPU_KILL : NX_CPU_THROTTLE;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), want);
	trial_done(&t);
}
#endif

TEST(without_network_namespaces_no_name_of_the_host_is_reached)
{
#ifdef NX_FAULTS_ENABLED
	static const char code[] =
		"import socket\n"
		"r = []\n"
		"for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
		"    try: s = socket.socket(socket.AF_UNIX, kind); s.connect('\\0nexus-survival'); r.append(kind)\n"
		"    except OSError: pass\n"
		"try:\n"
		"    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.sendto(b'x', '\\0nexus-survival-d'); r.append('pair')\n"
		"except OSError: pass\n"
		"a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
		"print(r or 'held')";
	static const char *const forces[] = {"no-netns", "no-netns,no-landlock"};
	int stream = bind_abstract(SOCK_STREAM, "nexus-survival"), gram = bind_abstract(SOCK_DGRAM, "nexus-survival-d");
	ASSERT_EQ(listen(stream, 1), 0);
	for (size_t i = 0; i < nx_countof(forces); i++) {
		struct box b;
		setenv("NEXUS_SANDBOX_FORCE", forces[i], 1);
		box_open(&b, options);
		unsetenv("NEXUS_SANDBOX_FORCE");
		holds_in(&b, "python", code, "");
		box_close(&b);
	}
	close(stream);
	close(gram);
#else
	SKIP("built without fault points");
#endif
}

TEST(each_controller_that_is_missing_is_stood_in_for)
{
	if (geteuid() != 0)
		SKIP("needs root");
#ifdef NX_FAULTS_ENABLED
	static const struct {
		const char *force, *memory, *cpu, *processes;
	} cases[] = {
		{"no-memory", "watchdog", "cgroup-v1", "cgroup-v1"},
		{"no-pids", "cgroup-v1", "cgroup-v1", "rlimit"},
		{"no-cpu", "cgroup-v1", "watchdog", "cgroup-v1"},
		{"no-memory,no-pids", "watchdog", "cgroup-v1", "rlimit"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		struct box b;
		struct trial t;
		setenv("NEXUS_SANDBOX_FORCE", cases[i].force, 1);
		box_open(&b, options);
		unsetenv("NEXUS_SANDBOX_FORCE");
		run_python(&t, &b, "print(1)");
		ASSERT_STREQ(trial_status(&t), "ok");
		ASSERT_TRUE(is_held_by(t.x.result.enforced.memory, cases[i].memory));
		ASSERT_TRUE(is_held_by(t.x.result.enforced.cpu, cases[i].cpu));
		ASSERT_TRUE(is_held_by(t.x.result.enforced.processes, cases[i].processes));
		ASSERT_TRUE(t.x.result.enforced.degraded);
		trial_done(&t);
		status_without(&b, "x = []\nwhile True: x.append(b'x' * 1000000)", 100, "memory_limit");
		status_without(&b, "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.1)",
			       100, "process_limit");
		status_without(&b, "while True: pass", 20, "cpu_limit");
		box_close(&b);
	}
#else
	SKIP("built without fault points");
#endif
}

TEST(without_a_memory_cgroup_no_memory_hides_from_the_watchdog)
{
#ifdef NX_FAULTS_ENABLED
	struct box b;
	setenv("NEXUS_SANDBOX_FORCE", "no-cgroup", 1);
	box_open(&b, options);
	unsetenv("NEXUS_SANDBOX_FORCE");
	holds_in(&b, "python",
		 "import ctypes, mmap, os\n"
		 "libc = ctypes.CDLL(None, use_errno=True)\n"
		 "r = []\n"
		 "try: os.memfd_create('x'); r.append('memfd')\n"
		 "except OSError: pass\n"
		 "try: mmap.mmap(-1, 4096); r.append('shared')\n"
		 "except OSError: pass\n"
		 "if libc.shmget(0, 4096, 0o1600) >= 0: r.append('shm')\n"
		 "try: os.open('/dev/zero', os.O_RDWR); r.append('zero')\n"
		 "except OSError: pass\n"
		 "mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
		 "f = open('/tmp/f', 'w+b'); f.truncate(4096); mmap.mmap(f.fileno(), 4096)\n"
		 "print(r or 'held')",
		 "");
	box_close(&b);
#else
	SKIP("built without fault points");
#endif
}

TEST(without_clone3_guests_are_made_by_clone)
{
	run_forced("no-clone3", &(struct expectation){"cgroup-v1", "namespace", "namespace", "seccomp", false});
}

TEST(without_cgroup_namespaces_the_other_walls_stand)
{
	run_forced("no-cgroupns", &(struct expectation){"cgroup-v1", "namespace", "namespace", "seccomp", false});
}

TEST(what_nothing_can_stand_in_for_is_refused_with_its_name)
{
#ifdef NX_FAULTS_ENABLED
	static const char *const cases[][2] = {
		{"no-pidfd", "open a pidfd"},
		{"no-mount-api", "Linux 5.12"},
		{"no-netns,no-seccomp", "the network is open"},
		{"no-namespaces", "files cannot be hidden"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		struct box b;
		struct trial t;
		setenv("NEXUS_SANDBOX_FORCE", cases[i][0], 1);
		box_open(&b, options);
		unsetenv("NEXUS_SANDBOX_FORCE");
		trial_init(&t, &b, "python", "print(1)");
		trial_start(&t);
		trial_wait(&t);
		ASSERT_EQ(nx_error_code(t.err), NX_ESANDBOX);
		ASSERT_CONTAINS(nx_error_message(t.err), cases[i][1]);
		trial_done(&t);
		box_close(&b);
	}
#else
	SKIP("built without fault points");
#endif
}

/* ---- inside an unprivileged container ---- */

static int run_in_container(void)
{
	struct box b;
	struct trial t;
	if (enter_container() < 0)
		return 1;
	box_open(&b, options);
	trial_init(&t, &b, "shell", "echo ran");
	trial_start(&t);
	trial_wait(&t);
	fprintf(stderr, "in a container: %s\n", t.err ? nx_error_message(t.err) : "ran");
	bool ok = nx_error_code(t.err) == NX_ESANDBOX && strstr(nx_error_message(t.err), "mount namespace") &&
		  t.x.result.out.n == 0;
	trial_done(&t);
	box_close(&b);
	return ok ? 0 : 2;
}

TEST(where_no_namespace_can_be_made_nothing_is_run)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_in_container());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
}

/* ---- an ordinary user ---- */

/* An ordinary user's guests have his own uid outside: only the namespaces stand between them and what is his. */
static const char reach[] =
	"import os, socket\n"
	"r = [p for p in ('/etc/shadow', '/sys/kernel', '%s', '/proc/%d') if os.path.exists(p)]\n"
	"for p in ('/usr/x', '/x', '/etc/x', '/proc/sys/kernel/core_pattern'):\n"
	"    try: open(p, 'a').close(); r.append(p)\n"
	"    except OSError: pass\n"
	"for p in ('/proc/1/environ', '/proc/1/mem', '/proc/1/exe', '/proc/1/fd/4', '/proc/1/cwd/etc/passwd'):\n"
	"    try: open(p, 'rb').read(1) and r.append(p)\n"
	"    except OSError: pass\n"
	"try: os.kill(%d, 0); r.append('signal')\n"
	"except OSError: pass\n"
	"for f in (lambda: os.setuid(0), lambda: os.chroot('/work'), lambda: os.setgroups([]), lambda: os.chown('/work', 0, 0)):\n"
	"    try: f(); r.append(f)\n"
	"    except OSError: pass\n"
	"try: socket.create_connection(('127.0.0.1', 22), 1); r.append('network')\n"
	"except OSError: pass\n"
	"s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
	"r += [k for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(s[k], 16)]\n"
	"r += [k for k, v in (('NoNewPrivs', '1'), ('Seccomp', '2')) if s[k].strip() != v]\n"
	"open('f', 'w').write('x')\n"
	"print(os.getuid(), r or 'held')";

static bool become_nobody(void)
{
	(void)unsetenv("TSAN_OPTIONS"); /* whose suppressions this user may not be able to read */
	(void)unsetenv("LSAN_OPTIONS");
	return setgid(65534) == 0 && setuid(65534) == 0;
}

static int run_as_user(void)
{
	struct box b;
	struct trial t;
	char code[sizeof(reach) + 512];
	if (!become_nobody())
		return 1;
	b = (struct box){0};
	box_open(&b, NULL);
	snprintf(code, sizeof(code), reach, box_home, getpid(), getpid());
	trial_init(&t, &b, "python", code);
	struct nx_exec_file f = {NX_STR("in.txt"), NX_STR("x")};
	t.x.files = &f;
	t.x.nfiles = 1;
	trial_start(&t);
	trial_wait(&t);
	if (t.err)
		fprintf(stderr, "as a user: %s\n", nx_error_message(t.err));
	else
		fprintf(stderr, "as a user: %s", trial_out(&t));
	bool ok = !t.err && t.x.result.status == NX_EXEC_OK && strcmp(trial_out(&t), "1000 held\n") == 0 &&
		  t.x.result.nartifacts == 1;
	fprintf(stderr, "as a user: memory %s, user %s\n",
		t.x.result.enforced.memory ? t.x.result.enforced.memory : "-",
		t.x.result.enforced.user ? t.x.result.enforced.user : "-");
	trial_done(&t);
	box_close(&b);
	return ok ? 0 : 2;
}

TEST(an_ordinary_user_is_served_by_user_namespaces)
{
	int status = 0;
	if (geteuid() != 0)
		SKIP("is one already");
	pid_t pid = fork();
	if (pid == 0) {
		char dir[] = "/tmp/nexus-user-XXXXXX";
		if (!mkdtemp(dir) || chown(dir, 65534, 65534) < 0 || !(box_home = dir))
			_exit(3);
		int r = run_as_user();
		(void)nx_rmtree(dir, NULL);
		_exit(r);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
}

/* ---- and his server, killed ---- */

static bool is_dead(pid_t pid)
{
	char path[64], state = 'X';
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (f)
		fclose(f);
	return !f || state == 'Z' || state == 'X';
}

static void serve_as_user(const char *dir, int out)
{
	if (chown(dir, 65534, 65534) < 0 || !(box_home = dir) || !become_nobody())
		_exit(3);
	serve(out);
}

/* The first process of the pair is killed, and with it all of the spawner's family goes. */
static void kill_and_count(bool is_spawner)
{
	int p[2];
	pid_t spawner = 0, family[FAMILY_MAX];
	char dir[] = "/tmp/nexus-user-XXXXXX";
	ASSERT_NOT_NULL(mkdtemp(dir));
	ASSERT_EQ(pipe(p), 0);
	pid_t server = fork();
	if (server == 0)
		serve_as_user(dir, p[1]);
	close(p[1]);
	ASSERT_EQ(read(p[0], &spawner, sizeof(spawner)), sizeof(spawner));
	size_t n = list_family(spawner, family);
	print_message("%zu processes below the spawner\n", n);
	ASSERT_GT(n, 3); /* a reaper, the program and its children */
	ASSERT_EQ(kill(is_spawner ? spawner : server, SIGKILL), 0);
	for (size_t i = 0; i < n; i++)
		ASSERT_TRUE(within(20000, is_dead, family[i]));
	(void)kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(p[0]);
	(void)nx_rmtree(dir, NULL);
}

TEST(an_ordinary_users_guests_end_when_the_server_is_killed)
{
	if (geteuid() != 0)
		SKIP("needs root, to become another");
	kill_and_count(false);
}

TEST(an_ordinary_users_guests_end_when_the_spawner_is_killed)
{
	if (geteuid() != 0)
		SKIP("needs root, to become another");
	kill_and_count(true);
}
