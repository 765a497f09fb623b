// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// How slowly a client may take what it is sent. At each deadline, what was outstanding at
// the one before, up to pace_bytes, must have been acknowledged.

#include "kernel/base/types.h"

#define HTTP_NEVER UINT64_MAX

struct http_limits;

struct http_pace {
	u64 deadline_ns;	// HTTP_NEVER: nothing is owed
	u64 sent_bytes;		// taken by the transport, ever
	u64 target_bytes;	// of sent_bytes: acknowledged by the deadline
};

void
http_pace_init(struct http_pace *pace);

// Something is going to be sent: the clock runs from now, if it did not.
void
http_pace_start(struct http_pace *pace, const struct http_limits *limits, u64 now_ns);

// At a deadline compares what the client acknowledged with what it owed, and says what it
// owes next; with nothing outstanding, and no `more` to send, the clock stops. False: it
// took too little.
must_check bool
http_pace_kept(struct http_pace *pace, const struct http_limits *limits, u64 now_ns, u64 unacked,
	       bool more);
