/*
 * The checkpointer: folds the log back into the database, in the pauses between commits.
 *
 * It runs on the writer's own connection, which the writer lends it and waits for: no other connection ever checkpoints,
 * so a checkpoint never races with a commit.
 */
#include "base/assert.h"
#include "store/store_internal.h"

#include <errno.h>

static void wait_for(sem_t *s)
{
	while (sem_wait(s))
		nx_assert(errno == EINTR);
}

static void wake(sem_t *s)
{
	int rc = sem_post(s);
	nx_assert(rc == 0);
}

static void *run(void *ctx)
{
	struct nx_checkpointer *c = ctx;
	/* The writer waits for this thread: it must not be the slower of the two. */
	nx_store_raise_priority();
	for (;;) {
		wait_for(&c->go);
		/* Relaxed: the semaphore orders it. */
		if (atomic_load_explicit(&c->stopping, memory_order_relaxed))
			return NULL;
		/* A failure loses nothing, the log keeps its pages: the writer tries again later. */
		c->rc = c->db->ops->checkpoint(c->db, false, NULL);
		wake(&c->done);
	}
}

int nx_checkpointer_turn(struct nx_checkpointer *c, struct nx_db *db)
{
	if (!c->started)
		return db->ops->checkpoint(db, false, NULL);
	c->db = db;
	wake(&c->go);
	wait_for(&c->done);
	c->db = NULL;
	return c->rc;
}

int nx_checkpointer_start(struct nx_checkpointer *c, struct nx_error **err)
{
	if (sem_init(&c->go, 0, 0) || sem_init(&c->done, 0, 0))
		return nx_error_set_errno(err, errno, "make a semaphore");
	int rc = nx_store_thread(&c->thread, "nx-checkpoint", run, c, err);
	c->started = rc == 0;
	return rc;
}

void nx_checkpointer_stop(struct nx_checkpointer *c)
{
	if (!c->started)
		return;
	atomic_store_explicit(&c->stopping, true, memory_order_relaxed);
	wake(&c->go);
	int rc = pthread_join(c->thread, NULL);
	nx_assert(rc == 0);
	c->started = false;
	(void)sem_destroy(&c->go);
	(void)sem_destroy(&c->done);
}
