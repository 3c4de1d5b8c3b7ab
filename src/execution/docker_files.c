/* What a program left in its container: an archive of /work becomes a work directory, which is collected like any other. */
#include "execution/docker_internal.h"
#include "execution/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define ENTRIES_MAX 20000
#define DEPTH_MAX 64

static char *place(const struct nx_run *r)
{
	char id[NX_ID_TEXT];
	nx_id_format(r->x->id, id);
	return nx_arena_printf(r->scratch, "%s/artifacts/incoming/box-%s", nx_store_dir(r->e->store), id);
}

static bool is_same(struct nx_arena *a, const char *path, nx_str bytes)
{
	nx_str now;
	struct stat st;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)bytes.n &&
	       nx_file_read(a, path, bytes.n, &now, NULL) == 0 && nx_str_eq(now, bytes);
}

/* Inputs come back with the rest; those that nobody changed are no artifacts. The directory holds no links. */
static void drop_inputs(const struct nx_run *r, const char *box)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	for (size_t i = 0; a && i < r->x->nfiles; i++) {
		const struct nx_exec_file *f = &r->x->files[i];
		const char *path = nx_arena_printf(a, "%s/work/%.*s", box, NX_FMT(f->path));
		if (path && is_same(a, path, f->bytes))
			(void)unlink(path);
		nx_arena_reset(a);
	}
}

int nx_docker_unpack(struct nx_run *r, struct nx_error **err)
{
	if (r->leavings < 0)
		return 0;
	const char *path = place(r);
	if (!path)
		return nx_error_set(err, NX_ENOMEM, "no memory for artifacts");
	if (mkdir(path, 0700) < 0 || (r->box = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(r->box, "work", 0700) < 0 || lseek(r->leavings, 0, SEEK_SET) < 0)
		return nx_error_set_errno(err, errno, "make a directory for artifacts");
	struct nx_unpack u = {
		.dir = r->box,
		.only_files = true,
		.may_be_cut = true,
		.max_bytes = r->e->config->sandbox_work_bytes,
		.max_entries = ENTRIES_MAX,
		.max_depth = DEPTH_MAX,
	};
	int result = nx_unpack_fd(&u, r->leavings, err);
	if (result == 0)
		drop_inputs(r, path);
	return result < 0 ? nx_error_wrap(err, "read what the program left") : 0;
}

void nx_docker_forget(struct nx_run *r)
{
	const char *path = r->leavings >= 0 ? place(r) : NULL;
	if (path)
		(void)nx_rmtree(path, NULL); /* what stays is removed at the next start, with all that is incoming */
}
