/* What blocked_operations name is refused by the kernel, with a scanner that reads nothing (its policy is off). Each program
 * prints "held", or what it reached; the same program without the block must reach it. */
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>

static struct box B;

static void run_blocked(struct trial *t, const char *language, const char *code, const char *operation, bool is_cold)
{
	static nx_str blocked;
	trial_init(t, &B, language, code);
	blocked = operation ? nx_str_z(operation) : NX_STR("");
	t->x.constraints.blocked_operations = &blocked;
	t->x.constraints.nblocked_operations = operation ? 1 : 0;
	t->x.is_cold = is_cold;
	trial_run(t);
}

static void one_holds(const char *language, const char *code, const char *operation, bool is_cold)
{
	struct trial t;
	run_blocked(&t, language, code, operation, is_cold);
	if (strncmp(trial_out(&t), "held", 4) != 0)
		print_message("%s of %s%s: %s, %s\n", operation, language, is_cold ? ", cold" : "", trial_status(&t),
			      trial_out(&t));
	ASSERT_TRUE(strncmp(trial_out(&t), "held", 4) == 0 && !strstr(trial_out(&t), "reached"));
	trial_done(&t);
	run_blocked(&t, language, code, NULL, is_cold);
	ASSERT_CONTAINS(trial_out(&t), "reached");
	trial_done(&t);
}

static void holds(const char *language, const char *code, const char *operation)
{
	one_holds(language, code, operation, true);
	one_holds(language, code, operation, false);
}

/* Each statement of the list is tried alone. */
static void python_holds(const char *statements, const char *operation)
{
	char code[4096];
	snprintf(code, sizeof(code),
		 "import os, sys, socket, subprocess, threading, ctypes\n"
		 "open('mine', 'w').close() if %d else None\n"
		 "reached = []\n"
		 "for s in %s:\n"
		 "    try: exec(s); reached.append(s)\n"
		 "    except (OSError, RuntimeError) as e: pass\n"
		 "print('reached %%s' %% reached if reached else 'held')\n",
		 strcmp(operation, "file_write") != 0, statements);
	holds("python", code, operation);
}

TEST(the_sandbox_opens)
{
	box_open(&B, (const char *[]){"sandbox.uid_base=1900900000", NULL});
}

TEST(no_socket_is_made_without_a_network)
{
	python_holds("['socket.socket()', 'socket.socket(socket.AF_INET6)', 'socket.socket(type=socket.SOCK_DGRAM)',"
		     "'socket.create_server((\"127.0.0.1\", 0))']",
		     "network");
	holds("c",
	      "#include <stdio.h>\n#include <sys/socket.h>\n"
	      "int main(void) { puts(socket(AF_INET, SOCK_STREAM, 0) < 0 ? \"held\" : \"reached\"); }",
	      "network");
}

TEST(sockets_between_a_program_s_own_parts_are_no_network)
{
	struct trial t;
	run_blocked(&t, "python", "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))",
		    "network", false);
	ASSERT_CONTAINS(trial_out(&t), "b'x'");
	trial_done(&t);
}

TEST(no_second_process_is_started)
{
	python_holds("['os.fork() or os._exit(0)', 'os.system(\"true\") == 0 or os.open(\"/nowhere\", 0)',"
		     "'subprocess.run([\"/bin/true\"])', 'os.posix_spawn(\"/bin/true\", [\"true\"], {})']",
		     "process");
	holds("shell", "echo held; /bin/echo reached", "process");
}

TEST(a_program_does_not_become_another)
{
	holds("python",
	      "import os\ntry: os.execv('/bin/echo', ['echo', 'reached'])\nexcept PermissionError: print('held')",
	      "process");
	holds("python",
	      "import os\nfd = os.open('/bin/echo', os.O_RDONLY)\n"
	      "try: os.execve(fd, ['echo', 'reached'], {})\nexcept PermissionError: print('held')",
	      "process");
	holds("shell", "echo held; exec /bin/echo reached", "process");
}

TEST(threads_are_no_processes)
{
	struct trial t;
	run_blocked(
		&t, "python",
		"import threading\nr = []\nt = threading.Thread(target=lambda: r.append(1)); t.start(); t.join(); print(r)",
		"process", true);
	ASSERT_CONTAINS(trial_out(&t), "[1]");
	trial_done(&t);
	run_blocked(&t, "javascript", "console.log([1, 2].map((x) => x * 2))", "process", true);
	ASSERT_CONTAINS(trial_out(&t), "[ 2, 4 ]");
	trial_done(&t);
}

TEST(no_file_is_made_changed_or_removed)
{
	python_holds(
		"['open(\"x\", \"w\")', 'open(\"y\", \"a\")', 'os.open(\"z\", os.O_CREAT)', 'os.mkdir(\"d\")',"
		"'os.symlink(\"a\", \"b\")', 'os.link(\"/code/main.py\", \"c\")', 'os.mkfifo(\"f\")',"
		"'os.chmod(\"/work\", 0o700)', 'os.utime(\"/work\")', 'os.truncate(\"/work/x\", 0)',"
		"'os.rename(\"/tmp/q\", \"/tmp/r\")', 'os.rmdir(\"/work/d\")', 'os.unlink(\"/work/x\")',"
		"'os.setxattr(\"/work\", \"user.a\", b\"b\")', 'open(\"/tmp/x\", \"w\")', 'open(\"/dev/shm/x\", \"w\")',"
		"'os.open(\"/work\", os.O_TMPFILE | os.O_RDWR)']",
		"file_write");
	holds("javascript",
	      "const fs = require('fs');\n"
	      "try { fs.writeFileSync('x', 'y'); console.log('reached'); } catch (e) { console.log('held', e.code); }",
	      "file_write");
	holds("shell", "(echo x > y) 2>/dev/null && echo reached || echo held", "file_write");
}

TEST(files_are_read_without_the_right_to_write)
{
	struct trial t;
	run_blocked(&t, "python", "import json, random, tempfile\nprint(len(open('/code/main.py').read()) > 10)",
		    "file_write", false);
	ASSERT_CONTAINS(trial_out(&t), "True");
	trial_done(&t);
}

TEST(a_compiler_cannot_be_kept_from_its_work)
{
	struct trial t;
	nx_str blocked = NX_STR("process");
	trial_init(&t, &B, "c", "int main(void) { return 0; }");
	t.x.constraints.blocked_operations = &blocked;
	t.x.constraints.nblocked_operations = 1;
	trial_start(&t);
	trial_wait(&t);
	ASSERT_NOT_NULL(t.err);
	ASSERT_EQ(nx_error_code(t.err), NX_EUNSUPPORTED);
	trial_done(&t);
}

TEST(the_sandbox_closes)
{
	box_close(&B);
}
