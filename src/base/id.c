#include "base/id.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

/* 60 bits: milliseconds of the newest id, then its 12-bit fraction. */
static _Atomic uint64_t last_stamp;

/* Not 0: ids and nx_random_u64 come from it. `epoch` grows with every change, so that threads start anew. */
static _Atomic uint64_t the_seed;
static _Atomic uint64_t seed_epoch;
static _Atomic uint64_t seeded_ids;

void nx_random_bytes(void *p, size_t n)
{
	char *at = p;
	while (n > 0) {
		ssize_t got = getrandom(at, nx_min(n, (size_t)256), 0);
		if (got < 0 && errno == EINTR)
			continue;
		nx_assert(got > 0); /* a system without a random source cannot hand out ids */
		at += got;
		n -= (size_t)got;
	}
}

/* SplitMix64 (Steele, Lea, Flood 2014): spreads a seed over the state of another generator. */
static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

struct random_state {
	uint64_t s[4];
	uint64_t epoch; /* of the seed it was made from, plus one; 0: not made yet */
};
static _Thread_local struct random_state mine;

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static void random_start(struct random_state *r, uint64_t epoch)
{
	uint64_t seed = atomic_load_explicit(&the_seed, memory_order_relaxed);
	if (seed == 0)
		nx_random_bytes(&seed, sizeof(seed));
	for (size_t i = 0; i < nx_countof(r->s); i++)
		r->s[i] = splitmix(&seed);
	r->epoch = epoch + 1;
}

/* xoshiro256** 1.0 (Blackman, Vigna 2018). */
uint64_t nx_random_u64(void)
{
	/* Acquire pairs with the release in nx_id_seed: who sees the new epoch sees the new seed. */
	uint64_t epoch = atomic_load_explicit(&seed_epoch, memory_order_acquire);
	if (mine.epoch != epoch + 1)
		random_start(&mine, epoch);
	uint64_t *s = mine.s;
	uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

double nx_random_unit(void)
{
	return (double)(nx_random_u64() >> 11) * 0x1.0p-53;
}

/*
 * Ids are also what strangers would have to guess, so their bits come from the operating system, a few dozen at a call.
 * A child of fork must not go on with its parent's.
 */
static _Thread_local struct {
	uint64_t words[32];
	unsigned left;
	unsigned generation;
} pool;
static _Atomic unsigned fork_generation;

static void forked(void)
{
	atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
	nx_assert(pthread_atfork(NULL, NULL, forked) == 0);
}

static uint64_t system_u64(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	nx_assert(pthread_once(&once, watch_forks) == 0);
	unsigned generation = atomic_load_explicit(&fork_generation, memory_order_relaxed);
	if (pool.left == 0 || pool.generation != generation) {
		nx_random_bytes(pool.words, sizeof(pool.words));
		pool.left = nx_countof(pool.words);
		pool.generation = generation;
	}
	uint64_t v = pool.words[--pool.left];
	pool.words[pool.left] = 0;
	return v;
}

static uint64_t id_random(void)
{
	uint64_t seed = atomic_load_explicit(&the_seed, memory_order_relaxed);
	if (seed == 0)
		return system_u64();
	seed += atomic_fetch_add_explicit(&seeded_ids, 1, memory_order_relaxed) * UINT64_C(0xD1342543DE82EF95);
	return splitmix(&seed);
}

/* Later than every stamp before. Relaxed: only the order of the stamps themselves matters. */
static uint64_t next_stamp(void)
{
	uint64_t us = (uint64_t)nx_max(nx_time_wall_us(), INT64_C(0));
	uint64_t now = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
	uint64_t last = atomic_load_explicit(&last_stamp, memory_order_relaxed), stamp;
	do {
		stamp = nx_max(now, last + 1) & ((UINT64_C(1) << 60) - 1);
	} while (!atomic_compare_exchange_weak_explicit(&last_stamp, &last, stamp, memory_order_relaxed,
							memory_order_relaxed));
	return stamp;
}

nx_id nx_id_new(void)
{
	uint64_t stamp = next_stamp(), random = id_random();
	uint64_t high = (stamp >> 12) << 16 | UINT64_C(0x7000) | (stamp & 0xFFF);
	uint64_t low = UINT64_C(1) << 63 | (random & (UINT64_MAX >> 2));
	nx_id id;
	for (int i = 0; i < 8; i++) {
		id.b[i] = (uint8_t)(high >> (56 - 8 * i));
		id.b[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
	return id;
}

void nx_id_seed(uint64_t seed)
{
	atomic_store_explicit(&the_seed, seed, memory_order_relaxed);
	atomic_store_explicit(&seeded_ids, 0, memory_order_relaxed);
	/* A simulation starts at its own time; the system's own ids go on from the newest ever made. */
	if (seed != 0)
		atomic_store_explicit(&last_stamp, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&seed_epoch, 1, memory_order_release);
}

static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void nx_id_format(nx_id id, char ret[NX_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = ret;
	for (size_t i = 0; i < sizeof(id.b); i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[id.b[i] >> 4];
		*p++ = digits[id.b[i] & 15];
	}
	*p = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool nx_id_parse(nx_str s, nx_id *ret)
{
	nx_id id;
	const char *p = s.p;
	if (s.n != NX_ID_TEXT - 1)
		return false;
	for (size_t i = 0; i < sizeof(id.b); i++) {
		if (dash_before(i) && *p++ != '-')
			return false;
		int high = hex_value(p[0]), low = hex_value(p[1]);
		if (high < 0 || low < 0)
			return false;
		id.b[i] = (uint8_t)(high << 4 | low);
		p += 2;
	}
	*ret = id;
	return true;
}

int64_t nx_id_time_ms(nx_id id)
{
	int64_t ms = 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.b[i];
	return ms;
}
