/* Every number a descriptor could have, not only those that /proc lists; and what the working directory leads to. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int reached;

static void look(const char *what, int at)
{
	printf("%s %d\n", what, at);
	reached = 1;
}

static void try_descriptors(void)
{
	struct stat st;
	for (int fd = 3; fd < 70000; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			look("open", fd);
		if (openat(fd, "etc/passwd", O_RDONLY) >= 0 || openat(fd, "../../../../etc/shadow", O_RDONLY) >= 0)
			look("a directory is behind", fd);
	}
	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) < 0 ||
		    !(S_ISFIFO(st.st_mode) || (fd == 0 && (S_ISCHR(st.st_mode) || S_ISREG(st.st_mode)))))
			look("neither a pipe nor /dev/null:", fd);
}

/* The root of what is above the working directory is our own root. */
static void try_directory(void)
{
	char path[4096];
	struct stat above, root;
	/* It begins with "(unreachable)" where it is not below the root. */
	if (!getcwd(path, sizeof(path)) || strcmp(path, "/box/work") != 0)
		look("working directory", 0);
	if (stat("../../../../../..", &above) < 0 || stat("/", &root) < 0 || above.st_ino != root.st_ino ||
	    above.st_dev != root.st_dev)
		look("above the working directory", 0);
	if (stat("/proc/self/cwd/../../../..", &above) == 0 && above.st_ino != root.st_ino)
		look("above /proc/self/cwd", 0);
}

static void try_environment(void)
{
	for (char **e = environ; *e; e++)
		if (strstr(*e, "SECRET") || strstr(*e, "NEXUS") || strstr(*e, "hunter2"))
			look(*e, 0);
}

int main(void)
{
	try_descriptors();
	try_directory();
	try_environment();
	if (!reached)
		puts("held");
	return 0;
}
