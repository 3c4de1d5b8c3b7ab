/* Each limit has a program that attacks it and a status of its own. */
#include "tests/unit/execution/sandbox_fixture.h"

static struct box B;

TEST(the_sandbox_opens)
{
	box_open(&B, (const char *[]){"sandbox.max_output_bytes=64KiB", "sandbox.work_bytes=8MiB",
				      "sandbox.uid_base=1900100000", NULL});
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
	ASSERT_LT(t.x.result.usage.wall_us, 1000000);
	trial_done(&t);
	limited(&t, "shell", "echo before; sleep 60", 300);
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
	limited(&t, "python", "x = []\nwhile True: x.append(b'x' * 1000000)", 10000);
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
		10000);
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
		10000);
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
		10000);
	ASSERT_STREQ(trial_status(&t), "ok");
	ASSERT_STREQ(trial_out(&t), "ENOSPC\n");
	trial_done(&t);
}

TEST(a_fork_bomb_meets_the_limit_of_processes)
{
	struct trial t;
	limited(&t, "shell", "b() { b | b & }; b; while true; do b; done", 10000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
	limited(&t, "python", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", 10000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
}

TEST(threads_count_as_processes)
{
	struct trial t;
	limited(&t, "python",
		"import threading, time\nfor i in range(200): threading.Thread(target=time.sleep, args=(5,)).start()",
		10000);
	ASSERT_STREQ(trial_status(&t), "process_limit");
	trial_done(&t);
}

TEST(a_flood_of_output_is_cut_and_ended)
{
	struct trial t;
	limited(&t, "python", "while True: print('x' * 1000)", 10000);
	ASSERT_STREQ(trial_status(&t), "output_limit");
	ASSERT_TRUE(t.x.result.out_truncated);
	ASSERT_EQ(t.x.result.out.n, 65536);
	trial_done(&t);
	limited(&t, "python", "import sys\nwhile True: sys.stderr.write('x' * 1000)", 10000);
	ASSERT_STREQ(trial_status(&t), "output_limit");
	ASSERT_TRUE(t.x.result.err_truncated);
	trial_done(&t);
}

TEST(output_just_at_the_limit_is_no_flood)
{
	struct trial t;
	limited(&t, "python", "import sys; sys.stdout.write('x' * 65536)", 10000);
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
	for (int i = 0; i < 100 && count_processes_of(1900100000, 1900101024); i++)
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

/* How long a cancel takes, in the best of five: a loaded machine is not what is tested. */
static int64_t cancel_time(int64_t cpu_percent, useconds_t after)
{
	int64_t best = INT64_MAX;
	for (int i = 0; i < 5; i++) {
		struct trial t;
		trial_init(&t, &B, "python", "print('on', flush=True)\nwhile True: pass");
		t.x.constraints.max_cpu_percent = cpu_percent;
		trial_start(&t);
		for (int k = 0; k < 500 && !t.streamed; k++)
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

TEST(the_sandbox_closes)
{
	box_close(&B);
}
