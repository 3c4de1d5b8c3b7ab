/*
 * The power cut test. Killing a process proves no durability, for the kernel keeps what it wrote: here everything that
 * was not synced is dropped, torn or reordered at a random operation (powercut_vfs.h), again and again on what the cut
 * before left, so that recovery is cut as well. Every acknowledged write is there each time, and the database is sound.
 *
 * The same test must find losses when the store is told not to sync: that is what shows that it can.
 */
#include "tests/fault/powercut_vfs.h"
#include "tests/fault/rig.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_A_DIRECTORY 10
#define MIN_OPS_LOG2 3
#define MAX_OPS_LOG2 12 /* a checkpoint comes after some 500 operations, so most directories see several */

static int child(char **argv)
{
	struct load_options o = {
		.dir = argv[2],
		.first = strtoull(argv[3], NULL, 10),
		.sync = (enum nx_synchronous)strtoul(argv[4], NULL, 10),
		.ack_fd = RIG_ACK_FD,
	};
	powercut_start(o.dir, strtoull(argv[5], NULL, 10), (enum powercut_damage)strtoul(argv[6], NULL, 10),
		       strtoull(argv[7], NULL, 10));
	struct nx_error *err = NULL;
	if (load_run(&o, &err))
		rig_die("load", err);
	return 0;
}

struct cut {
	uint64_t ops, seed;
	enum powercut_damage damage;
};

static struct cut choose_cut(uint64_t *rng)
{
	uint64_t log2 = MIN_OPS_LOG2 + load_dice(rng) % (MAX_OPS_LOG2 - MIN_OPS_LOG2);
	return (struct cut){
		.ops = (UINT64_C(1) << log2) + load_dice(rng) % (UINT64_C(1) << log2),
		.damage = (enum powercut_damage)(load_dice(rng) % POWERCUT_DAMAGE_MAX),
		.seed = load_dice(rng),
	};
}

static void live_until(const char *dir, const struct cut *c, enum nx_synchronous sync, struct load_ledger *l)
{
	char text[5][32];
	(void)snprintf(text[0], sizeof(text[0]), "%llu", (unsigned long long)load_next(l));
	(void)snprintf(text[1], sizeof(text[1]), "%d", (int)sync);
	(void)snprintf(text[2], sizeof(text[2]), "%llu", (unsigned long long)c->ops);
	(void)snprintf(text[3], sizeof(text[3]), "%d", (int)c->damage);
	(void)snprintf(text[4], sizeof(text[4]), "%llu", (unsigned long long)c->seed);
	char *argv[] = {(char[]){"test_powercut"},
			(char[]){"child"},
			(char *)dir,
			text[0],
			text[1],
			text[2],
			text[3],
			text[4],
			NULL};
	int acks = -1, status = 0;
	pid_t pid = rig_spawn(argv, &acks);
	bool ok = load_read_acks(acks, l);
	(void)close(acks);
	(void)waitpid(pid, &status, 0);
	if (!ok || !WIFEXITED(status) || WEXITSTATUS(status) != POWERCUT_EXIT) {
		(void)fprintf(stderr, "status %x, cut after %llu operations, damage %d, seed %llu\n", (unsigned)status,
			      (unsigned long long)c->ops, (int)c->damage, (unsigned long long)c->seed);
		rig_die("the child did not live until the power went", NULL);
	}
}

struct outcome {
	unsigned cuts, losses;
	size_t acked;
};

/* With `until_loss`, stops at the first loss. */
static struct outcome run(const char *dir, const struct rig_options *o, enum nx_synchronous sync, bool until_loss)
{
	struct outcome out = {0};
	struct load_ledger l = {0};
	uint64_t rng = o->seed;
	while (out.cuts < o->count && !(until_loss && out.losses)) {
		if (out.cuts % ROUNDS_A_DIRECTORY == 0) {
			rig_dir_empty(dir);
			load_ledger_done(&l);
		}
		struct cut c = choose_cut(&rng);
		size_t before = l.n;
		live_until(dir, &c, sync, &l);
		out.acked += l.n - before;
		out.cuts++;
		struct nx_error *err = NULL;
		int rc = load_verify(dir, &l, 0, &err);
		out.losses += rc != 0;
		if (o->verbose || (rc && !until_loss))
			(void)printf("cut %u: after %llu operations, damage %d, %zu acknowledged: %s\n", out.cuts - 1,
				     (unsigned long long)c.ops, (int)c.damage, l.n - before,
				     rc ? nx_error_message(err) : "all there");
		nx_error_free(err);
		if (rc && !until_loss)
			break;
	}
	load_ledger_done(&l);
	return out;
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "child") == 0)
		return child(argv);
	struct rig_options o = rig_options(argc, argv, 200);
	char dir[256];
	rig_dir(dir);
	int64_t start = nx_time_mono_us();

	struct outcome full = run(dir, &o, NX_SYNC_FULL, false);
	(void)printf("synchronous=full: %u cuts, %zu writes acknowledged, %u losses\n", full.cuts, full.acked,
		     full.losses);
	struct outcome normal = run(dir, &o, NX_SYNC_NORMAL, true);
	(void)printf("synchronous=normal: the first loss after %u cuts\n", normal.cuts);
	struct outcome off = run(dir, &o, NX_SYNC_OFF, true);
	(void)printf("synchronous=off: the first loss after %u cuts, %.1f s\n", off.cuts,
		     (double)(nx_time_mono_us() - start) / 1e6);

	bool can_tell = normal.losses && off.losses;
	if (!can_tell)
		(void)printf("without syncs nothing was lost: this test proves nothing\n");
	return full.losses == 0 && full.acked > full.cuts && can_tell ? 0 : 1;
}
