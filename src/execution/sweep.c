/*
 * Artifacts that no row names: a crash between their rename and the commit left them, and nobody will ever ask for them.
 * A long job after the start looks at every file that is older than the start, so that a run of this process, whose row is
 * on its way, is never touched. What cannot be read or removed is left to the next start.
 */
#include "execution/images_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct sweep {
	struct nx_job job;
	struct nx_store *store;
	int64_t before_ms;
};

static bool has_row(struct nx_db *db, nx_id id)
{
	int64_t n = 1;
	int r = nx_db_get_int(db, "SELECT count(*) FROM artifacts WHERE uid = $1", NX_PARAMS(nx_v_id(&id)), &n, NULL);
	return r < 0 || n > 0; /* in doubt it is kept */
}

static void sweep_dir(const struct sweep *s, DIR *d)
{
	struct nx_db *db = nx_store_reader(s->store);
	for (struct dirent *e; (e = readdir(d)) != NULL; nx_job_yield()) {
		nx_id id;
		if (!nx_id_parse(nx_str_z(e->d_name), &id) || nx_id_time_ms(id) >= s->before_ms || has_row(db, id))
			continue;
		(void)unlinkat(dirfd(d), e->d_name, 0);
	}
}

static void run(struct nx_job *j)
{
	struct sweep *s = nx_container_of(j, struct sweep, job);
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	char *path = a ? nx_path_join(a, nx_store_dir(s->store), "artifacts") : NULL;
	DIR *d = path ? opendir(path) : NULL;
	if (d) {
		sweep_dir(s, d);
		(void)closedir(d);
	}
	nx_images_sweep(s->store, s->before_ms);
	free(s);
}

void nx_artifacts_sweep(struct nx_store *store, struct nx_workers *w)
{
	struct sweep *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	*s = (struct sweep){.job = {.run = run, .is_long = true},
			    .store = store,
			    .before_ms = nx_time_wall_us() / NX_USEC_PER_MSEC};
	nx_workers_post(w, &s->job);
}
