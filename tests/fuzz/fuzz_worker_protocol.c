/* Lines of the model worker, both ways: what can be read can be written, and reads back the same. */
#include "base/assert.h"
#include "model/worker_protocol_internal.h"

static int on_line(nx_str line, void *ctx, struct nx_error **err)
{
	struct nx_arena *a = ctx;
	struct nx_worker_event e, again;
	struct nx_worker_command c, c2;
	nx_auto_buf struct nx_buf text = NX_BUF_INIT;
	(void)err;
	if (nx_worker_read_event(a, line, &e, NULL) == 0) {
		nx_assert(nx_worker_write_event(&e, &text, NULL) == 0);
		nx_assert(nx_worker_read_event(a, nx_str_n(text.p, text.n - 1), &again, NULL) == 0);
		nx_assert(again.kind == e.kind && again.id == e.id && nx_str_eq(again.text, e.text));
	}
	nx_buf_clear(&text);
	if (nx_worker_read_command(a, line, &c, NULL) == 0) {
		nx_assert(nx_worker_write_command(&c, &text, NULL) == 0);
		nx_assert(nx_worker_read_command(a, nx_str_n(text.p, text.n - 1), &c2, NULL) == 0);
		nx_assert(c2.op == c.op && c2.id == c.id && c2.nmessages == c.nmessages);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_auto_buf struct nx_buf in = NX_BUF_INIT;
	if (a != NULL && nx_buf_add(&in, data, n) && nx_buf_addc(&in, '\n'))
		nx_assert(nx_worker_take_lines(&in, on_line, a, NULL) == 0 && in.n == 0);
	return 0;
}
