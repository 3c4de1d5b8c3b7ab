/* What a process meets inside a container of Docker's that has no privilege: its filter, and its capabilities. */
#ifndef NX_CONTAINER_FIXTURE_H
#define NX_CONTAINER_FIXTURE_H

/* For this process and all that come from it, for good. As root the capabilities that Docker leaves remain. 0, or -1. */
int enter_container(void);

#endif
