/* What is made ahead: how long an interpreter serves, what its copies share, and when all of it goes. */
#include "execution/traces_internal.h"
#include "tests/unit/execution/sandbox_fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { TRIES = 400, SEEN = 8, COLUMNS = 5 };

static void pause_ms(unsigned n)
{
	(void)usleep(n * 1000);
}

/* One run of Python; its line of output when it was warm. */
static bool run_warm(struct box *b, const char *code, char *ret, size_t size)
{
	struct trial t;
	run_python(&t, b, code);
	ASSERT_STREQ(trial_status(&t), "ok");
	bool is_warm = t.x.result.is_warm;
	if (is_warm)
		(void)snprintf(ret, size, "%s", trial_out(&t));
	trial_done(&t);
	return is_warm;
}

static size_t see_warm(struct box *b, const char *code, char (*ret)[256])
{
	size_t n = 0;
	for (int i = 0; i < TRIES && n < SEEN; i++) {
		if (run_warm(b, code, ret[n], sizeof(ret[n])))
			n++;
		else
			pause_ms(20);
	}
	return n;
}

static bool warm_up(struct box *b)
{
	char out[256] = "";
	for (int i = 0; i < TRIES; i++) {
		if (run_warm(b, "print(1)", out, sizeof(out)))
			return strcmp(out, "1\n") == 0;
		pause_ms(20);
	}
	return false;
}

TEST(each_generation_of_interpreters_has_a_hash_seed_of_its_own)
{
	struct box b;
	char seen[SEEN][256];
	box_open(&b, (const char *[]){"sandbox.warm_forks_max=2", "sandbox.pool_size=1", NULL});
	ASSERT_EQ(see_warm(&b, "print(hash('nexus'), hash(b'nexus'), hash(''))", seen), SEEN);
	for (size_t i = 0; i < SEEN; i++) {
		size_t same = 0;
		for (size_t k = 0; k < SEEN; k++)
			same += strcmp(seen[i], seen[k]) == 0;
		ASSERT_LE(same, 2);
	}
	box_close(&b);
}

static void split(char *line, char *ret[COLUMNS])
{
	char *save = NULL, *word = strtok_r(line, " \n", &save);
	for (size_t i = 0; i < COLUMNS; i++, word = strtok_r(NULL, " \n", &save))
		ASSERT_NOT_NULL(ret[i] = word);
}

TEST(copies_of_one_interpreter_share_no_chance)
{
	static const char code[] = "import random, secrets, tempfile, uuid\n"
				   "print(hash('nexus'), random.random(), secrets.token_hex(8),\n"
				   "      tempfile.mktemp(), uuid.uuid4())";
	struct box b;
	char seen[SEEN][256], *columns[SEEN][COLUMNS];
	size_t brothers = 0;
	box_open(&b, (const char *[]){"sandbox.pool_size=1", NULL});
	ASSERT_EQ(see_warm(&b, code, seen), SEEN);
	for (size_t i = 0; i < SEEN; i++)
		split(seen[i], columns[i]);
	for (size_t i = 0; i < SEEN; i++)
		for (size_t k = 0; k < i; k++) {
			brothers += strcmp(columns[i][0], columns[k][0]) == 0;
			for (size_t c = 1; c < COLUMNS; c++)
				ASSERT_NE(strcmp(columns[i][c], columns[k][c]), 0);
		}
	ASSERT_GT(brothers, 0); /* pairs of one interpreter: they are what this is about */
	box_close(&b);
}

/* The kernel takes its time over the last guest's namespaces. */
static void wait_for_rest(pid_t spawner, const struct nx_traces *rest, struct nx_traces *ret)
{
	for (int i = 0; i < 50; i++) {
		nx_traces_settle(spawner, NULL, 300, ret);
		if (ret->processes <= rest->processes && ret->cgroups <= rest->cgroups)
			return;
	}
}

TEST(the_pool_is_emptied_when_it_is_idle_and_fills_again)
{
	struct box b;
	struct nx_traces rest, filled, emptied;
	box_open(&b, (const char *[]){"sandbox.pool_idle=300ms", NULL});
	pid_t spawner = spawner_pid(&b);
	nx_traces_settle(spawner, NULL, 500, &rest);
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(warm_up(&b));
		nx_traces_count(spawner, NULL, &filled);
		ASSERT_GT(filled.processes, rest.processes);
		ASSERT_GT(filled.spawner_fds, rest.spawner_fds);
		wait_for_rest(spawner, &rest, &emptied);
		ASSERT_EQ(emptied.processes, rest.processes);
		ASSERT_EQ(emptied.cgroups, rest.cgroups);
		ASSERT_EQ(emptied.spawner_fds, rest.spawner_fds);
	}
	box_close(&b);
}
