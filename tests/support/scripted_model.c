#include "tests/support/scripted_model.h"

#include "base/assert.h"
#include "base/json.h"

#include <pthread.h>

#define MAX_CALLS 256

struct nx_scripted_model {
	struct nx_model_provider provider;
	struct nx_arena *arena; /* the script, and what was asked */
	yyjson_val *answers;
	bool *used;
	pthread_mutex_t mutex;
	struct nx_chat *hanging[MAX_CALLS];
	struct nx_scripted_call asked[MAX_CALLS];
	size_t nasked;
};

static nx_str last_message(const struct nx_chat *c)
{
	return c->nmessages != 0 ? c->messages[c->nmessages - 1].content : NX_STR("");
}

static void note_call(struct nx_scripted_model *s, const struct nx_chat *c)
{
	nx_assert(s->nasked < MAX_CALLS);
	struct nx_scripted_call *k = &s->asked[s->nasked++];
	*k = (struct nx_scripted_call){
		.last = nx_str_dup(s->arena, last_message(c)), .nmessages = c->nmessages, .ntools = c->ntools};
	for (size_t i = 0; i < c->nmessages && k->system.n == 0; i++)
		if (c->messages[i].role == NX_ROLE_SYSTEM)
			k->system = nx_str_dup(s->arena, c->messages[i].content);
}

/* The first answer that is left and wants this message; NULL when there is none. */
static yyjson_val *find_answer(struct nx_scripted_model *s, const struct nx_chat *c)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach (s->answers, i, n, v) {
		nx_str when = nx_json_str(v, "when");
		if (s->used[i] || (when.n != 0 && nx_str_find(last_message(c), when) < 0))
			continue;
		s->used[i] = !nx_json_bool(v, "repeat", false);
		return v;
	}
	return NULL;
}

static void show_pieces(struct nx_chat *c, nx_str text, int64_t pieces)
{
	size_t size = text.n / (size_t)nx_max(pieces, INT64_C(1)) + 1;
	for (size_t at = 0; at < text.n;) {
		nx_str piece = nx_utf8_truncate(nx_str_slice(text, at, text.n), nx_max(size, (size_t)4));
		nx_chat_delta(c, piece);
		at += piece.n;
	}
}

static void fill_calls(struct nx_chat *c, yyjson_val *calls, struct nx_arena *a)
{
	size_t i, n;
	yyjson_val *v;
	c->ncalls = yyjson_arr_size(calls);
	c->calls = nx_arena_array(a, struct nx_chat_tool_call, c->ncalls + 1);
	nx_assert(c->calls != NULL);
	yyjson_arr_foreach (calls, i, n, v) {
		yyjson_val *arguments = nx_json_get(v, "arguments");
		nx_str text = yyjson_is_str(arguments) ? nx_json_val_str(arguments) : NX_STR("{}");
		nx_str id = nx_json_str(v, "id");
		if (yyjson_is_obj(arguments))
			nx_assert(nx_json_write_val(a, arguments, false, &text, NULL) == 0);
		c->calls[i] =
			(struct nx_chat_tool_call){.id = id.n != 0 ? id : nx_str_z(nx_arena_printf(a, "call_%zu", i)),
						   .name = nx_json_str(v, "name"),
						   .arguments = text};
	}
}

static const char *finish_of(const struct nx_chat *c, yyjson_val *answer)
{
	static const char *const names[] = {"stop", "length", "tool_calls", "content_filter"};
	nx_str finish = nx_json_str(answer, "finish");
	for (size_t i = 0; i < nx_countof(names); i++)
		if (nx_str_eqz(finish, names[i]))
			return names[i];
	return c->ncalls != 0 ? "tool_calls" : "stop";
}

static struct nx_error *scripted_error(yyjson_val *e)
{
	char name[64];
	struct nx_error *err = NULL;
	(void)snprintf(name, sizeof(name), "%.*s", NX_FMT(nx_json_str(e, "code")));
	const struct nx_error_info *info = nx_error_info_by_name(name);
	(void)nx_error_set(&err, info != NULL ? info->code : NX_EPROVIDER, "%.*s", NX_FMT(nx_json_str(e, "message")));
	return err;
}

static void give_answer(struct nx_chat *c, yyjson_val *answer)
{
	yyjson_val *error = nx_json_get(answer, "error"), *usage = nx_json_get(answer, "usage");
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	nx_assert(a != NULL);
	c->text = nx_json_str(answer, "text");
	show_pieces(c, c->text, nx_json_int(answer, "pieces", 1));
	fill_calls(c, nx_json_get(answer, "calls"), a);
	c->finish = finish_of(c, answer);
	c->input_tokens = nx_json_int(usage, "input", 0);
	c->output_tokens = nx_json_int(usage, "output", 0);
	nx_chat_finish(c, error != NULL ? scripted_error(error) : NULL);
}

static void hang(struct nx_scripted_model *s, struct nx_chat *c)
{
	size_t i = 0;
	while (s->hanging[i] != NULL)
		nx_assert(++i < MAX_CALLS);
	s->hanging[i] = c;
}

static void chat(void *self, struct nx_chat *c)
{
	struct nx_scripted_model *s = self;
	(void)pthread_mutex_lock(&s->mutex);
	note_call(s, c);
	yyjson_val *answer = find_answer(s, c);
	bool hangs = nx_json_bool(answer, "hang", false);
	if (hangs)
		hang(s, c);
	(void)pthread_mutex_unlock(&s->mutex);
	if (answer == NULL) {
		struct nx_error *err = NULL;
		(void)nx_error_set(&err, NX_EPROVIDER, "the script has no answer left for \"%.*s\"",
				   NX_FMT(last_message(c)));
		nx_chat_finish(c, err);
	} else if (!hangs) {
		give_answer(c, answer);
	}
}

/* id 0: all. */
static void cancel(void *self, uint64_t id)
{
	struct nx_scripted_model *s = self;
	for (size_t i = 0; i < MAX_CALLS; i++) {
		(void)pthread_mutex_lock(&s->mutex);
		struct nx_chat *c = s->hanging[i];
		bool ends = c != NULL && (id == 0 || c->id == id);
		if (ends)
			s->hanging[i] = NULL;
		(void)pthread_mutex_unlock(&s->mutex);
		if (ends) {
			struct nx_error *err = NULL;
			(void)nx_error_set(&err, NX_ECANCELLED, "the model call was cancelled");
			nx_chat_finish(c, err);
		}
	}
}

int nx_scripted_model_new(nx_str script, struct nx_scripted_model **ret, struct nx_error **err)
{
	yyjson_val *v = NULL;
	struct nx_scripted_model *s = calloc(1, sizeof(*s));
	nx_assert(s != NULL && (s->arena = nx_arena_new(0)) != NULL && pthread_mutex_init(&s->mutex, NULL) == 0);
	int r = nx_yaml_read(s->arena, nx_str_dup(s->arena, script), NULL, &v, err);
	s->answers = nx_json_get(v, "answers");
	if (r == 0 && !yyjson_is_arr(s->answers))
		r = nx_error_set(err, NX_EINVAL, "a script is an object with a list named answers");
	if (r != 0) {
		nx_scripted_model_free(s);
		return r;
	}
	s->used = nx_arena_array(s->arena, bool, yyjson_arr_size(s->answers) + 1);
	nx_assert(s->used != NULL);
	s->provider = (struct nx_model_provider){.name = "scripted", .chat = chat, .cancel = cancel, .self = s};
	*ret = s;
	return 0;
}

void nx_scripted_model_free(struct nx_scripted_model *s)
{
	if (s == NULL)
		return;
	cancel(s, 0);
	(void)pthread_mutex_destroy(&s->mutex);
	nx_arena_free(s->arena);
	free(s);
}

const struct nx_model_provider *nx_scripted_model_provider(const struct nx_scripted_model *s)
{
	return &s->provider;
}

size_t nx_scripted_model_count(struct nx_scripted_model *s)
{
	(void)pthread_mutex_lock(&s->mutex);
	size_t n = s->nasked;
	(void)pthread_mutex_unlock(&s->mutex);
	return n;
}

struct nx_scripted_call nx_scripted_model_call(struct nx_scripted_model *s, size_t i)
{
	(void)pthread_mutex_lock(&s->mutex);
	nx_assert(i < s->nasked);
	struct nx_scripted_call c = s->asked[i];
	(void)pthread_mutex_unlock(&s->mutex);
	return c;
}
