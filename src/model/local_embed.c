/*
 * The local encoder's threads and their two lanes.
 *
 *   queries    normal scheduling class: someone waits for them
 *   passages   SCHED_IDLE: they take what the machine has left, and a query or a request goes before them at once. The
 *              first of them is only nice: on a machine that others keep busy SCHED_IDLE gets 0.3 % of a core, and someone
 *              who waits for his documents to be found would wait for ever
 *
 * Each lane has up to one thread per core, each with an encoder of its own. Threads are made when there is work and
 * nobody idle, wait `idle_us` for more, and then leave; the last one that leaves frees the model. A thread takes one text
 * at a time from the job at the head of its lane, so that a long job is shared by all and a job's texts may finish out of
 * order; the one who finishes the last text runs the job's end.
 *
 * Invariants, under `mutex`:
 *   1. a job is in its lane's list exactly while `taken < n`;
 *   2. nx_embed_finish is called once for each job, by whoever raises `finished` to `taken` when nothing is left to take;
 *   3. a slot's thread was started and not yet joined exactly when its state is not SLOT_FREE;
 *   4. a thread in state SLOT_RUNNING looks at its lane once more before it becomes SLOT_LEFT, so that work queued while
 *      it gives its memory back is not forgotten.
 */
#include "base/assert.h"
#include "base/fault.h"
#include "model/encoder_internal.h"
#include "model/model_internal.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#define MAX_THREADS 16 /* of a lane; an encoder holds up to 40 MB */
#define FLOOR_NICE 5   /* a quarter of a core that one busy thread of nice 0 contends for (sched(7): 335 to 1024) */
#define LONGEST_SLICE_NS (100 * 1000 * 1000) /* the kernel's bound */

enum lane_kind { LANE_QUERIES, LANE_PASSAGES, LANE_MAX };

struct job {
	struct nx_embed *embed;
	size_t taken, finished; /* texts */
	struct nx_error *err;   /* the first one; the texts not yet taken are then left out */
	struct job *next;
};

struct lane;
struct slot {
	enum { SLOT_FREE, SLOT_RUNNING, SLOT_LEFT /* to be joined */ } state;
	pthread_t thread;
	struct lane *lane;
};

struct lane {
	struct nx_local_embed *owner;
	enum lane_kind kind;
	struct job *head, **tail;
	size_t ntexts; /* in the list and not taken */
	unsigned running, idle;
	uv_cond_t work;
	struct slot slots[MAX_THREADS];
};

struct nx_local_embed {
	char *path;
	uint64_t idle_ns;
	unsigned max_threads;
	bool stopping;
	uv_mutex_t mutex;
	struct lane lanes[LANE_MAX];

	uv_mutex_t load_mutex; /* taken alone */
	struct nx_encoder_model *model;
	unsigned model_users;
};

unsigned nx_model_count_cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return n < 1 ? 1 : nx_min((unsigned)n, (unsigned)MAX_THREADS);
}

static int borrow_model(struct nx_local_embed *l, struct nx_error **err)
{
	int r = 0;
	uv_mutex_lock(&l->load_mutex);
	if (l->model == NULL)
		r = nx_encoder_model_load(l->path, NX_MINILM_DIMS, &l->model, err);
	if (r == 0)
		l->model_users++;
	uv_mutex_unlock(&l->load_mutex);
	return r;
}

static void return_model(struct nx_local_embed *l)
{
	uv_mutex_lock(&l->load_mutex);
	nx_assert(l->model_users > 0);
	if (--l->model_users == 0) {
		nx_encoder_model_free(nx_steal(l->model));
		/* A vocabulary is tens of thousands of small blocks: without this their pages stay with the process. */
		(void)malloc_trim(0);
	}
	uv_mutex_unlock(&l->load_mutex);
}

static int open_encoder(struct nx_local_embed *l, struct nx_encoder **ret, struct nx_error **err)
{
	int r = borrow_model(l, err);
	if (r != 0)
		return r;
	r = nx_encoder_new(l->model, ret, err);
	if (r != 0)
		return_model(l);
	return r;
}

static void close_encoder(struct nx_local_embed *l, struct nx_encoder *e)
{
	if (e == NULL)
		return;
	nx_encoder_free(e);
	return_model(l);
}

/* Under the mutex. */
static void push_job(struct lane *n, struct job *j)
{
	*n->tail = j;
	n->tail = &j->next;
	n->ntexts += j->embed->n;
}

/* Under the mutex. Takes what is left of the head job out of the lane. */
static void pop_job(struct lane *n)
{
	struct job *j = n->head;
	n->ntexts -= j->embed->n - j->taken;
	n->head = j->next;
	if (n->head == NULL)
		n->tail = &n->head;
	j->next = NULL;
}

/* Under the mutex. */
static struct job *take_text(struct lane *n, size_t *ret_i)
{
	struct job *j = n->head;
	*ret_i = j->taken++;
	n->ntexts--;
	if (j->taken == j->embed->n)
		pop_job(n);
	return j;
}

/* Waits for a text; NULL when the thread should leave. */
static struct job *wait_for_text(struct lane *n, size_t *ret_i)
{
	struct nx_local_embed *l = n->owner;
	struct job *j = NULL;
	uv_mutex_lock(&l->mutex);
	int r = 0;
	while (n->head == NULL && !l->stopping && r == 0) {
		n->idle++;
		r = uv_cond_timedwait(&n->work, &l->mutex, l->idle_ns);
		n->idle--;
	}
	if (n->head != NULL && !l->stopping)
		j = take_text(n, ret_i);
	else
		n->running--; /* in the same critical section as the decision: nobody counts on this thread any more */
	uv_mutex_unlock(&l->mutex);
	return j;
}

static bool is_over(const struct job *j)
{
	return j->finished == j->taken && (j->taken == j->embed->n || j->err != NULL);
}

static void end_job(struct job *j)
{
	struct nx_embed *e = j->embed;
	struct nx_error *err = nx_steal(j->err);
	free(j);
	nx_embed_finish(e, err);
}

static void finish_text(struct lane *n, struct job *j, struct nx_error *err)
{
	struct nx_local_embed *l = n->owner;
	uv_mutex_lock(&l->mutex);
	if (err != NULL && j->err == NULL) {
		j->err = nx_steal(err);
		if (n->head == j)
			pop_job(n);
	}
	j->finished++;
	bool over = is_over(j);
	uv_mutex_unlock(&l->mutex);
	nx_error_free(err);
	if (over)
		end_job(j);
}

static int embed_text(struct nx_local_embed *l, struct nx_encoder **e, struct job *j, size_t i, struct nx_error **err)
{
	if (NX_FAULT(model_embed))
		return nx_error_set(err, NX_ENOMEM, "embed: out of memory");
	if (*e == NULL) {
		int r = open_encoder(l, e, err);
		if (r != 0)
			return r;
	}
	int r = nx_encoder_run(*e, j->embed->texts[i], j->embed->vectors + i * NX_MINILM_DIMS, err);
	return r == 0 ? 0 : nx_error_wrap(err, "text %zu", i);
}

/* False when work has come in the meantime. */
static bool leave(struct slot *s)
{
	struct lane *n = s->lane;
	uv_mutex_lock(&n->owner->mutex);
	bool may_leave = n->head == NULL || n->owner->stopping;
	if (may_leave)
		s->state = SLOT_LEFT;
	else
		n->running++;
	uv_mutex_unlock(&n->owner->mutex);
	return may_leave;
}

static void work(struct lane *n)
{
	struct nx_encoder *e = NULL;
	size_t i = 0;
	for (struct job *j; (j = wait_for_text(n, &i)) != NULL;) {
		struct nx_error *err = NULL;
		(void)embed_text(n->owner, &e, j, i, &err);
		finish_text(n, j, err);
	}
	close_encoder(n->owner, e);
}

/*
 * Nice, with the longest time slice there is (sched_setattr(2); EEVDF has it since Linux 6.12, others pay it no heed): whoever
 * wakes with a shorter one goes first at once, as before SCHED_IDLE.
 */
static void take_the_floor(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period; /* ns */
	} attr = {.size = sizeof(attr), .policy = SCHED_OTHER, .nice = FLOOR_NICE, .runtime = LONGEST_SLICE_NS};
	if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), FLOOR_NICE);
}

/* Needs no privilege; where it fails the work is only less polite. */
static void step_back(const struct slot *s)
{
	if (s == s->lane->slots)
		take_the_floor();
	else
		(void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
}

static void *embedder(void *arg)
{
	struct slot *s = arg;
	struct lane *n = s->lane;
	(void)pthread_setname_np(pthread_self(), n->kind == LANE_QUERIES ? "nx-embed-query" : "nx-embed");
	if (n->kind == LANE_PASSAGES)
		step_back(s);

	do
		work(n);
	while (!leave(s));
	return NULL;
}

/* Under the mutex. A thread that left has released it for the last time, so that the join does not wait for us. */
static struct slot *find_slot(struct lane *n)
{
	for (unsigned i = 0; i < n->owner->max_threads; i++) {
		struct slot *s = &n->slots[i];
		if (s->state == SLOT_LEFT) {
			(void)pthread_join(s->thread, NULL);
			s->state = SLOT_FREE;
		}
		if (s->state == SLOT_FREE)
			return s;
	}
	return NULL;
}

static int spawn(struct slot *s)
{
	sigset_t all, old;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = NX_FAULT(model_spawn) ? EAGAIN : pthread_create(&s->thread, NULL, embedder, s);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Under the mutex. */
static bool has_threads(const struct lane *n)
{
	for (unsigned i = 0; i < n->owner->max_threads; i++)
		if (n->slots[i].state == SLOT_RUNNING)
			return true;
	return false;
}

/* Under the mutex. As many threads as the texts that wait can use; an error only when there is none at all. */
static int staff(struct lane *n, struct nx_error **err)
{
	int r = 0;
	while (r == 0 && n->ntexts > n->idle && n->running < n->owner->max_threads) {
		struct slot *s = find_slot(n);
		if (s == NULL)
			break; /* the others give their memory back just now, and then look again */
		s->lane = n;
		r = spawn(s);
		if (r == 0) {
			s->state = SLOT_RUNNING;
			n->running++;
		}
	}
	return r != 0 && !has_threads(n) ? nx_error_set_errno(err, r, "start an embedder thread") : 0;
}

/* Under the mutex. Takes a job that nobody has touched out of the lane again. */
static void unqueue(struct lane *n, struct job *j)
{
	struct job **p = &n->head;
	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	if (n->tail == &j->next)
		n->tail = p;
	n->ntexts -= j->embed->n;
}

static int enqueue(struct nx_local_embed *l, struct nx_embed *e, struct nx_error **err)
{
	struct job *j = calloc(1, sizeof(*j));
	if (j == NULL)
		return nx_error_set(err, NX_ENOMEM, "embed: out of memory");
	j->embed = e;
	struct lane *n = &l->lanes[e->is_query ? LANE_QUERIES : LANE_PASSAGES];
	uv_mutex_lock(&l->mutex);
	push_job(n, j);
	int r = staff(n, err);
	if (r != 0) {
		unqueue(n, j);
		free(j);
	} else if (n->idle > 0) {
		uv_cond_broadcast(&n->work);
	}
	uv_mutex_unlock(&l->mutex);
	return r;
}

void nx_local_embed_start(struct nx_local_embed *l, struct nx_embed *e)
{
	struct nx_error *err = NULL;
	if (e->n == 0 || enqueue(l, e, &err) != 0)
		nx_embed_finish(e, err);
}

bool nx_local_embed_loaded(struct nx_local_embed *l)
{
	uv_mutex_lock(&l->load_mutex);
	bool loaded = l->model != NULL;
	uv_mutex_unlock(&l->load_mutex);
	return loaded;
}

int nx_local_embed_new(const char *path, int64_t idle_us, struct nx_local_embed **ret, struct nx_error **err)
{
	struct nx_local_embed *l = calloc(1, sizeof(*l));
	if (l == NULL || (l->path = strdup(path)) == NULL) {
		free(l);
		return nx_error_set(err, NX_ENOMEM, "embedder: out of memory");
	}
	l->idle_ns = (uint64_t)idle_us * 1000;
	l->max_threads = nx_model_count_cores();
	nx_assert(uv_mutex_init(&l->mutex) == 0 && uv_mutex_init(&l->load_mutex) == 0);
	for (int k = 0; k < LANE_MAX; k++) {
		struct lane *n = &l->lanes[k];
		n->owner = l;
		n->kind = (enum lane_kind)k;
		n->tail = &n->head;
		nx_assert(uv_cond_init(&n->work) == 0);
	}
	*ret = l;
	return 0;
}

static void dismiss(struct lane *n)
{
	uv_cond_broadcast(&n->work);
	for (unsigned i = 0; i < MAX_THREADS; i++) {
		uv_mutex_lock(&n->owner->mutex);
		bool is_started = n->slots[i].state != SLOT_FREE;
		uv_mutex_unlock(&n->owner->mutex);
		if (is_started)
			(void)pthread_join(n->slots[i].thread, NULL);
	}
}

static void cancel_waiting(struct lane *n)
{
	while (n->head != NULL) {
		struct job *j = n->head;
		pop_job(n);
		if (j->err == NULL)
			(void)nx_error_set(&j->err, NX_ECANCELLED, "the models are being closed");
		end_job(j);
	}
	uv_cond_destroy(&n->work);
}

void nx_local_embed_free(struct nx_local_embed *l)
{
	if (l == NULL)
		return;
	uv_mutex_lock(&l->mutex);
	l->stopping = true;
	uv_mutex_unlock(&l->mutex);
	for (int k = 0; k < LANE_MAX; k++)
		dismiss(&l->lanes[k]);
	for (int k = 0; k < LANE_MAX; k++)
		cancel_waiting(&l->lanes[k]);
	nx_assert(l->model == NULL);
	uv_mutex_destroy(&l->mutex);
	uv_mutex_destroy(&l->load_mutex);
	free(l->path);
	free(l);
}
