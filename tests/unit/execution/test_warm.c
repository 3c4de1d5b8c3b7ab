/* Warm runs: the same program gives the same result in an interpreter that had started as in one that is exec'ed. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct box one;

TEST(a_sandbox_opens)
{
	box_open(&one, NULL);
}

static void pause_ms(unsigned n)
{
	(void)usleep(n * 1000);
}

static void run_as(struct trial *t, struct box *b, const char *code, const char *input, bool is_cold)
{
	trial_init(t, b, "python", code);
	t->x.stdin_text = nx_str_z(input);
	t->x.is_cold = is_cold;
	trial_run(t);
}

/* The first runs teach the pool; after that one comes warm. */
static bool warm_up(struct box *b)
{
	for (int i = 0; i < 200; i++) {
		struct trial t;
		run_as(&t, b, "pass", "", false);
		bool is_warm = t.x.result.is_warm;
		trial_done(&t);
		if (is_warm)
			return true;
		pause_ms(20);
	}
	return false;
}

static void run_warm(struct trial *t, struct box *b, const char *code, const char *input)
{
	for (int i = 0; i < 100; i++) {
		run_as(t, b, code, input, false);
		if (t->x.result.is_warm)
			return;
		trial_done(t);
		pause_ms(20);
	}
	fail_msg("no warm interpreter came");
}

/* What is compared does not depend on the run itself: no times, no addresses. */
static const struct {
	const char *name, *code, *input;
} programs[] = {
	{"output and exit", "print('hello'); raise SystemExit(7)", ""},
	{"a text as exit status", "import sys; sys.exit('no')", ""},
	{"a traceback", "def f(n):\n    return 1 // n\nf(0)\n", ""},
	{"a syntax error", "def f(:\n", ""},
	{"a signal", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ""},
	{"a broken pipe",
	 "import os, sys\nr, w = os.pipe()\nos.close(r)\ntry:\n    os.write(w, b'x')\nexcept BrokenPipeError as e:\n    "
	 "print(e)\n",
	 ""},
	{"interrupts",
	 "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    "
	 "print('caught')\n",
	 ""},
	{"signal handlers",
	 "import signal\nprint([(s.name, str(signal.getsignal(s))) for s in sorted(signal.valid_signals())\n"
	 "       if isinstance(s, signal.Signals) and 'function' not in str(signal.getsignal(s))])",
	 ""},
	{"standard input", "import sys\nprint(sys.stdin.read()[::-1], input.__name__)", "line\nother\n"},
	{"input by lines", "for i in range(2): print(repr(input()))", "a\nb\n"},
	{"no input", "import sys; print(repr(sys.stdin.read()))", ""},
	{"flush at exit", "import sys; sys.stdout.write('unfinished'); sys.stderr.write('also')", ""},
	{"atexit", "import atexit; atexit.register(print, 'bye'); print('hi')", ""},
	{"names", "import sys\nprint(__name__, __file__, sys.argv, sys.path, sys.executable, sys.flags, sys.prefix)",
	 ""},
	{"modules", "import sys; print(sorted(sys.modules))", ""},
	{"globals", "print(sorted(globals()), __builtins__.__name__, __spec__, type(__loader__).__name__)", ""},
	{"environment", "import os; print(sorted(os.environ.items()), os.getcwd())", ""},
	{"environment of a child",
	 "import subprocess; print(subprocess.run(['/usr/bin/env'], capture_output=True, text=True).stdout)", ""},
	{"identity",
	 "import os; print(os.getpid(), os.getppid(), os.getuid(), os.geteuid(), os.getgid(), os.getsid(0), "
	 "os.getpgid(0), os.umask(0))",
	 ""},
	{"descriptors", "import os; print(sorted(os.listdir('/proc/self/fd')))", ""},
	{"descriptor kinds",
	 "import os, stat; print([stat.S_IFMT(os.fstat(i).st_mode) for i in (0, 1, 2)])\nimport sys\n"
	 "print(sys.stdin.buffer.raw.seekable(), sys.stdout.seekable(), sys.stdout.line_buffering, sys.stderr.line_buffering)",
	 "x"},
	{"limits",
	 "import resource as r; print([(n, r.getrlimit(getattr(r, n))) for n in sorted(dir(r)) if "
	 "n.startswith('RLIMIT_') and n != 'RLIMIT_CPU'])",
	 ""},
	{"capabilities",
	 "print([l for l in open('/proc/self/status') if l.startswith(('Name', 'Cap', 'NoNew', 'Seccomp', 'Sig', 'Shd', "
	 "'Uid', 'Gid', 'Groups', 'NSpid', 'Umask', 'CoreDump'))])",
	 ""},
	{"mounts", "print([l.split()[4:] for l in open('/proc/self/mountinfo')])", ""},
	{"own files in proc",
	 "import os; print(len(open('/proc/self/cmdline').read()), os.access('/proc/self/environ', 4))", ""},
	{"threads",
	 "import threading\nr = []\nt = [threading.Thread(target=r.append, args=(i,)) for i in range(4)]\n"
	 "[x.start() for x in t]\n[x.join() for x in t]\nprint(sorted(r), threading.main_thread() is "
	 "threading.current_thread())",
	 ""},
	{"stack of threads", "import threading\nprint(threading.stack_size())", ""},
	{"processes",
	 "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n"
	 "    with m.get_context('fork').Pool(2) as p: print(p.map(f, range(5)))\n",
	 ""},
	{"spawned processes",
	 "import multiprocessing as m\ndef f(q): q.put('from child')\nif __name__ == '__main__':\n"
	 "    c = m.get_context('spawn')\n    q = c.Queue()\n    p = c.Process(target=f, args=(q,))\n    p.start()\n"
	 "    print(q.get()); p.join()\n",
	 ""},
	{"fork",
	 "import os\np = os.fork()\nif p == 0:\n    print('child', flush=True)\n    os._exit(3)\n"
	 "print(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))\n",
	 ""},
	{"asyncio",
	 "import asyncio\nasync def f():\n    await asyncio.sleep(0.001)\n    return 5\nprint(asyncio.run(f()))", ""},
	{"files", "open('made.txt', 'w').write('x'); import os; print(os.listdir('/work'), os.listdir('/code'))", ""},
	{"stack", "import traceback; traceback.print_stack(); import inspect; print(len(inspect.stack()))", ""},
	{"depth", "import sys\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(sys.getrecursionlimit() - 50))",
	 ""},
	{"encodings",
	 "import sys, locale; print(sys.stdout.encoding, sys.getfilesystemencoding(), "
	 "locale.getpreferredencoding(), 'سلام')",
	 ""},
	{"time zone", "import time; print(time.tzname, time.localtime(0))", ""},
	{"memory error", "x = bytearray(1 << 62)", ""},
	{"no network",
	 "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 80), 1)\nexcept OSError as e:\n    "
	 "print(type(e).__name__)\n",
	 ""},
	{"garbage", "import gc; print(gc.isenabled(), gc.get_threshold(), gc.collect() >= 0)", ""},
	{"compiled files", "import sys; print(sys.dont_write_bytecode, sys.implementation.cache_tag)", ""},
};

TEST(the_same_program_gives_the_same_result_cold_and_warm)
{
	unsigned differ = 0;
	ASSERT_TRUE(warm_up(&one));
	for (size_t i = 0; i < nx_countof(programs); i++) {
		struct trial cold, warm;
		run_as(&cold, &one, programs[i].code, programs[i].input, true);
		ASSERT_FALSE(cold.x.result.is_warm);
		run_warm(&warm, &one, programs[i].code, programs[i].input);
		const struct nx_exec_result *c = &cold.x.result, *w = &warm.x.result;
		bool same = c->status == w->status && c->exit_code == w->exit_code && c->signal == w->signal &&
			    nx_str_eq(c->out, w->out) && nx_str_eq(c->err_out, w->err_out) &&
			    c->nartifacts == w->nartifacts;
		if (!same) {
			print_message("%s: cold %d %d %d\n%.*s%.*s\nwarm %d %d %d\n%.*s%.*s\n", programs[i].name,
				      (int)c->status, c->exit_code, c->signal, NX_FMT(c->out), NX_FMT(c->err_out),
				      (int)w->status, w->exit_code, w->signal, NX_FMT(w->out), NX_FMT(w->err_out));
			differ++;
		}
		trial_done(&cold);
		trial_done(&warm);
	}
	ASSERT_EQ(differ, 0);
}

TEST(the_sandbox_closes)
{
	box_close(&one);
}
