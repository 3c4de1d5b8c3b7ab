#include "base/assert.h"
#include "tests/unit/nx_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(an_assertion_that_holds_costs_nothing)
{
	int calls = 0;
	nx_assert(++calls == 1);
	ASSERT_EQ(calls, 1);
}

TEST(a_broken_assertion_names_itself_and_aborts)
{
	int pipe_fds[2];
	ASSERT_OK(pipe(pipe_fds));
	pid_t child = fork();
	if (child == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(pipe_fds[1], STDERR_FILENO);
		nx_assert(1 == 2);
		_exit(0);
	}
	(void)close(pipe_fds[1]);
	char text[1024] = "";
	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);
	(void)close(pipe_fds[0]);
	ASSERT_GT(n, 0);
	int status;
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_CONTAINS(text, "test_assert.c:");
	ASSERT_CONTAINS(text, "1 == 2");
	ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
