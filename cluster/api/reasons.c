// SPDX-License-Identifier: BSD-2-Clause
// The names of what the fabric counts, from the tables that the protocol is made of:
// LINK_DROP_TAG is "tag" of the layer "link".
//
// Stateless.

#include "cluster/api/watch.h"
#include "kernel/abi/caps.h"
#include "net/rcap/rcap.h"

struct name {
	const char *name;
	const char *sentence;
};

static const struct name link_names[] = {
#define X(name, sentence) { &(#name)[sizeof("LINK_DROP")], sentence },
#include "net/link/drops.def"
#undef X
};

static const struct name rcap_names[] = {
#define X(name, sentence) { &(#name)[sizeof("RCAP_DROP")], sentence },
#include "net/rcap/drops.def"
#undef X
};

static const struct name host_names[] = {
#define X(name, sentence) { &(#name)[sizeof("FABRIC_LOST")], sentence },
#include "kernel/abi/lost.def"
#undef X
};

static const struct name code_names[] = {
#define X(name, number, sentence) [number] = { &(#name)[sizeof("CODE")], sentence },
#include "net/wire/codes.def"
#undef X
};

static const struct name op_names[] = {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) \
	[number] = { #name, sentence },
#include "net/wire/ops.def"
#undef X
};

STATIC_ASSERT(ARRAY_SIZE(link_names) <= FABRIC_DROPS_MAX);
STATIC_ASSERT(ARRAY_SIZE(rcap_names) <= FABRIC_STRAYS_MAX);
STATIC_ASSERT(ARRAY_SIZE(host_names) <= FABRIC_LOST_MAX);
STATIC_ASSERT(ARRAY_SIZE(code_names) <= FABRIC_CODES_MAX);
STATIC_ASSERT(ARRAY_SIZE(op_names) <= FABRIC_WIRE_OPS_MAX);

static bool
reason(struct api_reason *to, const char *layer, const struct name *name, u64 count)
{
	u32 i = 0;

	for (; name->name && name->name[i] && i + 1 < API_WORD_SIZE; i++) {
		u8 c = (u8)name->name[i];

		to->word[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20u : c);
	}
	to->word[i] = 0;
	to->layer = layer;
	to->sentence = name->sentence ? name->sentence : "";
	to->count = count;
	return true;
}

bool
api_drop(u32 index, const volatile struct fabric_info *info, struct api_reason *to)
{
	if (index < ARRAY_SIZE(link_names))
		return reason(to, "link", &link_names[index], info->dropped[index]);
	index -= (u32)ARRAY_SIZE(link_names);
	if (index < ARRAY_SIZE(rcap_names))
		return reason(to, "rcap", &rcap_names[index], info->strays[index]);
	index -= (u32)ARRAY_SIZE(rcap_names);
	if (index < ARRAY_SIZE(host_names))
		return reason(to, "host", &host_names[index], info->lost[index]);
	return false;
}

// Numbers that no code has are passed over: their word is "".
bool
api_refusal(u32 index, const volatile struct fabric_info *info, struct api_reason *to)
{
	if (++index >= ARRAY_SIZE(code_names))		// 0 is no complaint
		return false;
	return reason(to, "rcap", &code_names[index], info->refused[index]);
}

bool
api_executed(u32 index, const volatile struct fabric_info *info, struct api_reason *to)
{
	if (++index >= ARRAY_SIZE(op_names))
		return false;
	return reason(to, "rcap", &op_names[index], info->executed[index]);
}

const char *
api_link_word(u8 state)
{
	static const char *const words[] = { "free", "down", "up", "lapsed" };

	return state < ARRAY_SIZE(words) ? words[state] : "unknown";
}

const char *
api_type_word(u8 type)
{
	switch (type) {
	case FABRIC_FRAMES:
		return "frames";
	case FABRIC_BLOCKS:
		return "blocks";
	case FABRIC_ENDPOINT:
		return "endpoint";
	case FABRIC_POOLED:
		return "pool";
	}
	return "unknown";
}

void
api_rights_word(u8 rights, char word[4])
{
	word[0] = rights & CAP_READ ? 'r' : '-';
	word[1] = rights & CAP_WRITE ? 'w' : '-';
	word[2] = rights & CAP_DERIVE ? 'd' : '-';
	word[3] = 0;
}
