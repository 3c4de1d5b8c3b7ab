#include "execution/process_protocol.h"

#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#define ERRNUM_MAX 4095 /* as the kernel's own */

static const char *check_end(const struct nx_process_word *w)
{
	if (!WIFEXITED(w->wait_status) && !WIFSIGNALED(w->wait_status))
		return "a wait status of nothing that ended";
	if (w->cpu_us < 0 || w->max_rss_bytes < 0)
		return "a usage below nothing";
	return NULL;
}

const char *nx_process_word_read(const void *bytes, size_t n, struct nx_process_word *ret)
{
	struct nx_process_word w;
	if (n != sizeof(w))
		return "its size is wrong";
	memcpy(&w, bytes, sizeof(w));
	if (w.magic != NX_PROCESS_MAGIC)
		return "its magic is wrong";
	if (w.number == 0)
		return "it names no process";
	const char *wrong = NULL;
	switch (w.type) {
	case NX_PROCESS_STARTED: wrong = w.pid > 1 ? NULL : "a pid that no process has"; break;
	case NX_PROCESS_FAILED: wrong = w.errnum > 0 && w.errnum <= ERRNUM_MAX ? NULL : "no error"; break;
	case NX_PROCESS_ENDED: wrong = check_end(&w); break;
	default: wrong = "its type is unknown"; break;
	}
	if (!wrong)
		*ret = w;
	return wrong;
}

bool nx_process_text_add(char *texts, size_t size, size_t *used, const char *text, size_t n)
{
	if (n >= size || *used >= size || size - *used <= n || memchr(text, '\0', n))
		return false;
	memcpy(texts + *used, text, n);
	texts[*used + n] = '\0';
	*used += n + 1;
	return true;
}

bool nx_process_texts_split(char *texts, size_t size, uint32_t count, char **ret)
{
	size_t at = 0;
	if (count > NX_PROCESS_TEXTS_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const char *end = at < size ? memchr(texts + at, '\0', size - at) : NULL;
		if (!end)
			return false;
		ret[i] = texts + at;
		at = (size_t)(end - texts) + 1;
	}
	ret[count] = NULL;
	return true;
}
