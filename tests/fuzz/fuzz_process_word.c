/* What comes from inside a session about its processes: a word within its ranges, or refused. */
#include "base/assert.h"
#include "execution/process_protocol.h"

#include <sys/wait.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct nx_process_word w = {0};
	if (nx_process_word_read(data, n, &w)) {
		nx_assert(w.number == 0); /* nothing of it was taken */
		return 0;
	}
	nx_assert(n == sizeof(w) && w.number > 0);
	nx_assert(w.type != NX_PROCESS_STARTED || w.pid > 1);
	nx_assert(w.type != NX_PROCESS_FAILED || w.errnum > 0);
	if (w.type == NX_PROCESS_ENDED)
		nx_assert((WIFEXITED(w.wait_status) || WIFSIGNALED(w.wait_status)) && w.cpu_us >= 0 &&
			  w.max_rss_bytes >= 0);
	return 0;
}
