/*
 * The kill test: a child acknowledges writes under load and is killed with SIGKILL at a random moment, again and again
 * on the same directory. Every acknowledged write is there each time, and the database is sound.
 */
#include "tests/fault/rig.h"

#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_A_DIRECTORY 5
#define LONGEST_US 15000 /* from the child's start, or from its first acknowledgement, to its end */

static int child(char **argv)
{
	struct nx_error *err = NULL;
	struct load_options o = {.dir = argv[2], .first = strtoull(argv[3], NULL, 10), .ack_fd = RIG_ACK_FD};
	if (load_run(&o, &err))
		rig_die("load", err);
	return 0;
}

/* One life of a child. Returns how many writes it acknowledged. */
static size_t live_and_die(const char *dir, uint64_t *rng, struct load_ledger *l)
{
	char first[32];
	(void)snprintf(first, sizeof(first), "%llu", (unsigned long long)load_next(l));
	char *argv[] = {(char[]){"test_kill"}, (char[]){"child"}, (char *)dir, first, NULL};
	size_t before = l->n;
	int acks = -1, status = 0;
	pid_t pid = rig_spawn(argv, &acks);
	/* One in four dies at any time, while it opens the store too; the others under load. */
	struct pollfd first_ack = {.fd = acks, .events = POLLIN};
	if (load_dice(rng) % 4)
		(void)poll(&first_ack, 1, -1);
	(void)usleep((useconds_t)(load_dice(rng) % LONGEST_US));
	(void)kill(pid, SIGKILL);
	bool ok = load_read_acks(acks, l);
	(void)close(acks);
	(void)waitpid(pid, &status, 0);
	if (!ok || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		rig_die("the child did not live until it was killed", NULL);
	return l->n - before;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "child") == 0)
		return child(argv);
	struct rig_options o = rig_options(argc, argv, 200);
	uint64_t rng = o.seed;
	char dir[256];
	rig_dir(dir);
	struct load_ledger l = {0};
	size_t acked = 0, idle = 0;
	int64_t start = nx_time_mono_us();
	for (unsigned i = 0; i < o.count; i++) {
		if (i % ROUNDS_A_DIRECTORY == 0) {
			rig_dir_empty(dir);
			load_ledger_done(&l);
		}
		size_t n = live_and_die(dir, &rng, &l);
		acked += n;
		idle += n == 0;
		struct nx_error *err = NULL;
		bool is_last = (i + 1) % ROUNDS_A_DIRECTORY == 0 || i + 1 == o.count;
		if (load_verify(dir, &l, is_last ? 0 : l.n - n, &err))
			rig_die("after a kill", err);
		if (o.verbose)
			(void)printf("kill %u: %zu acknowledged, all there\n", i, n);
	}
	(void)printf("%u kills, %zu writes acknowledged, none lost (%zu kills before the first), %.1f s\n", o.count,
		     acked, idle, (double)(nx_time_mono_us() - start) / 1e6);
	load_ledger_done(&l);
	/* A test that killed too early each time would prove nothing. */
	return acked > o.count ? 0 : 1;
}
