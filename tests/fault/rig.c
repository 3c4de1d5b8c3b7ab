#include "tests/fault/rig.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM_NEEDED (256u << 20)

static char base_dir[256];

static void remove_base(void)
{
	(void)nx_rmtree(base_dir, NULL);
}

void rig_die(const char *what, struct nx_error *err)
{
	(void)fprintf(stderr, "%s: %s\n", what, err ? nx_error_message(err) : strerror(errno));
	exit(1);
}

static bool has_room(const char *dir)
{
	struct statvfs v;
	return access(dir, W_OK) == 0 && statvfs(dir, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize > ROOM_NEEDED;
}

void rig_dir(char ret[256])
{
	const char *tmp = getenv("TMPDIR");
	char chosen[200], real[PATH_MAX];
	(void)snprintf(chosen, sizeof(chosen), "%s", has_room("/dev/shm") ? "/dev/shm" : tmp ? tmp : "/tmp");
	if (!realpath(chosen, real))
		rig_die(chosen, NULL);
	(void)snprintf(base_dir, sizeof(base_dir), "%.200s/nx-fault-XXXXXX", real);
	if (!mkdtemp(base_dir))
		rig_die(base_dir, NULL);
	(void)atexit(remove_base);
	(void)snprintf(ret, 256, "%.250s/d", base_dir);
	rig_dir_empty(ret);
}

void rig_dir_empty(const char *dir)
{
	struct nx_error *err = NULL;
	if (nx_rmtree(dir, &err) || nx_mkdirs(dir, 0700, &err))
		rig_die("empty the directory", err);
}

pid_t rig_spawn(char *const argv[], int *ret_acks)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		rig_die("pipe", NULL);
	pid_t pid = fork();
	if (pid < 0)
		rig_die("fork", NULL);
	if (pid == 0) {
		/* dup2 onto itself would keep close-on-exec. */
		if (ends[1] == RIG_ACK_FD ? fcntl(RIG_ACK_FD, F_SETFD, 0) : dup2(ends[1], RIG_ACK_FD) < 0)
			_exit(127);
		(void)execv("/proc/self/exe", argv);
		_exit(127);
	}
	(void)close(ends[1]);
	*ret_acks = ends[0];
	return pid;
}

struct rig_options rig_options(int argc, char **argv, unsigned count)
{
	struct rig_options o = {.count = count, .seed = 1};
	for (int i = 1; i < argc; i++) {
		int64_t n = 0;
		bool has_number = i + 1 < argc && nx_str_to_i64(nx_str_z(argv[i + 1]), &n) && n >= 0;
		if (strcmp(argv[i], "--verbose") == 0)
			o.verbose = true;
		else if (strcmp(argv[i], "--count") == 0 && has_number && ++i)
			o.count = (unsigned)n;
		else if (strcmp(argv[i], "--seed") == 0 && has_number && ++i)
			o.seed = (uint64_t)n;
		else {
			(void)fprintf(stderr, "usage: %s [--count N] [--seed N] [--verbose]\n", argv[0]);
			exit(2);
		}
	}
	return o;
}
