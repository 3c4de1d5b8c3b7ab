#include "execution/spawn_protocol.h"
#include "tests/unit/nx_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static union nx_spawn_msg M;

static void good_prepare(void)
{
	nx_spawn_init(&M, NX_SPAWN_PREPARE, 7);
	M.prepare = (struct nx_spawn_prepare){.head = M.head,
					      .memory_bytes = 64 << 20,
					      .cpu_percent = 20,
					      .max_processes = 8,
					      .box_bytes = 1 << 20,
					      .box_inodes = 64,
					      .file_bytes = 1 << 20,
					      .cpu_us = 1000,
					      .wall_us = 1000};
}

static void good_start(void)
{
	size_t used = 0;
	nx_spawn_init(&M, NX_SPAWN_START, 7);
	nx_spawn_append(M.start.args, &used, "/usr/bin/true");
	nx_spawn_append(M.start.args, &used, "x");
	M.start.argc = 2;
}

TEST(a_good_message_passes_in_its_direction_only)
{
	good_prepare();
	ASSERT_NULL(nx_spawn_check(&M, sizeof(M.prepare), true));
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.prepare), false));
	good_start();
	ASSERT_NULL(nx_spawn_check(&M, sizeof(M.start), true));
	nx_spawn_init(&M, NX_SPAWN_EXITED, 7);
	ASSERT_NULL(nx_spawn_check(&M, sizeof(M.exited), false));
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.exited), true));
}

TEST(every_wrong_size_type_version_or_run_is_refused)
{
	good_prepare();
	for (size_t n = 0; n < sizeof(M.prepare); n++)
		ASSERT_NOT_NULL(nx_spawn_check(&M, n, true));
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.prepare) + 1, true));
	for (unsigned type = 0; type < 65536; type++) {
		nx_spawn_init(&M, (enum nx_spawn_type)type, 7);
		if (type == 0 || type >= NX_SPAWN_TYPE_MAX)
			ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M), true));
	}
	good_prepare();
	M.head.version++;
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.prepare), true));
	good_prepare();
	M.head.run = 0;
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.prepare), true));
}

TEST(limits_out_of_range_are_refused)
{
	static const int64_t bad[] = {0, -1, INT64_MIN, INT64_MAX};
	for (size_t i = 0; i < 4; i++) {
		for (size_t field = 0; field < 8; field++) {
			good_prepare();
			int64_t *fields[] = {&M.prepare.memory_bytes, &M.prepare.cpu_percent, &M.prepare.max_processes,
					     &M.prepare.box_bytes,    &M.prepare.box_inodes,  &M.prepare.file_bytes,
					     &M.prepare.cpu_us,       &M.prepare.wall_us};
			*fields[field] = bad[i];
			ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.prepare), true));
		}
	}
}

TEST(texts_that_do_not_end_inside_their_array_are_refused)
{
	good_start();
	memset(M.start.args, 'x', sizeof(M.start.args));
	M.start.args[0] = '/';
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.start), true));
	good_start();
	M.start.argc = NX_SPAWN_ARGS_MAX + 1;
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.start), true));
	good_start();
	M.start.args[0] = 'u'; /* a relative path */
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.start), true));
	nx_spawn_init(&M, NX_SPAWN_HELLO, 0);
	M.hello.nchecks = NX_SPAWN_CHECKS_MAX + 1;
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.hello), false));
	nx_spawn_init(&M, NX_SPAWN_FAILED, 7);
	memset(M.failed.stage, 'x', sizeof(M.failed.stage));
	ASSERT_NOT_NULL(nx_spawn_check(&M, sizeof(M.failed), false));
}

TEST(arguments_are_joined_and_split_again)
{
	char *argv[NX_SPAWN_ARGS_MAX + 1], longest[NX_SPAWN_TEXT_MAX + 1];
	size_t used = 0;
	good_start();
	ASSERT_TRUE(nx_spawn_split(M.start.args, M.start.argc, argv));
	ASSERT_STREQ(argv[0], "/usr/bin/true");
	ASSERT_STREQ(argv[1], "x");
	ASSERT_NULL(argv[2]);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ASSERT_FALSE(nx_spawn_append(M.start.args, &used, longest));
	longest[NX_SPAWN_TEXT_MAX - 1] = '\0';
	ASSERT_TRUE(nx_spawn_append(M.start.args, &used, longest));
	ASSERT_FALSE(nx_spawn_append(M.start.args, &used, ""));
}

TEST(messages_carry_descriptors)
{
	int pair[2], fds[NX_SPAWN_FDS_MAX], file = open("/dev/null", O_RDONLY);
	size_t n;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	nx_spawn_init(&M, NX_SPAWN_PREPARED, 9);
	ASSERT_EQ(nx_spawn_send(pair[0], &M, (int[]){file, file, file, file}, 4), 0);
	ASSERT_EQ(nx_spawn_recv(pair[1], &M, fds, &n), sizeof(M.prepared));
	ASSERT_EQ(n, 4);
	for (size_t i = 0; i < n; i++) {
		ASSERT_TRUE(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		close(fds[i]);
	}
	close(pair[0]);
	ASSERT_EQ(nx_spawn_recv(pair[1], &M, fds, &n), 0);
	close(pair[1]);
	close(file);
}
