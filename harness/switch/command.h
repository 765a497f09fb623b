// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The commands of the control line: one line in, one line of JSON out.
//
//   status                                   link PORT|all loss=P delay=MS ...
//   seed N                                   partition A,B:C[:D...]
//   port NAME=SOCKETPATH                     partition A,B>C
//   pcap FILE|off                            heal
//   forward HOSTIP:PORT GUESTIP:PORT         quit
//   unforward HOSTIP:PORT                    help
//
// An answer is {"ok":true,...} or {"ok":false,"error":"..."}. A command that
// is wrong anywhere changes nothing. docs/switch.md has the details.

#include "harness/switch/host.h"
#include "harness/switch/text.h"

#define COMMAND_LINE_MAX 1024u
#define COMMAND_WORDS_MAX 16u

// Runs one line (without its end; it is cut into words in place) and leaves
// the answer, with its end of line, in `answer`.
void
command_run(struct host *host, char *line, struct text *answer, u64 now_ns);
