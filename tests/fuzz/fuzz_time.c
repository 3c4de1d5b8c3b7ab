/* RFC 3339 times and ids: what is read is written, and what is written is read as the same. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char time[NX_TIME_TEXT], id_text[NX_ID_TEXT];
	int64_t us, again;
	nx_id id, same;
	nx_str s = nx_str_n((const char *)data, n);
	if (nx_time_parse(s, &us, NULL) == 0) {
		nx_time_format(us, time);
		nx_assert(nx_time_parse(nx_str_z(time), &again, NULL) == 0);
		/* Offsets lead up to a day beyond the years that can be written. */
		nx_assert(us == again || time[0] == '0' || time[0] == '9');
	}
	if (nx_id_parse(s, &id)) {
		nx_id_format(id, id_text);
		nx_assert(nx_id_parse(nx_str_z(id_text), &same) && nx_id_eq(id, same));
	}
	if (n == sizeof(us)) {
		memcpy(&us, data, sizeof(us));
		nx_time_format(us, time);
		nx_assert(nx_time_parse(nx_str_z(time), &again, NULL) == 0);
	}
	return 0;
}
