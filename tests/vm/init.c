/* The first process of the virtual machine's initramfs: loads what the disk needs, moves there, goes on as /init.sh. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

static int mount_disk(void)
{
	for (int i = 0; i < 100; i++) {
		if (mount("/dev/vda", "/r", "ext4", 0, "") == 0)
			return 0;
		usleep(100000);
	}
	perror("/dev/vda");
	return -1;
}

int main(void)
{
	static const char *const modules[] = {"virtio_ring",           "virtio",     "virtio_pci_legacy_dev",
					      "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"};
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") < 0)
		return 1;
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; fd < 3 && console >= 0; fd++)
		if (dup2(console, fd) < 0)
			return 1;
	for (unsigned i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/m/%s.ko", modules[i]);
		load(path);
	}
	if (mount_disk() < 0 || mount("/dev", "/r/dev", NULL, MS_MOVE, NULL) < 0 || chdir("/r") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return 1;
	execl("/init.sh", "/init.sh", (char *)NULL);
	return 1;
}
