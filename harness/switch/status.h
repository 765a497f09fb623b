// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The answer to `status`: everything the switch knows, as one line of JSON.

#include "harness/switch/host.h"
#include "harness/switch/text.h"

// Stations that are listed for a port; `stations_total` counts all.
#define STATUS_STATIONS_MAX 32u

// Appends the whole object, without an end of line.
void
status_report(const struct host *host, struct text *text, u64 now_ns);

// Appends `"link": {...}` of a plan.
void
status_report_plan(const struct fault_plan *plan, struct text *text);
