/*
 * A zygote: a clean Python interpreter that has done everything `python3 -s -B /code/main.py` does before it opens the
 * program, and then waits to clone guests in which the interpreter goes on from there. What a cold run spends on starting
 * an interpreter is spent once.
 *
 * It is this program, executed anew (so that neither its memory nor its layout is the spawner's), which loads
 * libpython by dlopen and calls Py_BytesMain with the arguments of a cold run. An audit hook (PEP 578, event
 * "cpython.run_file") is called at the right moment; there it enters the cgroups of its set, becomes a keeper, and answers
 * orders. In the second process of a guest the hook returns, after PyOS_AfterFork_Child, and Python runs the program as it
 * always does. Only functions that Python promises since 3.8 are used, so one program fits every version.
 *
 * A zygote sees no code of a user, and a guest cannot reach it: it is another process outside the guest's namespaces. Its
 * children share a hash seed and a layout of memory, hence NX_ZYGOTE_FORKS_MAX. Python's own memory was charged before
 * the zygote entered its cgroups, so a guest is charged only for what it writes to.
 */
#ifndef NX_EXECUTION_ZYGOTE_H
#define NX_EXECUTION_ZYGOTE_H

#include "execution/sandbox_internal.h"

#define NX_ZYGOTE_FORKS_MAX 200

enum nx_zygote_state { NX_ZYGOTE_STARTING, NX_ZYGOTE_READY, NX_ZYGOTE_DEAD };

struct nx_zygote {
	pid_t pid;
	int sock; /* readable when it has become ready or died: nx_zygote_greet */
	enum nx_zygote_state state;
	unsigned forks;
};

/* What is kept ready: the START of a cold run of Python, and how to execute this program again. Found before the spawner
 * leaves the host's file system. */
struct nx_zygote_plan {
	bool is_possible;
	char detail[160]; /* the library, or why not */
	int exe;
	struct nx_spawn_start start;
	char library[128];
};
void nx_zygote_plan(struct nx_zygote_plan *ret);

/* Starts one that will sit in these cgroups (descriptors of the directories, -1 for none). NULL on failure. */
struct nx_zygote *nx_zygote_new(const struct nx_zygote_plan *plan, const int *dirs, size_t ndirs,
				struct nx_fault_at *ret);
void nx_zygote_free(struct nx_zygote *z);
/* Reads what it says about itself; never waits. */
void nx_zygote_greet(struct nx_zygote *z);
/* As nx_keeper_clone. A zygote that does not answer is dead from then on. */
pid_t nx_zygote_clone(struct nx_zygote *z, const struct nx_guest *g, struct nx_fault_at *ret);

/* The program of `nexus spawner zygote`. */
int nx_zygote_main(void);

#endif
