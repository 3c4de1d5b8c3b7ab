/* The program within this one. */
#include "base/asset.h"
#include "base/io.h"
#include "base/macros.h"
#include "extract/extract.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

NX_ASSETS(extract);

nx_str nx_extract_program(void)
{
	const struct nx_asset *program = nx_asset_find(&nx_assets_extract, "nexus-extract");
	return program ? nx_str_n((const char *)program->data, program->size) : NX_STR_NULL;
}

/* For people, and without walls: it sees what they see. */
int nx_extract_main(int argc, char **argv)
{
	nx_str program = nx_extract_program();
	if (program.n == 0) {
		fputs("nexus: this build reads no HTML, Word or PDF documents (nexus version --features)\n", stderr);
		return 1;
	}
	nx_auto_fd int fd = memfd_create("nexus-extract", MFD_CLOEXEC);
	if (fd >= 0 && nx_write_all(fd, program) == 0)
		(void)fexecve(fd, argv + (argc > 1), environ);
	fprintf(stderr, "nexus: start the program that reads documents: %s\n", strerror(errno));
	return 1;
}
