/* What comes on a session's control socket: whatever it is, it is cut within its bounds, and read or refused. */
#include "base/assert.h"
#include "execution/session_internal.h"

enum { LONGEST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_str in = nx_str_n((const char *)data, n), json;
	size_t used;
	while (a && nx_session_frame_cut(in, LONGEST, &json, &used, NULL) > 0) {
		struct nx_session_answer answer;
		nx_assert(used <= in.n && json.n <= LONGEST && json.n + NX_SESSION_FRAME_HEAD == used);
		if (nx_session_answer_read(json, a, &answer, NULL) == 0 && !answer.is_ready) {
			nx_assert(answer.run > 0 && answer.exit_code >= 0 && answer.exit_code <= 255);
			nx_assert(nx_utf8_valid(answer.text) && nx_utf8_valid(answer.html));
		}
		in = nx_str_slice(in, used, in.n);
	}
	return 0;
}
