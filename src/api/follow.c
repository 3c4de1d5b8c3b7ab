#include "api/follow_internal.h"

#include "api/api_internal.h"
#include "api/stream_internal.h"

static void on_event(struct nx_follow *f, const char *event, int64_t id, nx_str json)
{
	struct nx_feed *feed = nx_container_of(f, struct nx_feed, follow);
	(void)nx_sse_format(&feed->piece, id, event, json); /* asked for once, when the piece is whole */
}

static void on_piece(struct nx_follow *f)
{
	struct nx_feed *feed = nx_container_of(f, struct nx_feed, follow);
	if (nx_buf_failed(&feed->piece) || !nx_stream_push_text(feed->stream, nx_buf_str(&feed->piece)))
		nx_stream_end(feed->stream);
	nx_buf_clear(&feed->piece);
}

static void on_over(struct nx_follow *f)
{
	nx_stream_end(nx_container_of(f, struct nx_feed, follow)->stream);
}

static void on_freed(struct nx_follow *f)
{
	struct nx_feed *feed = nx_container_of(f, struct nx_feed, follow);
	nx_stream_unref(feed->stream);
	nx_buf_done(&feed->piece);
	free(feed);
}

static void on_drained(struct nx_stream *s, void *ctx)
{
	struct nx_feed *feed = ctx;
	(void)s;
	nx_follow_more(&feed->follow);
}

static void on_closed(struct nx_stream *s, void *ctx)
{
	struct nx_feed *feed = ctx;
	(void)s;
	nx_follow_end(&feed->follow);
}

/* A client that has gone already never takes the stream; the reply is dropped, and its end is ours to tell. */
static void on_begun(struct nx_follow *f, struct nx_error *err)
{
	struct nx_feed *feed = nx_container_of(f, struct nx_feed, follow);
	struct nx_request *r = nx_steal(feed->r);
	if (err) {
		nx_request_reply_error(r, nx_error_copy(err));
		on_freed(f);
		return;
	}
	nx_request_header(r, "X-Accel-Buffering", "no");
	nx_request_reply_stream(r, feed->stream);
}

struct nx_feed *nx_feed_new(struct nx_request *r)
{
	struct nx_feed *feed = calloc(1, sizeof(*feed));
	const struct nx_stream_events ev = {.on_drained = on_drained, .on_closed = on_closed, .ctx = feed};
	if (feed)
		feed->stream = nx_stream_new((size_t)r->api->parts.config->api_stream_buffer_bytes, &ev);
	if (!feed || !feed->stream) {
		struct nx_error *err = NULL;
		free(feed);
		nx_error_set(&err, NX_ENOMEM, "out of memory for an event stream");
		nx_request_reply_error(r, err);
		return NULL;
	}
	feed->r = r;
	feed->follow = (struct nx_follow){.tenant = r->who.tenant,
					  .on_begun = on_begun,
					  .on_event = on_event,
					  .on_piece = on_piece,
					  .on_over = on_over,
					  .on_freed = on_freed};
	return feed;
}

bool nx_feed_last_id(struct nx_request *r, int64_t *ret)
{
	struct nx_error *err = NULL;
	if (r->headers.last_event_id.n == 0 || (nx_str_to_i64(r->headers.last_event_id, ret) && *ret >= 0))
		return true;
	nx_error_set(&err, NX_EINVAL, "Last-Event-ID is not one that this stream gave");
	nx_request_reply_error(r, err);
	return false;
}
