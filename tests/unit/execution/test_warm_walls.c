/* Behind the same walls: what attacks a program's walls does so in an interpreter that was started ahead, too. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct box B;

/* With the constraints of the fixture, in an interpreter that waited: others are waited for. */
static void run_warm(struct trial *t, const char *code, int64_t memory_mb, int64_t ms)
{
	for (int i = 0; i < 500; i++) {
		trial_init(t, &B, "python", code);
		t->x.constraints.max_memory_mb = memory_mb;
		t->x.constraints.max_time_us = ms * 1000;
		trial_run(t);
		if (t->x.result.is_warm)
			return;
		trial_done(t);
		usleep(20000);
	}
	fail_msg("no warm interpreter came");
}

static void holds(const char *code)
{
	struct trial t;
	run_warm(&t, code, 256, 60000);
	if (strcmp(trial_out(&t), "held\n") != 0)
		print_message("%s, stderr: %.*s\n", trial_status(&t), NX_FMT(t.x.result.err_out));
	ASSERT_STREQ(trial_out(&t), "held\n");
	trial_done(&t);
}

static void ends_as(const char *code, const char *status)
{
	struct trial t;
	run_warm(&t, code, 64, 20000);
	ASSERT_STREQ(trial_status(&t), status);
	trial_done(&t);
}

TEST(the_sandbox_opens_in_a_careless_server)
{
	ASSERT_GE(dup2(STDIN_FILENO, 57), 0); /* without close-on-exec */
	ASSERT_GE(dup2(STDIN_FILENO, 903), 0);
	setenv("NEXUS_SECRET_OF_THE_SERVER", "hunter2", 1);
	box_open(&B, (const char *[]){"sandbox.uid_base=1900600000", "sandbox.max_output_bytes=64KiB",
				      "sandbox.work_bytes=8MiB", NULL});
}

TEST(calls_that_open_new_ground_are_refused)
{
	holds("import ctypes, errno\n"
	      "libc = ctypes.CDLL(None, use_errno=True)\n"
	      "r = []\n"
	      "calls = [(272, 0x10000000), (272, 0x20000), (56, 0x10000011), (435, 0, 0), (308, 3, 0), (165, 0, 0, 0, 0, 0), (166, 0, 2),\n"
	      "         (155, 0, 0), (161, 0), (430, 0, 0), (428, -100, 0, 1), (429, 0, 0, 0, 0, 0), (442, 0, 0, 0, 0, 0), (101, 16, 1, 0, 0),\n"
	      "         (101, 0, 0, 0, 0), (310, 1, 0, 0, 0, 0, 0), (311, 1, 0, 0, 0, 0, 0), (312, 1, 2, 0, 0, 0), (438, 0, 0, 0), (425, 8, 0),\n"
	      "         (248, 0, 0, 0, 0, -3), (249, 0, 0, 0, -3), (250, 0, -3, 0), (321, 0, 0, 0), (298, 0, 0, -1, -1, 0), (323, 0),\n"
	      "         (303, -100, 0, 0, 0, 0), (304, -100, 0, 0), (135, 0x400000), (135, 0x40000), (16, 0, 0x5412, 0), (16, 0, 0x541c, 0),\n"
	      "         (227, 0, 0), (164, 0, 0), (169, 0, 0, 0, 0), (175, 0, 0, 0), (313, 0, 0, 0), (246, 0, 0, 0, 0), (320, 0, 0, 0, 0, 0),\n"
	      "         (162,), (306, 0), (103, 3, 0, 0), (172, 3), (173, 0, 8, 1), (154, 0, 0, 0), (300, 0, 0), (253,), (294, 0), (447, 0),\n"
	      "         (302, 1, 7, 1, 0), (141, 1, 0, 10), (203, 1, 8, 0), (462, 0, 0, 0), (0x40000000 + 39,), (317, 1, 8, 0)]\n"
	      "for c in calls:\n"
	      "    ctypes.set_errno(0)\n"
	      "    n = libc.syscall(*[ctypes.c_long(x) for x in c])\n"
	      "    if n >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS): r.append((c, n, errno.errorcode.get(ctypes.get_errno())))\n"
	      "import socket\n"
	      "for f in list(range(3, 10)) + list(range(11, 64)):\n"
	      "    for k in (1, 2, 3, 5):\n"
	      "        try: socket.socket(f, k); r.append(('family', f))\n"
	      "        except OSError: pass\n"
	      "print(r or 'held')");
}

TEST(the_host_is_not_reached)
{
	char code[2048];
	snprintf(
		code, sizeof(code),
		"import os, socket\n"
		"r = [p for p in ('/etc/shadow', '/sys/kernel', '/var/lib', '/boot', '%s', '/proc/%d') if os.path.exists(p)]\n"
		"for p in ('/usr/x', '/x', '/etc/x', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):\n"
		"    try: open(p, 'a').close(); r.append(p)\n"
		"    except OSError: pass\n"
		"for p in ('environ', 'mem', 'maps', 'exe', 'fd/4', 'cwd/etc/passwd', 'root/etc/passwd', 'task/1/mem'):\n"
		"    try: open('/proc/1/' + p, 'rb').read(1) and r.append(p)\n"
		"    except OSError: pass\n"
		"try: os.kill(%d, 0); r.append('signal')\n"
		"except OSError: pass\n"
		"pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]\n"
		"if sorted(pids) != [1, os.getpid()]: r.append(pids)\n"
		"for f in (lambda: os.setuid(0), lambda: os.chroot('/work'), lambda: os.mknod('/work/d', 0o60600, os.makedev(8, 0)), lambda: os.nice(-5)):\n"
		"    try: f(); r.append(f)\n"
		"    except OSError: pass\n"
		"for at in (('127.0.0.1', 22), ('169.254.169.254', 80)):\n"
		"    try: socket.create_connection(at, 1); r.append(at)\n"
		"    except OSError: pass\n"
		"s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
		"r += [k for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(s[k], 16)]\n"
		"r += [k for k, v in (('NoNewPrivs', '1'), ('Seccomp', '2')) if s[k].strip() != v]\n"
		"print(r or 'held')",
		nx_test_dir(), getpid(), getpid());
	holds(code);
}

TEST(nothing_of_the_server_or_of_the_interpreters_start_is_left)
{
	holds("import fcntl, os\n"
	      "r = []\n"
	      "for fd in range(3, 1100):\n"
	      "    try: fcntl.fcntl(fd, fcntl.F_GETFD); r.append((fd, os.readlink(f'/proc/self/fd/{fd}')))\n"
	      "    except OSError: pass\n"
	      "r += [e for e in os.environ if 'NEXUS' in e or 'SECRET' in e or e.startswith('LD_')]\n"
	      /* The secret by its next letters, so that this program does not find itself. */
	      "seen, known = 0, 'INTERPRETER'\n"
	      "next = bytes((i + 1) % 256 for i in range(256))\n"
	      "if b'ivoufs3' in open('/proc/self/environ', 'rb').read().translate(next): r.append('environ')\n"
	      "for line in open('/proc/self/maps').read().splitlines():\n"
	      "    p = line.split(None, 5)\n"
	      "    if 'r' not in p[1] or (len(p) > 5 and p[5].startswith(('/usr', '[v'))): continue\n"
	      "    a, b = (int(x, 16) for x in p[0].split('-'))\n"
	      "    try:\n"
	      "        with open('/proc/self/mem', 'rb') as m: m.seek(a); s = m.read(b - a).translate(next)\n"
	      "    except (OSError, OverflowError, ValueError): continue\n"
	      "    if b'ivoufs3' in s: r.append(p)\n"
	      "    seen += b'JOUFSQSFUFS' in s\n" /* known, which must be found */
	      "if not seen: r.append('memory was not searched')\n"
	      "if open('/proc/self/stat').read().rsplit(')', 1)[1].split()[4] != '0': r.append('has a terminal')\n"
	      "print(r or 'held')");
}

TEST(limits_of_the_guest_cannot_be_raised)
{
	holds("import resource as r\n"
	      "bad = [n for n, want in (('CORE', 1), ('MEMLOCK', 65536), ('NOFILE', 1024), ('MSGQUEUE', 0), ('RTPRIO', 0)) if r.getrlimit(getattr(r, 'RLIMIT_' + n))[1] > want]\n"
	      "for n in ('NOFILE', 'FSIZE', 'NPROC', 'STACK', 'CORE'):\n"
	      "    soft, hard = r.getrlimit(getattr(r, 'RLIMIT_' + n))\n"
	      "    try: r.setrlimit(getattr(r, 'RLIMIT_' + n), (hard + 1, hard + 1)); bad.append(n)\n"
	      "    except (OSError, ValueError): pass\n"
	      "print(bad or 'held')");
}

/* The same interpreter is forked again and again: what a program does to it stays in the copy. */
TEST(nothing_passes_from_run_to_run)
{
	static const char leave[] =
		"import builtins, gc, os, socket, sys\n"
		"sys.modules['left'] = sys; builtins.left = 'left-by-an-earlier-run' * 100\n"
		"os.environ['LEFT'] = 'x'; sys.path.append('/left'); sys.setrecursionlimit(77)\n"
		"open('/tmp/left', 'w').write('x'); open('/dev/shm/left', 'w').write('x'); open('/work/left', 'w').write('x')\n"
		"s = socket.socket(socket.AF_UNIX); s.bind('\\0left-warm'); s.listen()\n"
		"if os.fork() == 0: os.setsid(); os.execv('/usr/bin/sleep', ['sleep', '60'])\n";
	for (int i = 0; i < 5; i++) {
		struct trial t;
		run_warm(&t, leave, 256, 60000);
		ASSERT_STREQ(trial_status(&t), "ok");
		trial_done(&t);
		holds("import builtins, os, socket, sys\n"
		      "r = os.listdir('/tmp') + os.listdir('/dev/shm') + os.listdir('/work')\n"
		      "if 'left' in sys.modules or hasattr(builtins, 'left') or 'LEFT' in os.environ or '/left' in sys.path: r.append('names')\n"
		      "if sys.getrecursionlimit() == 77: r.append('limit')\n"
		      "try: socket.socket(socket.AF_UNIX).connect('\\0left-warm'); r.append('abstract')\n"
		      "except OSError: pass\n"
		      "r += [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]\n"
		      "print(r or 'held')");
	}
}

TEST(chance_is_not_repeated)
{
	struct trial a, b;
	static const char code[] =
		"import os, random, tempfile, uuid\nprint(random.random(), os.urandom(8), uuid.uuid4())";
	run_warm(&a, code, 256, 60000);
	run_warm(&b, code, 256, 60000);
	ASSERT_FALSE(nx_str_eq(a.x.result.out, b.x.result.out));
	nx_str x = a.x.result.out, y = b.x.result.out;
	ASSERT_FALSE(nx_str_eq(nx_str_cut(&x, ' '), nx_str_cut(&y, ' ')));
	trial_done(&a);
	trial_done(&b);
}

TEST(each_limit_has_its_status)
{
	ends_as("x = []\nwhile True: x.append(b'x' * 1000000)", "memory_limit");
	ends_as("import os, time\n"
		"for i in range(8):\n"
		"    if os.fork() == 0:\n"
		"        x = b'x' * (16 << 20); time.sleep(18)\n"
		"time.sleep(18)\n",
		"memory_limit");
	ends_as("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "process_limit");
	ends_as("while True: print('x' * 1000)", "output_limit");
	struct trial t;
	run_warm(&t, "while True: pass", 64, 500);
	ASSERT_STREQ(trial_status(&t), "timeout");
	trial_done(&t);
	holds("import errno\n"
	      "try:\n"
	      "    with open('/tmp/fill', 'wb') as f:\n"
	      "        while True: f.write(b'x' * 65536)\n"
	      "except OSError as e: print('held' if e.errno in (errno.ENOSPC, errno.EFBIG) else e)");
}

TEST(a_program_cannot_end_more_than_itself)
{
	struct trial t;
	run_warm(&t,
		 "import os, signal\nfor s in (9, 15, 19):\n    try: os.kill(1, s)\n    except OSError: pass\n"
		 "try: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass\nprint('alive')",
		 256, 60000);
	ASSERT_STREQ(trial_out(&t), "alive\n");
	trial_done(&t);
	holds("print('held')");
}

TEST(the_sandbox_closes_with_those_that_wait)
{
	pid_t spawner = spawner_pid(&B);
	box_close(&B);
	for (int i = 0; i < 1000 && count_processes_of(1900600000, 1900602048); i++)
		usleep(10000);
	ASSERT_EQ(count_processes_of(1900600000, 1900602048), 0);
	ASSERT_EQ(count_cgroups_of(spawner), 0);
}
