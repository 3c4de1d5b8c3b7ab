#include "execution/scan_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *A;

static void scan(const char *code, enum nx_scan_policy policy, struct nx_scan_result *r)
{
	struct nx_scan_options o = {.policy = policy};
	nx_arena_free(A);
	A = nx_arena_new(0);
	ASSERT_OK(nx_scan(NX_STR("javascript"), nx_str_z(code), &o, A, r, NULL));
}

static bool has(const struct nx_scan_result *r, const char *rule)
{
	for (size_t i = 0; i < r->nfindings; i++)
		if (strcmp(r->findings[i].rule, rule) == 0)
			return true;
	return false;
}

static void js(const char *code, const char *rule)
{
	struct nx_scan_result r;
	scan(code, NX_SCAN_STANDARD, &r);
	if (!has(&r, rule)) {
		print_message("%s is not found in:\n%s\n", rule, code);
		for (size_t i = 0; i < r.nfindings; i++)
			print_message("  %s\n", r.findings[i].rule);
	}
	ASSERT_TRUE(has(&r, rule));
	ASSERT_FALSE(r.parse_errors);
}

static void clean(const char *code)
{
	struct nx_scan_result r;
	scan(code, NX_SCAN_STRICT, &r);
	for (size_t i = 0; i < r.nfindings; i++)
		print_message("%s at %u in:\n%s\n", r.findings[i].rule, r.findings[i].line, code);
	ASSERT_EQ(r.nfindings, 0);
	ASSERT_TRUE(r.scanned && r.is_safe);
}

TEST(modules_are_followed_however_they_are_imported)
{
	js("require('child_process').exec('ls')", "js-call-shell");
	js("const cp = require('node:child_process'); cp.spawn('x')", "js-call-spawn");
	js("const { exec } = require('child_process'); exec('ls')", "js-call-shell");
	js("const { exec: run } = require('child_process'); run('ls')", "js-call-shell");
	js("const { exec = null } = require('child_process'); exec('ls')", "js-call-shell");
	js("import cp from 'child_process'; cp.exec('ls')", "js-call-shell");
	js("import * as cp from 'child_process'; cp.exec('ls')", "js-call-shell");
	js("import { exec as e } from 'child_process'; e('ls')", "js-call-shell");
	js("import { default as c } from 'child_process'; c.exec('ls')", "js-call-shell");
	js("const cp = await import('child_process'); cp.exec('ls')", "js-call-shell");
	js("const { exec } = await import('node:child_process'); exec('ls')", "js-call-shell");
	js("export * from 'child_process'", "js-import-child-process");
	js("import 'net'", "js-import-network");
	js("import { createRequire } from 'module'; const r = createRequire(import.meta.url); r('child_process').exec('x')",
	   "js-call-shell");
	js("const fs = require('fs/promises'); fs.rm('x')", "js-call-remove");
	js("require('fs').promises.unlink('x')", "js-call-remove");
	js("require(name)", "js-import-unresolved");
	js("await import(`./${x}`)", "js-import-unresolved");
	js("(function (r) { r('fs') })(require)", "js-reference");
}

TEST(names_are_followed)
{
	js("const e = eval; e('1')", "js-call-eval");
	js("let e; e = eval; e('1')", "js-call-eval");
	js("(0, eval)('1')", "js-call-eval");
	js("eval?.('1')", "js-call-eval");
	js("eval`1`", "js-call-eval");
	js("let f = JSON.parse; f = eval; f('1')", "js-call-eval");
	js("function run(f = eval) { f('1') }", "js-call-eval");
	js("for (const f of [eval]) f('1')", "js-call-eval");
	js("[eval].forEach(f => f('1'))", "js-reference");
	js("const o = { run: eval }; o.run('1')", "js-reference");
	js("const [f] = [eval]; f('1')", "js-call-eval");
	js("const f = () => require('child_process'); f().exec('ls')", "js-call-shell");
	js("function f() { return require('child_process') } f().exec('ls')", "js-call-shell");
	js("class A { constructor() { this.p = require('child_process') } run() { this.p.exec('ls') } }",
	   "js-call-shell");
	js("eval.call(null, '1')", "js-call-eval");
	js("require('child_process').exec.apply(null, ['ls'])", "js-call-shell");
	js("const x = require('child_process').exec.bind(null); x('ls')", "js-call-shell");
	js("x = ok ? eval : eval; x('1')", "js-call-eval");
	js("class A { @eval m() {} }", "js-call-eval");
}

TEST(names_made_of_texts_are_folded)
{
	js("require('child_' + 'process').exec('ls')", "js-call-shell");
	js("require(`child_${'process'}`).exec('ls')", "js-call-shell");
	js("const a = 'child_'; const b = 'process'; require(a + b).exec('ls')", "js-call-shell");
	js("let s = 'child_'; s += 'process'; require(s).exec('ls')", "js-call-shell");
	js("require(['child', 'process'].join('_')).exec('ls')", "js-call-shell");
	js("require('ssecorp_dlihc'.split('').reverse().join('')).exec('ls')", "js-call-shell");
	js("require(String.fromCharCode(118, 109))", "js-import-vm");
	js("require([118, 109].map(c => String.fromCharCode(c)).join(''))", "js-import-vm");
	js("require(String.fromCharCode(...[118, 109]))", "js-import-vm");
	js("require(Buffer.from('dm0=', 'base64').toString())", "js-import-vm");
	js("require(Buffer.from('766d', 'hex').toString('utf8'))", "js-import-vm");
	js("require(Buffer.from([118, 109]).toString())", "js-import-vm");
	js("require(atob('dm0='))", "js-import-vm");
	js("require('\\x76\\u006d')", "js-import-vm");
	js("require('\\u{76}m')", "js-import-vm");
	js("require('xvmx'.slice(1, 3))", "js-import-vm");
	js("require('v-m'.replace('-', ''))", "js-import-vm");
	js("require('cluster_'.substring(0, 7))", "js-import-workers");
	js("const m = ['vm', 'fs']; require(m[0])", "js-import-vm");
	js("globalThis['ev' + 'al']('1')", "js-call-eval");
	js("global['eval']('1')", "js-call-eval");
	js("require('child_process')['ex' + 'ec']('ls')", "js-call-shell");
	js("const cp = require('child_process'); cp[x]('ls')", "js-computed-member");
	js("globalThis[x]('1')", "js-computed-member");
	js("eval(atob('MQ=='))", "js-eval-decoded");
	js("const c = Buffer.from('MQ==', 'base64').toString(); eval(c)", "js-eval-decoded");
	js("new Function(Buffer.from('MQ==', 'base64').toString())()", "js-eval-decoded");
}

TEST(the_ways_round_are_found)
{
	js("new Function('return process')()", "js-call-function");
	js("Function('return this')()", "js-call-function");
	js("[].constructor.constructor('return process')()", "js-constructor-call");
	js("''['constructor']['constructor']('return 1')()", "js-constructor-call");
	js("(() => {}).constructor('return 1')()", "js-constructor-call");
	js("Object.getPrototypeOf(async function () {}).constructor('return 1')()", "js-constructor-call");
	js("process.mainModule.require('child_process').exec('ls')", "js-call-shell");
	js("globalThis.process.mainModule.require('fs')", "js-name-binding");
	js("process.binding('spawn_sync').spawn({})", "js-call-binding");
	js("process.dlopen(module, 'x.node')", "js-call-binding");
	js("const { binding } = process; binding('fs')", "js-call-binding");
	js("module.constructor._load('child_process')", "js-name-binding");
	js("require('module')._load('child_process')", "js-call-vm");
	js("require.cache['x']", "js-name-binding");
	js("const p = new Proxy(require('child_process'), {}); p.exec('ls')", "js-call-shell");
	js("Reflect.get(require('child_process'), 'exec')('ls')", "js-call-shell");
	js("Reflect.apply(eval, null, ['1'])", "js-reference");
	js("Reflect.construct(Function, ['return 1'])", "js-reference");
	js("Object.getOwnPropertyDescriptor(globalThis, 'eval').value('1')", "js-call-eval");
	js("({}).__proto__.polluted = 1", "js-attr-prototype");
	js("with (process) { env }", "js-with");
	js("setTimeout('run()', 1)", "js-timer-text");
	js("require('vm').runInNewContext('1')", "js-call-vm");
	js("const vm = require('vm'); new vm.Script('1')", "js-call-vm");
	js("eval('require(\"child_process\").exec(\"ls\")')", "js-call-shell");
	js("// \xe2\x80\xae\nlet a = 1", "js-bidi");
}

TEST(what_reaches_the_system_is_found)
{
	js("require('child_process').execSync('rm -rf /')", "sh-rm-root");
	js("require('fs').readFileSync('/etc/passwd')", "js-open-system");
	js("const p = '/etc'; require('fs').readFileSync(`${p}/${name}`)", "js-open-system");
	js("require('fs').readFileSync('../../x')", "js-open-traversal");
	js("require('fs').readdirSync('/')", "js-open-traversal");
	js("require('fs').rmSync('/home', { recursive: true })", "js-remove-system");
	js("load('/root/.ssh/id_rsa')", "js-text-secret");
	js("console.log(process.env.KEY)", "js-name-environ");
	js("const { env } = process; send(env)", "js-name-environ");
	js("require('net').connect(80, 'x')", "js-call-connect");
	js("fetch('http://x')", "js-call-connect");
	js("new WebSocket('ws://x')", "js-call-connect");
	js("import http from 'node:http'; http.createServer().listen(80)", "js-call-connect");
	js("process.kill(1)", "js-call-kill");
	js("const c = require('cluster'); while (true) c.fork()", "js-fork-bomb");
	js("const { Worker } = require('worker_threads'); for (;;) new Worker('x')", "js-fork-bomb");
	js("Buffer.alloc(1e10)", "js-call-large");
	js("'a'.repeat(2 ** 30)", "js-call-large");
	js("while (true) { a.push(1) }", "js-endless-loop");
	js("function f() { f() } f()", "js-endless-recursion");
}

TEST(ordinary_programs_are_clean)
{
	clean("const words = 'a b'.split(' ');\nconst n = words.map(w => w.length).reduce((a, b) => a + b, 0);\n"
	      "console.log(n, /a+/.exec('aa'), JSON.stringify({ n }));\n"
	      "class Queue { constructor() { this.items = [] } push(x) { this.items.push(x) } get size() { return this.items.length } }\n"
	      "const q = new Queue(); q.push(1);\nwhile (true) { if (q.size) break }\n"
	      "export default function f(n) { return n < 2 ? 1 : n * f(n - 1) }\n"
	      "setTimeout(() => console.log('done'), 10);\nimport { x } from './helper.js';\n"
	      "const { a, ...rest } = x; console.log(`${a} ${rest['k']}`, process.argv[2]);\n");
}

static void judge(const char *code, bool has_network, bool safe)
{
	nx_str allowed[] = {NX_STR("lodash"), NX_STR("net")}, blocked[] = {NX_STR("unlinkSync"), NX_STR("crypto")};
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD, .has_network = has_network};
	struct nx_scan_result r;
	o.allowed_imports = allowed;
	o.nallowed_imports = 2;
	o.blocked_operations = blocked;
	o.nblocked_operations = 2;
	nx_arena_reset(A);
	ASSERT_OK(nx_scan(NX_STR("javascript"), nx_str_z(code), &o, A, &r, NULL));
	ASSERT_EQ(r.is_safe, safe);
}

TEST(packages_are_allowed_and_operations_blocked_by_name)
{
	judge("import _ from 'lodash'; import fp from 'lodash/fp'; import './mine.js'", false, true);
	judge("import x from 'left-pad'", false, false);
	judge("await import('left-pad')", false, false);
	judge("require('net').connect(1)", false, true);
	judge("const { unlinkSync: u } = require('net'); u('x')", false, false);
	judge("require('crypto')", false, false);
	nx_arena_free(A);
	A = NULL;
}
