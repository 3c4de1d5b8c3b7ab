/*
 * Inside an interpreter that is held at its door, the place where it opens its program: the parts of the object that
 * LD_PRELOAD puts there. It is built apart from the program.
 *
 *   door.c          Python: becomes a zygote, which clones a guest for each run
 *   door_started.c  Node, which cannot be forked: is in the sandbox of its one run already, and waits there
 */
#ifndef NX_EXECUTION_DOOR_H
#define NX_EXECUTION_DOOR_H

#include <stdbool.h>
#include <stddef.h>

#define NX_DOOR_EXPORTED __attribute__((visibility("default")))

/* POSIX has functions in the void pointers of dlsym; ISO C has no conversion. */
bool nx_door_find(void *where, const char *name, void *ret_function, size_t size);
#define NX_DOOR_FIND(where, name, member) nx_door_find(where, name, (void *)&(member), sizeof(member))

/* Whether this interpreter is to wait in its sandbox; takes what told so out of the environment. */
bool nx_door_is_started(void);

#endif
