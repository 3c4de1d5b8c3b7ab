#include "base/clock.h"
#include "base/id.h"
#include "tests/unit/nx_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

TEST(an_id_is_a_version_7_uuid_of_now)
{
	int64_t before = nx_time_wall_us() / 1000;
	nx_id id = nx_id_new();
	ASSERT_EQ(id.b[6] >> 4, 7);
	ASSERT_EQ(id.b[8] >> 6, 2);
	ASSERT_GE(nx_id_time_ms(id), before);
	ASSERT_LE(nx_id_time_ms(id), nx_time_wall_us() / 1000 + 1000);
	ASSERT_FALSE(nx_id_none(id));
	ASSERT_TRUE(nx_id_none(NX_ID_NONE));
}

TEST(text_and_bytes_are_the_same_id)
{
	char text[NX_ID_TEXT];
	nx_id id, back;
	ASSERT_TRUE(nx_id_parse(NX_STR("01890A5D-AC96-774b-bcce-b302099a8057"), &id));
	nx_id_format(id, text);
	ASSERT_STREQ(text, "01890a5d-ac96-774b-bcce-b302099a8057");
	ASSERT_EQ(nx_id_time_ms(id), INT64_C(0x01890a5dac96));
	ASSERT_TRUE(nx_id_parse(nx_str_z(text), &back));
	ASSERT_TRUE(nx_id_eq(id, back));
}

TEST(what_is_no_id_is_refused)
{
	static const char *const bad[] = {"",
					  "01890a5dac96774bbcceb302099a8057",
					  "01890a5d-ac96-774b-bcce-b302099a805",
					  "01890a5d-ac96-774b-bcce-b302099a80577",
					  "01890a5d-ac96-774b-bcce-b302099a805g",
					  "01890a5d-ac96-774b-bcceb-302099a8057",
					  "{1890a5d-ac96-774b-bcce-b302099a805}",
					  "01890a5d_ac96_774b_bcce_b302099a8057"};
	nx_id id;
	for (size_t i = 0; i < nx_countof(bad); i++)
		ASSERT_FALSE(nx_id_parse(nx_str_z(bad[i]), &id));
}

TEST(ids_rise_also_when_the_clock_goes_back)
{
	struct nx_fake_clock c;
	nx_fake_clock_install(&c, INT64_C(4000000000000000));
	nx_id last = nx_id_new();
	for (int i = 0; i < 10000; i++) {
		if (i == 5000)
			c.wall -= INT64_C(3600000000);
		nx_id next = nx_id_new();
		ASSERT_GT(memcmp(next.b, last.b, sizeof(next.b)), 0);
		last = next;
	}
	nx_clock_set(NULL);
}

#define EACH 20000
static void *make_many(void *p)
{
	nx_id *ids = p;
	for (size_t i = 0; i < EACH; i++)
		ids[i] = nx_id_new();
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(nx_id));
}

TEST(threads_never_make_the_same_id)
{
	enum { THREADS = 4 };
	nx_auto_free nx_id *ids = calloc(THREADS * EACH, sizeof(nx_id));
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, make_many, ids + i * EACH));
	for (size_t i = 0; i < THREADS; i++)
		ASSERT_OK(pthread_join(threads[i], NULL));
	qsort(ids, THREADS * EACH, sizeof(nx_id), compare);
	for (size_t i = 1; i < THREADS * EACH; i++)
		ASSERT_FALSE(nx_id_eq(ids[i - 1], ids[i]));
}

TEST(a_child_does_not_repeat_its_parents_chance)
{
	int fds[2];
	nx_id child_id, mine = nx_id_new();
	ASSERT_OK(pipe(fds));
	pid_t child = fork();
	if (child == 0) {
		nx_id id = nx_id_new();
		_exit(write(fds[1], &id, sizeof(id)) == (ssize_t)sizeof(id) ? 0 : 1);
	}
	mine = nx_id_new();
	ASSERT_EQ(read(fds[0], &child_id, sizeof(child_id)), sizeof(child_id));
	int status;
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_NE(memcmp(child_id.b + 8, mine.b + 8, 8), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

TEST(a_seed_repeats_everything)
{
	struct nx_fake_clock c;
	nx_id ids[2][3];
	uint64_t numbers[2][3];
	nx_fake_clock_install(&c, INT64_C(1772366400000000));
	for (int round = 0; round < 2; round++) {
		nx_id_seed(42);
		for (int i = 0; i < 3; i++) {
			ids[round][i] = nx_id_new();
			numbers[round][i] = nx_random_u64();
		}
	}
	nx_id_seed(43);
	nx_id other = nx_id_new();
	nx_id_seed(0);
	nx_clock_set(NULL);
	ASSERT_MEMEQ(ids[0], ids[1], sizeof(ids[0]));
	ASSERT_MEMEQ(numbers[0], numbers[1], sizeof(numbers[0]));
	ASSERT_FALSE(nx_id_eq(other, ids[0][0]));
}

TEST(random_numbers_fill_their_range)
{
	double sum = 0;
	uint64_t ones = 0, zeros = 0;
	for (int i = 0; i < 10000; i++) {
		double d = nx_random_unit();
		uint64_t u = nx_random_u64();
		ASSERT_TRUE(d >= 0 && d < 1);
		sum += d;
		ones |= u;
		zeros |= ~u;
	}
	ASSERT_DOUBLE_NEAR(sum / 10000, 0.5, 0.05);
	ASSERT_EQ(ones, UINT64_MAX);
	ASSERT_EQ(zeros, UINT64_MAX);
	unsigned char bytes[1000] = {0};
	nx_random_bytes(bytes, sizeof(bytes));
	size_t zero_bytes = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		zero_bytes += bytes[i] == 0;
	ASSERT_LT(zero_bytes, 40);
}
