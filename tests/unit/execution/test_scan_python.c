/* Every way round a list of forbidden names that guides and write-ups of escapes describe, one test a group. */
#include "execution/scan_internal.h"
#include "tests/unit/nx_test.h"

static struct nx_arena *A;

static bool has(const struct nx_scan_result *r, const char *rule)
{
	for (size_t i = 0; i < r->nfindings; i++)
		if (strcmp(r->findings[i].rule, rule) == 0 && r->findings[i].severity >= NX_SEV_MEDIUM)
			return true;
	return false;
}

static void py(const char *code, const char *rule)
{
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD};
	struct nx_scan_result r;
	nx_arena_free(A);
	A = nx_arena_new(0);
	ASSERT_OK(nx_scan(NX_STR("python"), nx_str_z(code), &o, A, &r, NULL));
	if (!has(&r, rule)) {
		print_message("%s is not found in:\n%s\n", rule, code);
		for (size_t i = 0; i < r.nfindings; i++)
			print_message("  %s\n", r.findings[i].rule);
	}
	ASSERT_TRUE(has(&r, rule));
}

static void mild(const char *code)
{
	struct nx_scan_options o = {.policy = NX_SCAN_STANDARD};
	struct nx_scan_result r;
	nx_arena_free(A);
	A = nx_arena_new(0);
	ASSERT_OK(nx_scan(NX_STR("python"), nx_str_z(code), &o, A, &r, NULL));
	for (size_t i = 0; i < r.nfindings && r.risk > NX_SEV_LOW; i++)
		print_message("%s (%s) in:\n%s\n", r.findings[i].rule, nx_severity_name(r.findings[i].severity), code);
	ASSERT_TRUE(r.risk <= NX_SEV_LOW);
}

TEST(getattr_and_its_kin)
{
	py("import os\ngetattr(os, 'system')('ls')", "py-call-system");
	py("getattr(getattr(__import__('shutil'), 'os'), 'system')('ls')", "py-call-system");
	py("import os\nobject.__getattribute__(os, 'system')('ls')", "py-call-system");
	py("import os\nos.__getattribute__('system')('ls')", "py-call-system");
	py("import os\ngetattr(os, name)('ls')", "py-computed-member");
	py("import operator, os\noperator.attrgetter('system')(os)('ls')", "py-call-system");
	py("import operator, os\noperator.methodcaller('system', 'ls')(os)", "py-call-system");
	py("from operator import attrgetter as g\nf = g('system')", "py-call-getter");
	py("getattr((), '__class__').__base__", "py-attr-introspection");
	py("getattr(f, '__globals__')", "py-attr-introspection");
	py("import inspect, os\ninspect.getattr_static(os, 'system')('ls')", "py-call-system");
}

TEST(dictionaries_of_names)
{
	py("vars(__builtins__)['eval']('1')", "py-call-eval");
	py("import os\nvars(os).get('system')('ls')", "py-call-system");
	py("globals()['__builtins__']['eval']('1')", "py-call-eval");
	py("globals().get('eval')('1')", "py-call-eval");
	py("import os\nos.__dict__['sys' 'tem']('ls')", "py-call-system");
	py("__builtins__.__dict__['ex' + 'ec']('1')", "py-call-exec");
	py("import sys\nsys.modules.get('os').system('ls')", "py-call-system");
	py("import builtins as b\nb.__dict__['eval']('1')", "py-call-eval");
	py("locals()['__builtins__'].eval('1')", "py-call-eval");
}

TEST(loaders)
{
	py("import importlib\nimportlib.import_module('o' + 's').system('ls')", "py-call-system");
	py("from importlib import import_module as i\ni('subprocess').run('ls')", "py-call-subprocess");
	py("__import__('os.path').system('ls')", "py-call-system");
	py("import importlib\nimportlib.import_module(name)", "py-import-unresolved");
	py("m = input()\n__import__(m)", "py-import-unresolved");
	py("import runpy\nrunpy.run_path('x.py')", "py-call-run-module");
	py("import runpy as r\nr.run_module('x')", "py-call-run-module");
	py("import pkgutil\npkgutil.resolve_name('os:system')('ls')", "py-call-system");
	py("import zipimport\nzipimport.zipimporter('x.zip').load_module('y')", "py-call-run-module");
	py("import timeit\ntimeit.timeit('1')", "py-call-run-module");
	py("import code\ncode.InteractiveInterpreter().runcode('1')", "py-call-run-module");
	py("import sys\nsys.meta_path.insert(0, Hook())", "py-name-modules");
	py("import sys\nsys.path_hooks.append(hook)", "py-name-modules");
	py("import builtins\nbuiltins.__import__ = hook", "py-attr-introspection");
	py("from importlib.machinery import SourceFileLoader as S\nS('x', 'y').load_module()", "py-import-hook");
}

TEST(modules_that_hand_on_others)
{
	py("import shutil\nshutil.os.system('ls')", "py-call-system");
	py("import random\nrandom._os.system('ls')", "py-call-system");
	py("import tempfile\ntempfile._os.remove('x')", "py-call-remove");
	py("import platform\nplatform.os.popen('ls')", "py-call-system");
	py("import logging\nx = logging.sys", "py-reexport");
	py("from glob import os\nos.system('ls')", "py-reexport");
	py("from random import _os as o\no.system('ls')", "py-reexport");
	py("import subprocess\nsubprocess.os.execv('x', [])", "py-call-subprocess");
	py("import json\njson.codecs.builtins.eval('1')", "py-call-eval");
}

TEST(frames_and_objects)
{
	py("import sys\nsys._getframe().f_globals", "py-name-modules");
	py("import inspect\ninspect.currentframe().f_back", "py-attr-introspection");
	py("try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame", "py-attr-introspection");
	py("import sys\nsys.exc_info()[2].tb_frame.f_builtins", "py-attr-introspection");
	py("g = (i for i in x)\ng.gi_frame.f_back.f_globals", "py-attr-introspection");
	py("().__class__.__mro__[1].__subclasses__()", "py-attr-introspection");
	py("''.__class__.__base__.__subclasses__()[100].__init__.__globals__['os']", "py-attr-introspection");
	py("type.mro(int)[-1].__subclasses__", "py-attr-introspection");
	py("x['__glob' + 'als__']", "py-attr-introspection");
	py("import gc\ngc.get_objects()", "py-call-limits");
	py("f.__closure__[0].cell_contents", "py-attr-introspection");
}

TEST(code_made_by_hand_and_native_code)
{
	py("import ctypes\nctypes.CDLL(None).system(b'ls')", "py-call-native");
	py("import ctypes as c\nc.cdll.LoadLibrary('libc.so.6')", "py-call-native");
	py("import pickle\npickle.loads(x)", "py-call-unpickle");
	py("class P:\n    def __reduce__(self):\n        import os\n        return (os.system, ('ls',))",
	   "py-reference");
	py("import marshal\nexec(marshal.loads(x))", "py-exec-decoded");
	py("import types\ntypes.FunctionType(types.CodeType(0), {})", "py-call-codetype");
	py("f.__code__ = g.__code__", "py-attr-introspection");
	py("f = type(lambda: 0)(compile('1', '', 'eval'), {})", "py-call-compile");
	py("__build_class__(lambda: 0, 'x')", "py-call-codetype");
	py("import builtins\nbuiltins.__build_class__ = f\nx = __build_class__", "py-reference");
}

TEST(decorators_and_other_calls_without_brackets)
{
	py("@eval\n@str\ndef f(): pass", "py-call-eval");
	py("import os\n@os.system\ndef f(): pass", "py-call-system");
	py("@getattr(__import__('os'), 'system')\nclass A: pass", "py-call-system");
	py("class A:\n    __getitem__ = exec\nA()['1']", "py-reference");
	py("class A:\n    __class_getitem__ = eval\nA['1']", "py-reference");
	py("class M(type):\n    __getattr__ = eval", "py-reference");
	py("import os\nclass A(metaclass=os.system): pass", "py-reference");
	py("import os\nobj.__add__ = os.system", "py-reference");
	py("print(*map(eval, ['1']))", "py-reference");
	py("sorted(['ls'], key=__import__('os').system)", "py-reference");
}

TEST(what_reads_otherwise_than_it_looks)
{
	py("\xef\xbd\x85val('1')", "py-lookalike"); /* a fullwidth e */
	py("\xef\xbd\x85val('1')", "py-call-eval");
	py("import \xf0\x9d\x91\x9cs\nos.system('ls')", "py-call-system");
	py("x = 1 # \xe2\x80\xae", "py-bidi");
	py("a = '\xe2\x81\xa6'", "py-bidi");
	py("# -*- coding: utf-7 -*-\nx = 1", "py-encoding-cookie");
	py("#!/usr/bin/python\n# vim: set fileencoding=rot13 :\nx = 1", "py-encoding-cookie");
	mild("# -*- coding: UTF-8 -*-\n# \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7\n\xd8\xb9\xd8\xaf\xd8\xaf = 1\n");
}

TEST(constants_are_folded)
{
	py("__import__('o' + 's').system('ls')", "py-call-system");
	py("__import__(chr(111) + chr(0x73)).system('ls')", "py-call-system");
	py("__import__(bytes([111, 115]).decode()).system('ls')", "py-call-system");
	py("import base64\n__import__(base64.b64decode('b3M=').decode()).system('ls')", "py-call-system");
	py("import base64 as b\n__import__(b.b64decode(b'b3M=').decode('ascii')).system('ls')", "py-call-system");
	py("import codecs\n__import__(codecs.decode('bf', 'rot13')).system('ls')", "py-call-system");
	py("__import__(codecs.encode('bf', 'rot_13')).system('ls')", "py-call-system");
	py("__import__(bytes.fromhex('6f73').decode()).system('ls')", "py-call-system");
	py("__import__('{}{}'.format('o', 's')).system('ls')", "py-call-system");
	py("__import__('{1}{0}'.format('s', 'o')).system('ls')", "py-call-system");
	py("__import__('%s%s' % ('o', 's')).system('ls')", "py-call-system");
	py("a = 'o'\n__import__(f'{a}s').system('ls')", "py-call-system");
	py("__import__(''.join(['o', 's'])).system('ls')", "py-call-system");
	py("__import__(''.join(map(chr, [111, 115]))).system('ls')", "py-call-system");
	py("__import__(''.join(chr(x) for x in [111, 115])).system('ls')", "py-call-system");
	py("__import__(''.join([chr(x ^ 1) for x in (110, 114)])).system('ls')", "py-call-system");
	py("__import__(''.join(map(lambda x: chr(x - 1), [112, 116]))).system('ls')", "py-call-system");
	py("__import__('so'[::-1]).system('ls')", "py-call-system");
	py("__import__(''.join(reversed('so'))).system('ls')", "py-call-system");
	py("__import__('xosx'[1:3]).system('ls')", "py-call-system");
	py("__import__('abos'[-2:]).system('ls')", "py-call-system");
	py("__import__('o-s'.replace('-', '')).system('ls')", "py-call-system");
	py("__import__('\\x6f\\163').system('ls')", "py-call-system");
	py("s = 'o'\ns += 's'\n__import__(s).system('ls')", "py-call-system");
	py("names = ['json', 'os']\n__import__(names[1]).system('ls')", "py-call-system");
	py("exec('imp' 'ort os\\nos.system(\"ls\")')", "py-call-system");
	py("import os\nos.system('rm' + ' -rf /')", "sh-rm-root");
	py("import subprocess\nsubprocess.run(['rm', '-rf', '/'])", "sh-rm-root");
}

TEST(names_that_reach_a_call_are_followed)
{
	py("import json, os\nf = json.dumps\nf = os.system\nf('ls')", "py-call-system");
	py("import os\na, b = os.system, len\na('ls')", "py-call-system");
	py("import os\nfor f in [len, os.system]:\n    f('ls')", "py-call-system");
	py("import os\n[f('ls') for f in (os.system,)]", "py-call-system");
	py("import os\nd = {'x': os.system}\nd['x']('ls')", "py-reference");
	py("import os\nl = [os.system]\nl[0]('ls')", "py-call-system");
	py("import os\ndef get():\n    return os.system\nget()('ls')", "py-call-system");
	py("import os\nget = lambda: os.system\nget()('ls')", "py-call-system");
	py("import os\nclass A:\n    def __init__(self):\n        self.f = os.system\n    def g(self):\n        self.f('ls')",
	   "py-call-system");
	py("import os, functools\nf = functools.partial(os.system, 'ls')\nf()", "py-call-system");
	py("import os\nx = os\ny = x\ny.system('ls')", "py-call-system");
	py("import os\ndef f(run=os.system):\n    run('ls')", "py-call-system");
	py("import os\n(os.system if x else len)('ls')", "py-call-system");
	py("import subprocess\nwith subprocess.Popen('ls') as p: pass", "py-call-subprocess");
	py("p = '/etc'\nq = p + '/shadow'\nopen(q)", "py-open-system");
	py("import os\nopen(os.path.join('/etc', 'shadow'))", "py-open-system");
	py("from pathlib import Path\n(Path('/') / 'etc' / 'shadow').read_text()", "py-text-secret");
	py("from pathlib import Path\np = Path.home() / '.ssh' / 'id_rsa'\np.read_text()", "py-text-secret");
	py("x = read('/etc/shadow')", "py-text-secret");
}

TEST(amounts_loops_and_recursion)
{
	py("def f():\n    return f() + f()", "py-endless-recursion");
	py("def f(n):\n    'text'\n    return (1 + f(n), 2)", "py-endless-recursion");
	py("class A:\n    def f(self):\n        return 1 + self.f()", "py-endless-recursion");
	mild("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)");
	mild("def fib(n):\n    return n < 2 and n or fib(n - 1) + fib(n - 2)");
	mild("class A:\n    def date(self):\n        'text'\n        return date(self.y)");
	py("x = 'a' * 10 ** 10", "py-large");
	py("x = [0] * (1 << 40)", "py-large");
	py("x = 9 ** 9 ** 9", "py-large");
	py("n = 10_000_000_000\nx = bytearray(n)", "py-call-large");
	py("while True:\n    x.append(1)", "py-endless-loop");
	py("while (1): pass", "py-endless-loop");
	py("def f():\n    return f()", "py-endless-recursion");
	py("import itertools\nx = list(itertools.count())", "py-endless-iterator");
	py("import threading\nwhile True:\n    threading.Thread(target=f).start()", "py-spawn-bomb");
}

TEST(ordinary_code_stays_below_medium)
{
	mild("import os, sys, re, json, collections\nfrom pathlib import Path\n"
	     "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n"
	     "p = re.compile('a+')\nx = getattr(p, 'pattern')\n"
	     "while True:\n    line = sys.stdin.readline()\n    if not line:\n        break\n"
	     "for name in os.listdir('data'):\n    print(os.path.join('data', name))\n"
	     "text = Path('out') / 'x.txt'\ntext.write_text('etc/passwd')\n"
	     "words = 'a b c'.split()\nprint(words[::-1], [0] * 1000, 2 ** 64, sum(range(10 ** 6)))\n"
	     "class A:\n    def __init__(self, code):\n        self.code = code\n    def run(self):\n        return self.code\n"
	     "A('x').run()\nprint('/'.join(words), 'C:\\\\x', '../data/x.csv')\n");
	nx_arena_free(A);
	A = NULL;
}

TEST(paths_are_followed_upwards)
{
	py("from pathlib import Path\np = Path.cwd().parent.parent / 'etc' / 'passwd'", "py-text-traversal");
	py("from pathlib import Path\np = Path.cwd().parents[2] / 'x'", "py-text-traversal");
	py("from pathlib import Path\np = Path('/etc/ssh').parent / 'shadow'", "py-text-secret");
	py("open('../' * 8 + 'etc/shadow')", "py-open-traversal");
	py("open(3 * '../' + 'x')", "py-open-traversal");
	mild("from pathlib import Path\np = Path(__file__).parent.parent / 'data'");
	mild("from pathlib import Path\np = Path('a/b/c').parent.parent / 'data'");
	mild("x = 0 << 64\ny = 0 << -1\n");
	mild("print('=' * 80, '-' * -1, 'ab' * 100000)");
}

TEST(archives_are_unpacked_inside_or_not_at_all)
{
	py("import zipfile\nwith zipfile.ZipFile('a') as z:\n    z.extractall('/')", "py-extract-outside");
	py("import tarfile\ntarfile.open('a').extractall(path='/etc')", "py-extract-outside");
	py("import tarfile\nwith tarfile.open('a') as t:\n    t.extractall()", "py-extract-unfiltered");
	py("import shutil\nshutil.unpack_archive('a.zip', '..')", "py-extract-outside");
	mild("import zipfile\nzipfile.ZipFile('a').extractall('out')");
	mild("import tarfile\ntarfile.open('a').extractall('out', filter='data')");
}

TEST(stores_of_secrets_and_the_desktop)
{
	py("import keyring", "py-import-keyring");
	py("import webbrowser as w", "py-import-browser");
}

TEST(half_a_pair_of_surrogates_is_no_character)
{
	mild("x = '\\ud800' + '\\udc80\\udfff'\n");
	py("import os\ngetattr(os, 'x\\ud800')('x')\ngetattr(os, 'system')('x')\n", "py-call-system");
	mild("x = '\\U00110000\\Uffffffff\\u12'\n");
}
