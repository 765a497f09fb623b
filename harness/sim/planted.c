// SPDX-License-Identifier: BSD-2-Clause
// This build of the cores has NET_PLANTED defined: they ask net_planted.

#include "harness/sim/planted.h"
#include "net/wire/planted.h"

u32 net_planted;

const char *const planted_names[BUG_COUNT] = {
	"none",
#define X(name, sentence) #name,
#include "net/wire/bugs.def"
#undef X
};

void
planted_set(u32 bug)
{
	net_planted = bug;
}
