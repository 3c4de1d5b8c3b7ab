/* Each limit has a program that attacks it and a status of its own. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct box B;

TEST(the_sandbox_opens)
{
	box_open(&B, (const char *[]){"sandbox.max_output_bytes=64KiB", "sandbox.work_bytes=8MiB",
				      "sandbox.pool_idle=200ms", "sandbox.uid_base=1900100000", NULL});
}

static void limited(struct trial *t, const char *language, const char *code, int64_t ms)
{
	trial_init(t, &B, language, code);
	t->x.constraints.max_time_us = ms * 1000;
	t->x.constraints.max_memory_mb = 64;
	trial_run(t);
}

TEST(a_program_that_does_not_end_is_ended)
{
	struct trial t;
	limited(&t, "python", "while True: pass", 300);
	ASSERT_STREQ(trial_status(&t), "timeout");
	ASSERT_GE(t.x.result.usage.wall_us, 300000);
	ASSERT_LT(t.x.result.usage.wall_us, 5000000); /* not by a backstop; how soon is the machine's affair */
	trial_done(&t);
	limited(&t, "shell", "echo before; sleep 60", 3000);
	ASSERT_STREQ(trial_status(&t), "timeout");
	ASSERT_STREQ(trial_out(&t), "before\n");
	trial_done(&t);
}

TEST(a_program_that_ignores_signals_is_ended_all_the_same)
{
	struct trial t;
	limited(&t, "shell", "trap '' TERM INT HUP QUIT; while true; do sleep 0.01; done", 300);
	ASSERT_STREQ(trial_status(&t), "timeout");
	trial_done(&t);
}

TEST(one_process_that_takes_too_much_memory_is_ended)
{
	struct trial t;
	limited(&t, "python", "x = []\nwhile True: x.append(b'x' * 1000000)", 60000);
	ASSERT_STREQ(trial_status(&t), "memory_limit");
	trial_done(&t);
}

TEST(many_processes_that_together_take_too_much_memory_are_ended)
{
	struct trial t;
	limited(&t, "python",
		"import os, time\n"
		"for i in range(8):\n"
		"    if os.fork() == 0:\n"
		"        x = b'x' * (16 << 20)\n"
		"        time.sleep(8)\n"
		"time.sleep(8)\n"
		"print('survived')\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "memory_limit");
	trial_done(&t);
}

TEST(files_in_the_box_count_as_memory_or_are_bounded_by_the_disk)
{
	struct trial t;
	limited(&t, "python",
		"import errno\n"
		"for d in ('/work', '/tmp', '/dev/shm', '/var/tmp'):\n"
		"    try:\n"
		"        with open(d + '/fill', 'wb') as f:\n"
		"            while True: f.write(b'x' * 65536)\n"
		"    except OSError as e: print(d, errno.errorcode[e.errno])\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_CONTAINS(trial_out(&t), "/work ");
	ASSERT_CONTAINS(trial_out(&t), "/dev/shm ENOSPC");
	trial_done(&t);
}

TEST(a_million_files_are_refused_by_the_box)
{
	struct trial t;
	limited(&t, "python",
		"import errno\n"
		"try:\n"
		"    for i in range(1000000): open(f'/tmp/{i}', 'w').close()\n"
		"except OSError as e: print(errno.errorcode[e.errno])\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "ENOSPC\n");
	trial_done(&t);
}

TEST(a_fork_bomb_meets_the_limit_of_processes)
{
	struct trial t;
	limited(&t, "shell", "b() { b | b & }; b; while true; do b; done", 60000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
	limited(&t, "python", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", 60000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
}

TEST(threads_count_as_processes)
{
	struct trial t;
	limited(&t, "python",
		"import threading, time\nfor i in range(200): threading.Thread(target=time.sleep, args=(5,)).start()",
		60000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
}

TEST(a_flood_of_output_is_cut_and_ended)
{
	struct trial t;
	limited(&t, "python", "while True: print('x' * 1000)", 60000);
	ASSERT_STREQ(trial_status(&t), "output_limit");
	ASSERT_TRUE(t.x.result.out_truncated);
	ASSERT_EQ(t.x.result.out.n, 65536);
	trial_done(&t);
	limited(&t, "python", "import sys\nwhile True: sys.stderr.write('x' * 1000)", 60000);
	ASSERT_STREQ(trial_status(&t), "output_limit");
	ASSERT_TRUE(t.x.result.err_truncated);
	trial_done(&t);
}

TEST(output_just_at_the_limit_is_no_flood)
{
	struct trial t;
	limited(&t, "python", "import sys; sys.stdout.write('x' * 65536)", 60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.out.n, 65536);
	ASSERT_FALSE(t.x.result.out_truncated);
	trial_done(&t);
}

TEST(the_share_of_the_processor_is_held)
{
	struct trial t;
	trial_init(&t, &B, "python",
		   "import time\ne = time.time() + 2.5\nwhile time.time() < e: pass\nprint(time.process_time())");
	t.x.constraints.max_cpu_percent = 20;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_LT(t.x.result.usage.cpu_us, 1200000);
	trial_done(&t);
}

TEST(closed_standard_streams_do_no_harm)
{
	struct trial t;
	limited(&t, "shell", "exec 0<&- 1>&- 2>&-; sleep 0.05; exit 3", 5000);
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_EQ(t.x.result.exit_code, 3);
	trial_done(&t);
}

TEST(what_outlives_the_program_is_killed_with_it)
{
	struct trial t;
	limited(&t, "python",
		"import os, time\n"
		"if os.fork() == 0:\n"
		"    os.setsid()\n"
		"    if os.fork() == 0:\n"
		"        os.setsid()\n"
		"        time.sleep(30)\n"
		"    os._exit(0)\n"
		"print('gone')\n",
		5000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_LT(t.x.result.usage.wall_us, 4000000);
	trial_done(&t);
	for (int i = 0; i < 1000 && count_processes_of(1900100000, 1900101024); i++)
		usleep(10000);
	ASSERT_EQ(count_processes_of(1900100000, 1900101024), 0);
}

/* As if a machine went down: threads, children of children, stopped ones and ones in the middle of a vfork. */
TEST(a_family_of_all_kinds_ends_with_the_program)
{
	struct trial t;
	limited(&t, "python",
		"import os, signal, subprocess, sys, threading, time\n"
		"threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
		"stopped = os.fork()\n"
		"if stopped == 0: time.sleep(60)\n"
		"os.kill(stopped, signal.SIGSTOP)\n"
		"subprocess.Popen(['/bin/sh', '-c', 'trap \"\" TERM; sleep 60 & wait'], start_new_session=True)\n"
		"if os.fork() == 0: os.setsid(); os.closerange(0, 3); time.sleep(60)\n"
		"print('on', flush=True)\n"
		"os._exit(0)\n",
		30000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_LT(t.x.result.usage.wall_us, 20000000);
	trial_done(&t);
	for (int i = 0; i < 1000 && count_processes_of(1900100000, 1900101024); i++)
		usleep(10000);
	ASSERT_EQ(count_processes_of(1900100000, 1900101024), 0);
}

TEST(killing_everything_in_sight_ends_only_the_program)
{
	struct trial t;
	limited(&t, "python",
		"import os, signal\nos.kill(1, signal.SIGKILL)\nprint('alive')\n"
		"try: os.kill(-1, signal.SIGKILL)\nexcept ProcessLookupError: pass",
		5000);
	ASSERT_CONTAINS(trial_out(&t), "alive");
	ASSERT_STREQ(trial_status(&t), "ok");
	trial_done(&t);
}

/* How long a cancel takes, at its best: a loaded machine is not what is tested. */
static int64_t cancel_time(int64_t cpu_percent, useconds_t after)
{
	int64_t best = INT64_MAX;
	for (int i = 0; i < 20 && best >= 100000; i++) {
		struct trial t;
		trial_init(&t, &B, "python", "print('on', flush=True)\nwhile True: pass");
		t.x.constraints.max_cpu_percent = cpu_percent;
		trial_start(&t);
		for (int k = 0; k < 1000 && !t.streamed; k++)
			usleep(10000);
		usleep(after);
		int64_t asked = nx_time_mono_us();
		nx_execution_cancel(B.execution, t.x.id);
		trial_wait(&t);
		best = nx_min(best, nx_time_mono_us() - asked);
		ASSERT_STREQ(trial_status(&t), "cancelled");
		trial_done(&t);
	}
	print_message("cancelled within %.1f ms\n", (double)best / 1000);
	return best;
}

TEST(a_cancelled_run_ends_within_a_tenth_of_a_second)
{
	ASSERT_LT(cancel_time(100, 0), 100000);
}

TEST(a_throttled_run_is_cancelled_as_quickly)
{
	ASSERT_LT(cancel_time(5, 300000), 100000);
}

TEST(a_small_run_after_a_large_one_has_its_own_limit)
{
	struct trial t;
	for (int i = 0; i < 6; i++) {
		trial_init(&t, &B, "python", "open('/work/f', 'wb').write(b'x' * (7 << 20))");
		t.x.constraints.max_memory_mb = 256;
		trial_run(&t);
		ASSERT_STREQ(trial_status(&t), "ok");
		trial_done(&t);
		trial_init(&t, &B, "python", "print(len(b'x' * (1 << 20)))");
		t.x.constraints.max_memory_mb = 24;
		trial_run(&t);
		ASSERT_STREQ(trial_status(&t), "ok");
		trial_done(&t);
	}
}

static bool has_met(const struct trial *t, unsigned what)
{
	if (t->x.result.limits_met != what)
		print_message("limits met: %x, status %s\n", t->x.result.limits_met, trial_status(t));
	return t->x.result.limits_met == what;
}

/* ---- output ---- */

TEST(both_streams_are_cut_at_once_and_repaired)
{
	struct trial t;
	limited(&t, "python",
		"import os\n"
		"if os.fork() == 0:\n"
		"    while True: os.write(1, b'\\xff\\xfe\\x80' * 1000)\n"
		"while True: os.write(2, b'\\xc3(\\xf0' * 1000)\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "output_limit");
	ASSERT_TRUE(has_met(&t, NX_LIMIT_OUTPUT));
	ASSERT_TRUE(t.x.result.out_truncated || t.x.result.err_truncated);
	ASSERT_TRUE(nx_utf8_valid(t.x.result.out));
	ASSERT_TRUE(nx_utf8_valid(t.x.result.err_out));
	ASSERT_LE(t.x.result.out.n, 3 * 65536); /* each bad byte becomes the three of U+FFFD */
	trial_done(&t);
}

TEST(a_daemon_that_keeps_the_output_open_holds_nothing_up)
{
	struct trial t;
	limited(&t, "python",
		"import array, os, signal, socket, time\n"
		"a, b = socket.socketpair()\n"
		"a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1, 2, b.fileno()]))])\n"
		"if os.fork() == 0:\n"
		"    os.setsid()\n"
		"    if os.fork() == 0:\n"
		"        for s in range(1, 65):\n"
		"            try: signal.signal(s, signal.SIG_IGN)\n"
		"            except (OSError, ValueError): pass\n"
		"        while True: os.write(1, b'.'); time.sleep(0.01)\n"
		"    os._exit(0)\n"
		"time.sleep(0.1)\n"
		"print('done', flush=True)\n",
		20000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_CONTAINS(trial_out(&t), "done");
	ASSERT_LT(t.x.result.usage.wall_us, 15000000);
	trial_done(&t);
}

TEST(open_files_have_a_number)
{
	struct trial t;
	limited(&t, "python",
		"import errno, os\n"
		"fds = []\n"
		"try:\n"
		"    while len(fds) < 5000: fds.append(os.open('/dev/null', os.O_RDONLY))\n"
		"except OSError as e: print(errno.errorcode[e.errno], max(fds))\n"
		"try: os.dup2(0, 4000)\n"
		"except OSError as e: print(errno.errorcode[e.errno])\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "EMFILE 1023\nEBADF\n");
	trial_done(&t);
}

/* Pipes, sockets and files in flight are memory of the kernel's. */
TEST(memory_of_the_kernel_is_counted_or_bounded)
{
	static const char *const codes[] = {
		"import fcntl, os\n"
		"for i in range(400):\n"
		"    a, b = os.pipe()\n"
		"    try: fcntl.fcntl(b, 1031, 1 << 20)\n"
		"    except OSError: pass\n"
		"    os.set_blocking(b, False)\n"
		"    try:\n"
		"        while True: os.write(b, b'x' * 65536)\n"
		"    except BlockingIOError: pass\n",
		"import socket\n"
		"keep = []\n"
		"for i in range(400):\n"
		"    a, b = socket.socketpair(); a.setblocking(False); keep += [a, b]\n"
		"    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)\n"
		"    try:\n"
		"        while True: a.send(b'x' * 65536)\n"
		"    except BlockingIOError: pass\n",
	};
	for (size_t i = 0; i < nx_countof(codes); i++) {
		struct trial t;
		limited(&t, "python", codes[i], 20000);
		bool is_ended = t.x.result.status == NX_EXEC_MEMORY_LIMIT || t.x.result.status == NX_EXEC_OK;
		if (!is_ended)
			print_message("%s: %.*s\n", trial_status(&t), NX_FMT(t.x.result.err_out));
		ASSERT_TRUE(is_ended);
		ASSERT_LE(t.x.result.usage.max_rss_bytes, 80LL << 20);
		trial_done(&t);
	}
}

/* ---- disk ---- */

TEST(every_writable_place_fills_the_same_disk)
{
	static const char *const places[] = {"/work", "/tmp", "/var/tmp", "/dev/shm"};
	for (size_t i = 0; i < nx_countof(places); i++) {
		struct trial t;
		char code[512];
		snprintf(code, sizeof(code),
			 "import os\n"
			 "n = 0\n"
			 "try:\n"
			 "    for i in range(100):\n"
			 "        f = os.open('%s/f%%d' %% i, os.O_CREAT | os.O_RDWR); os.unlink('%s/f%%d' %% i)\n"
			 "        for k in range(64): n += os.write(f, b'x' * 16384)\n"
			 "except OSError as e: print(e.errno, 8 << 20 <= n <= 9 << 20)\n"
			 "try: open('/work/more', 'w').write('x' * 9000)\n"
			 "except OSError as e: print(e.errno)\n",
			 places[i], places[i]);
		limited(&t, "python", code, 60000);
		ASSERT_STREQ(trial_out(&t), "28 True\n28\n");
		trial_done(&t);
	}
}

TEST(a_full_disk_is_told_whatever_the_status)
{
	struct trial t;
	limited(&t, "shell", "head -c 100000000 /dev/zero > /tmp/a; head -c 4000000 /dev/zero >> /tmp/b; exit 3",
		60000);
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_TRUE(has_met(&t, NX_LIMIT_DISK));
	trial_done(&t);
	limited(&t, "python",
		"import os\nfor i in range(20000):\n    try: os.link('/work/0', f'/work/{i}') if i else open('/work/0', 'w')\n    except OSError as e: print(e.errno, i > 10000); break",
		60000);
	ASSERT_STREQ(trial_out(&t), "28 True\n"); /* a name is an inode of the disk's count */
	ASSERT_EQ(t.x.result.limits_met & NX_LIMIT_DISK, NX_LIMIT_DISK);
	trial_done(&t);
	limited(&t, "python",
		"import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nos.truncate('/work/f', 1) if os.path.exists('/work/f') else 0\nf = open('/work/f', 'wb'); f.truncate(9 << 20)",
		60000);
	ASSERT_STREQ(trial_status(&t), "error");
	ASSERT_EQ(t.x.result.signal, SIGXFSZ);
	ASSERT_TRUE(has_met(&t, NX_LIMIT_DISK));
	trial_done(&t);
}

TEST(a_sparse_file_is_no_larger_than_a_file_may_be)
{
	struct trial t;
	limited(&t, "python",
		"import errno, os, signal\n"
		"signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
		"f = os.open('/work/sparse', os.O_CREAT | os.O_RDWR)\n"
		"for n in (1 << 20, 1 << 30, 1 << 40, 1 << 62):\n"
		"    try: os.ftruncate(f, n); print(n)\n"
		"    except OSError as e: print(errno.errorcode[e.errno])\n"
		"try: os.pwrite(f, b'x', 1 << 40)\n"
		"except OSError as e: print(errno.errorcode[e.errno])\n"
		"try: os.posix_fallocate(f, 0, 1 << 32)\n"
		"except OSError as e: print(errno.errorcode[e.errno])\n",
		60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "1048576\nEFBIG\nEFBIG\nEFBIG\nEFBIG\nEFBIG\n");
	trial_done(&t);
}

TEST(what_is_no_file_is_no_artifact)
{
	struct trial t;
	limited(&t, "python",
		"import os, socket\n"
		"os.symlink('/etc/passwd', 'link'); os.symlink('/proc/1/environ', 'environ'); os.symlink('.', 'self')\n"
		"os.symlink('/usr/bin', 'bin'); os.mkfifo('fifo')\n"
		"s = socket.socket(socket.AF_UNIX); s.bind('sock')\n"
		"r = []\n"
		"for mode in (0o20666, 0o60666):\n"
		"    for major, minor in ((1, 1), (1, 3), (8, 0), (254, 0)):\n"
		"        try: os.mknod(f'dev{mode}{major}', mode, os.makedev(major, minor)); r.append((mode, major))\n"
		"        except OSError: pass\n"
		"os.mkdir('secret', 0); os.rename('link', 'named.txt')\n"
		"open('plain', 'w').write('x'); os.chmod('plain', 0)\n"
		"print(r or 'no device')",
		60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "no device\n");
	for (size_t i = 0; i < t.x.result.nartifacts; i++)
		ASSERT_TRUE(nx_str_eqz(t.x.result.artifacts[i].path, "plain"));
	trial_done(&t);
}

TEST(memory_without_a_name_is_memory)
{
	static const char *const codes[] = {
		"import os\nfds = [os.memfd_create('x') for i in range(40)]\nfor f in fds:\n    for k in range(64): os.write(f, b'x' * 65536)\nprint('survived')",
		"import mmap\nm = []\nfor i in range(40):\n    m.append(mmap.mmap(-1, 4 << 20)); m[-1].write(b'x' * (4 << 20)); m[-1].madvise(mmap.MADV_DONTNEED)\nprint('survived')",
		"import ctypes\nlibc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p\nfor i in range(40):\n    s = libc.shmget(0, 4 << 20, 0o1600); p = libc.shmat(s, None, 0); ctypes.memset(p, 1, 4 << 20); libc.shmdt(ctypes.c_void_p(p))\nprint('survived')",
	};
	for (size_t i = 0; i < nx_countof(codes); i++) {
		struct trial t;
		limited(&t, "python", codes[i], 60000);
		ASSERT_STREQ(trial_status(&t), "memory_limit");
		ASSERT_EQ(t.x.result.limits_met & NX_LIMIT_MEMORY, NX_LIMIT_MEMORY);
		trial_done(&t);
	}
}

TEST(trees_made_to_hold_up_the_collection_do_not)
{
	struct trial t;
	limited(&t, "python",
		"import os\n"
		"open('/work/kept.txt', 'w').write('kept')\n"
		"for i in range(3000): os.makedirs(f'/work/d/{i % 50}/' + 'x' * 200 + f'/{i}')\n"
		"os.chdir('/work')\n"
		"for i in range(3000):\n"
		"    try: os.mkdir('n'); os.chdir('n')\n"
		"    except OSError: break\n"
		"f = os.open('sparse', os.O_CREAT | os.O_RDWR); os.ftruncate(f, 8 << 20); os.link('sparse', 'again')\n"
		"os.symlink('/etc/passwd', '/work/link'); os.mkfifo('/work/fifo'); os.symlink('/work', '/work/loop')\n"
		"os.mknod('/work/sock', 0o140600)\n"
		"os.open(b'/work/\\xff\\xfe', os.O_CREAT)\n",
		20000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.nartifacts, 1);
	ASSERT_TRUE(nx_str_eqz(t.x.result.artifacts[0].path, "kept.txt"));
	trial_done(&t);
}

TEST(artifacts_that_are_left_out_are_told)
{
	struct trial t;
	limited(&t, "shell", "for i in $(seq 150); do echo $i > f$i; done", 60000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_EQ(t.x.result.nartifacts, 100);
	ASSERT_TRUE(has_met(&t, NX_LIMIT_ARTIFACTS));
	trial_done(&t);
}

/* ---- CPU ---- */

TEST(more_than_the_share_is_slowed_down_or_ended_as_asked)
{
	struct trial t;
	/* So small a share that it is had on a busy machine, too. */
	static const char burn[] = "import time\nwhile time.process_time() < 0.5: pass";
	trial_init(&t, &B, "python", burn);
	t.x.constraints.max_cpu_percent = 10;
	t.x.constraints.max_time_us = 60 * NX_USEC_PER_SEC;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_TRUE(has_met(&t, NX_LIMIT_CPU));
	ASSERT_GT(t.x.result.usage.wall_us, 2000000);
	trial_done(&t);

	trial_init(&t, &B, "python", burn);
	t.x.constraints.max_cpu_percent = 10;
	t.x.constraints.cpu_policy = NX_CPU_KILL;
	t.x.constraints.max_time_us = 60 * NX_USEC_PER_SEC;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "cpu_limit");
	ASSERT_TRUE(has_met(&t, NX_LIMIT_CPU));
	ASSERT_LT(t.x.result.usage.cpu_us, 500000);
	trial_done(&t);

	trial_init(&t, &B, "python",
		   "import time\nfor i in range(4): sum(range(100000)); time.sleep(0.3)\nprint('fair')");
	t.x.constraints.max_cpu_percent = 25;
	t.x.constraints.cpu_policy = NX_CPU_KILL;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_TRUE(has_met(&t, 0));
	trial_done(&t);
}

TEST(a_short_program_is_not_slowed_by_a_small_share)
{
	struct trial t;
	trial_init(&t, &B, "python", "sum(range(500000))");
	t.x.constraints.max_cpu_percent = 20;
	trial_run(&t);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_TRUE(has_met(&t, 0)); /* nothing was throttled */
	trial_done(&t);
}

TEST(time_of_the_processor_has_an_end_of_its_own)
{
	struct trial t;
	trial_init(&t, &B, "python",
		   "import os\n"
		   "for i in range(3): os.fork()\n" /* eight at once: more than any share of the time that may pass */
		   "while True: pass");
	t.x.constraints.max_cpu_percent = 5;
	t.x.constraints.max_time_us = 10 * NX_USEC_PER_SEC; /* half a second of it */
	trial_run(&t);
	bool is_cpu = strcmp(trial_status(&t), "cpu_limit") == 0;
	ASSERT_TRUE(is_cpu || strcmp(trial_status(&t), "timeout") == 0); /* both are due at the same moment */
	ASSERT_EQ(t.x.result.limits_met & NX_LIMIT_CPU, NX_LIMIT_CPU);
	ASSERT_LT(t.x.result.usage.cpu_us, 1500000);
	trial_done(&t);
}

TEST(a_crowd_that_burns_is_cancelled_as_quickly)
{
	int64_t best = INT64_MAX;
	for (int i = 0; i < 20 && best >= 100000; i++) {
		struct trial t;
		trial_init(&t, &B, "python",
			   "import os\n"
			   "for i in range(50):\n"
			   "    if os.fork() == 0: break\n"
			   "else: print('on', flush=True)\n"
			   "try: os.setpriority(os.PRIO_USER, os.getuid(), 19)\n"
			   "except OSError: pass\n"
			   "while True: pass\n");
		trial_start(&t);
		for (int k = 0; k < 1000 && !t.streamed; k++)
			usleep(10000);
		int64_t asked = nx_time_mono_us();
		nx_execution_cancel(B.execution, t.x.id);
		trial_wait(&t);
		best = nx_min(best, nx_time_mono_us() - asked);
		ASSERT_STREQ(trial_status(&t), "cancelled");
		trial_done(&t);
	}
	print_message("cancelled within %.1f ms\n", (double)best / 1000);
	ASSERT_LT(best, 100000);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}
