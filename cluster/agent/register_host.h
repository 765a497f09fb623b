// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The register's ends for its neighbours in the agent (register.h is what all use):
// its start, its disk, the first record, and who hears of news.

#include "cluster/agent/register.h"

// Begins, after storage_open(). Waits: what the slots hold is read. Returns 0 or an
// error.
must_check i64
register_open(void);
bool
register_is_open(void);

// A member says that it knows this version.
void
register_heard(const u8 uuid[16], u64 version);

// Counts records that were learned.
u32
register_news(void);

// True when neither a record is known nor anything accepted is on this disk.
bool
register_is_blank(void);

// Wait: make the newest record known, or the first one, with this node as its voter.
// NULL or a sentence.
must_check const char *
register_read(void);
must_check const char *
register_found(const u8 cluster[16]);

// Tells the differences of two records as events; `before` NULL: there was none.
void
record_tell_changes(const struct record *before, const struct record *now);

const struct agree_counters *
register_counters(void);
