/* Node cannot be forked and is started ahead: a program gives the same result in one that waited as in one that did not. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>
#include <unistd.h>

static struct box one;

static void begin(struct trial *t, const char *code, const char *input, bool is_cold)
{
	trial_init(t, &one, "javascript", code);
	t->x.constraints.max_memory_mb = 256;
	t->x.stdin_text = nx_str_z(input);
	t->x.is_cold = is_cold;
}

/* The first runs teach the pool; in a while one comes warm. */
static void run_warm(struct trial *t, const char *code, const char *input, int64_t ms)
{
	for (int i = 0; i < 300; i++) {
		begin(t, code, input, false);
		t->x.constraints.max_time_us = ms * 1000;
		trial_run(t);
		if (t->x.result.is_warm)
			return;
		trial_done(t);
		usleep(30000);
	}
	fail_msg("no warm interpreter came");
}

TEST(a_sandbox_opens)
{
	box_open(&one, (const char *[]){"sandbox.uid_base=1901000000", NULL});
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
}

static const struct {
	const char *name, *code, *input;
} programs[] = {
	{"output and exit", "console.log('hello'); process.exitCode = 7", ""},
	{"an error", "function f() { throw new Error('no'); }\nf();", ""},
	{"a syntax error", "function f( {", ""},
	{"a signal", "process.kill(process.pid, 'SIGSEGV')", ""},
	{"a rejected promise", "Promise.reject(new Error('late'))", ""},
	{"standard input", "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))", "line\nother\n"},
	{"no input", "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))", ""},
	{"input as a stream",
	 "let s = ''; process.stdin.on('data', (d) => s += d).on('end', () => console.log(s.length, process.stdin.constructor.name))",
	 "some text"},
	{"names", "console.log(__filename, __dirname, process.argv, process.execArgv, process.execPath, process.title)",
	 ""},
	{"main",
	 "console.log(require.main === module, module.paths, module.children.length, Object.keys(require.cache))", ""},
	{"environment", "console.log(process.env, process.cwd())", ""},
	{"environment in proc",
	 "console.log(require('fs').readFileSync('/proc/self/environ', 'latin1').split('\\0').filter((x) => x).sort().join())",
	 ""},
	{"environment of a child", "console.log(require('child_process').execFileSync('/usr/bin/env').toString())", ""},
	{"maps", "console.log(/door/.test(require('fs').readFileSync('/proc/self/environ', 'latin1')))", ""},
	{"identity",
	 "console.log(process.pid, process.ppid, process.getuid(), process.geteuid(), process.getgid(), process.getgroups(), process.umask())",
	 ""},
	{"descriptors",
	 "const fs = require('fs'); console.log(fs.readdirSync('/proc/self/fd').map((n) => { try { return n + ' ' + fs.readlinkSync('/proc/self/fd/' + n).replace(/\\d{3,}/, '') } catch { return n } }))",
	 "x"},
	{"limits", "console.log(require('fs').readFileSync('/proc/self/limits', 'utf8').replace(/.*cpu time.*/, ''))",
	 ""},
	{"capabilities",
	 "console.log(require('fs').readFileSync('/proc/self/status', 'utf8').split('\\n').filter((l) => /^(Name|Cap|NoNew|Seccomp|Sig|Shd|Uid|Gid|Groups|NSpid|Umask|Threads)/.test(l) && !/SigQ/.test(l)))",
	 ""},
	{"mounts",
	 "console.log(require('fs').readFileSync('/proc/self/mountinfo', 'utf8').split('\\n').map((l) => l.split(' ').slice(4)))",
	 ""},
	{"a worker",
	 "const { Worker } = require('worker_threads'); new Worker('require(\"worker_threads\").parentPort.postMessage(7)', { eval: true }).on('message', (m) => console.log(m))",
	 ""},
	{"a module of the run's", "console.log(require('mine.js').a)", ""},
	{"an imported module", "import('os').then((os) => console.log(os.hostname(), os.homedir(), os.tmpdir()))", ""},
	{"files",
	 "const fs = require('fs'); fs.writeFileSync('made.txt', 'x'); console.log(fs.readdirSync('/work'), fs.readdirSync('/code'))",
	 ""},
	{"timers",
	 "setTimeout(() => console.log('later'), 5); setImmediate(() => console.log('soon')); process.nextTick(() => console.log('next'))",
	 ""},
	{"heap", "console.log(Math.round(require('v8').getHeapStatistics().heap_size_limit / 1048576))", ""},
	{"features",
	 "console.log(Object.keys(globalThis), process.features, process.version, process.config.variables.napi_build_version)",
	 ""},
	{"no network", "require('net').connect(80, '127.0.0.1').on('error', (e) => console.log(e.code))", ""},
};

static void add_file(struct trial *t, struct nx_exec_file *f)
{
	*f = (struct nx_exec_file){NX_STR("mine.js"), NX_STR("exports.a = 5")};
	t->x.files = f;
	t->x.nfiles = 1;
}

static bool is_same(const struct nx_exec_result *c, const struct nx_exec_result *w)
{
	return c->status == w->status && c->exit_code == w->exit_code && c->signal == w->signal &&
	       nx_str_eq(c->out, w->out) && nx_str_eq(c->err_out, w->err_out) && c->nartifacts == w->nartifacts;
}

TEST(the_same_program_gives_the_same_result_cold_and_warm)
{
	unsigned differ = 0;
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
	for (size_t i = 0; i < nx_countof(programs); i++) {
		struct trial cold, warm;
		struct nx_exec_file f;
		begin(&cold, programs[i].code, programs[i].input, true);
		add_file(&cold, &f);
		trial_run(&cold);
		ASSERT_FALSE(cold.x.result.is_warm);
		for (int n = 0;; n++) {
			begin(&warm, programs[i].code, programs[i].input, false);
			add_file(&warm, &f);
			trial_run(&warm);
			if (warm.x.result.is_warm)
				break;
			trial_done(&warm);
			ASSERT_LT(n, 300);
			usleep(30000);
		}
		const struct nx_exec_result *c = &cold.x.result, *w = &warm.x.result;
		if (!is_same(c, w)) {
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

static void ends_as(const char *code, const char *status)
{
	struct trial t;
	run_warm(&t, code, "", strcmp(status, "timeout") == 0 ? 1000 : 30000);
	ASSERT_STREQ(trial_status(&t), status);
	trial_done(&t);
}

TEST(limits_hold)
{
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
	ends_as("while (true) {}", "timeout");
	ends_as("const a = []; while (true) a.push('x'.repeat(1000) + a.length)", "memory_limit");
	ends_as("const a = []; while (true) a.push(Buffer.alloc(1 << 20, 1))", "memory_limit");
	ends_as("const fs = require('fs'), line = 'x'.repeat(1000); while (true) try { fs.writeSync(1, line) } catch {}",
		"output_limit");
}

/* From the run's beginning, not from the interpreter's. */
TEST(usage_is_the_run_s_own)
{
	struct trial t;
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
	usleep(300000);
	run_warm(&t, "const end = Date.now() + 200; while (Date.now() < end);", "", 10000);
	print_message("%lld us wall, %lld us CPU\n", (long long)t.x.result.usage.wall_us,
		      (long long)t.x.result.usage.cpu_us);
	ASSERT_GE(t.x.result.usage.wall_us, 200000);
	ASSERT_GT(t.x.result.usage.cpu_us, 100000);
	ASSERT_LE(t.x.result.usage.cpu_us, t.x.result.usage.wall_us * 2);
	trial_done(&t);
}

TEST(chance_differs)
{
	char first[128];
	struct trial t;
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
	run_warm(&t, "console.log(Math.random(), require('crypto').randomUUID())", "", 10000);
	snprintf(first, sizeof(first), "%s", trial_out(&t));
	trial_done(&t);
	run_warm(&t, "console.log(Math.random(), require('crypto').randomUUID())", "", 10000);
	ASSERT_TRUE(strcmp(first, trial_out(&t)) != 0);
	trial_done(&t);
}

/* The filter of a thread is not that of the threads that Node has already. */
TEST(what_blocks_operations_takes_no_interpreter_that_waited)
{
	nx_str blocked = NX_STR("process");
	if (access("/usr/bin/node", X_OK) < 0)
		SKIP("no node is here: apt-get install nodejs");
	for (int i = 0; i < 5; i++) {
		struct trial t;
		begin(&t, "console.log(1)", "", false);
		t.x.constraints.blocked_operations = &blocked;
		t.x.constraints.nblocked_operations = 1;
		trial_run(&t);
		ASSERT_FALSE(t.x.result.is_warm);
		ASSERT_STREQ(trial_out(&t), "1\n");
		trial_done(&t);
	}
}

TEST(the_sandbox_closes)
{
	box_close(&one);
}
