/*
 * What the server and the reaper of a session say to each other about the processes that are started beside the driver:
 * datagrams of fixed size on a SOCK_SEQPACKET pair of which the guest's pid 1 has the other end; descriptors by SCM_RIGHTS.
 *
 *   server                                   reaper
 *   START [stdin, stdout, stderr], or ->     forks, makes a session of processes of its own, execs; the reaper is behind all
 *   START [terminal] ->                      walls already, so what it starts is, too
 *          <- STARTED                        the program was exec'ed
 *          <- FAILED                         or not: errnum
 *   SIGNAL ->                                to the process group that it was started in
 *   STOP ->                                  the same, and when it ends, what is left of its session is killed
 *   KILL ->                                  SIGKILL to all of its session, as far as it did not leave that; to its group alone
 *                                            where the guest has no /proc
 *          <- ENDED                          it ended: wait status and usage; comes once after STARTED
 *
 * Orders come from the server and are checked for the shape alone. Words come from inside the walls: they are a guest's, so
 * the decoder trusts nothing (tests/fuzz/fuzz_process_word.c), and a lie is about the session itself.
 */
#ifndef NX_EXECUTION_PROCESS_PROTOCOL_H
#define NX_EXECUTION_PROCESS_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NX_PROCESS_MAGIC 0x4e585052u /* "NXPR" */
#define NX_PROCESS_ARGS_BYTES 16384  /* all arguments with their NULs */
#define NX_PROCESS_ENV_BYTES 8192
#define NX_PROCESS_TEXTS_MAX 128 /* arguments, or variables */
#define NX_PROCESS_DIR_MAX 520
#define NX_PROCESSES_MAX 64 /* that a reaper keeps in sight */

enum nx_process_order_type { NX_PROCESS_START = 1, NX_PROCESS_SIGNAL, NX_PROCESS_STOP, NX_PROCESS_KILL };

struct nx_process_order {
	uint32_t magic;
	uint32_t type;        /* enum nx_process_order_type */
	uint32_t number;      /* of the process, chosen by the server, never 0 */
	int32_t signal;       /* of SIGNAL and STOP */
	uint32_t is_terminal; /* of START: one descriptor, which becomes its controlling terminal */
	uint32_t argc, envc;
	char dir[NX_PROCESS_DIR_MAX];
	char args[NX_PROCESS_ARGS_BYTES]; /* argc texts, each with its NUL, one after the other */
	char env[NX_PROCESS_ENV_BYTES];
};
/* An order for another process than START ends before the texts. */
#define NX_PROCESS_ORDER_SHORT offsetof(struct nx_process_order, dir)

enum nx_process_word_type { NX_PROCESS_STARTED = 1, NX_PROCESS_FAILED, NX_PROCESS_ENDED };

struct nx_process_word {
	uint32_t magic;
	uint32_t type; /* enum nx_process_word_type */
	uint32_t number;
	int32_t pid;           /* of STARTED, as the guest numbers its processes */
	int32_t errnum;        /* of FAILED */
	int32_t wait_status;   /* of ENDED */
	int64_t cpu_us;        /* likewise: of it and of those that it waited for */
	int64_t max_rss_bytes; /* of the largest of them */
};

/* NULL when `n` bytes are a word; else what is wrong. *ret is as sent but for numbers out of range, which are refused. */
const char *nx_process_word_read(const void *bytes, size_t n, struct nx_process_word *ret);
/* Appends one text; false when it does not fit. */
bool nx_process_text_add(char *texts, size_t size, size_t *used, const char *text, size_t n);
/* Splits `count` texts; false when they do not end inside `size`. `ret` has room for count + 1 and ends with NULL. */
bool nx_process_texts_split(char *texts, size_t size, uint32_t count, char **ret);

#endif
