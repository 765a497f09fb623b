// SPDX-License-Identifier: BSD-2-Clause
// How slowly a client may take what it is sent: see pace.h.

#include "libos/http/pace.h"

#include "libos/http/conn.h"

void
http_pace_init(struct http_pace *pace)
{
	*pace = (struct http_pace){ .deadline_ns = HTTP_NEVER };
}

void
http_pace_start(struct http_pace *pace, const struct http_limits *limits, u64 now_ns)
{
	if (pace->deadline_ns == HTTP_NEVER)
		pace->deadline_ns = now_ns + limits->pace_interval_ns;
}

bool
http_pace_kept(struct http_pace *pace, const struct http_limits *limits, u64 now_ns, u64 unacked,
	       bool more)
{
	u64 acked = pace->sent_bytes - MIN(unacked, pace->sent_bytes);

	if (now_ns < pace->deadline_ns)
		return true;
	if (acked < pace->target_bytes)
		return false;
	pace->target_bytes = MIN(pace->sent_bytes, acked + limits->pace_bytes);
	pace->deadline_ns = unacked || more ? now_ns + limits->pace_interval_ns : HTTP_NEVER;
	return true;
}
