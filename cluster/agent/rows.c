// SPDX-License-Identifier: BSD-2-Clause
// See rows.h. Stateless.

#include "cluster/agent/rows.h"
#include "kernel/base/string.h"

#define HEAD ((u32)offsetof(struct fabric_answer, row))

void
rows_ask(struct fabric_question *q, enum fabric_what what, u64 next)
{
	*q = (struct fabric_question){
		.next = next,
		.what = what,
		.abi = ABI_VERSION,
		.row_size = (u16)fabric_row_size(what),
	};
}

u32
rows_most(const struct fabric_question *q)
{
	enum fabric_what what = (enum fabric_what)q->what;

	if (q->abi != ABI_VERSION || !q->row_size)
		return 0;
	return MIN(fabric_rows_max(what), FABRIC_ROOM / q->row_size);
}

// From so many bytes a row to so many, in place: rows that grow are moved last one first.
static void
respace(u8 *rows, u32 count, u32 from, u32 to)
{
	for (u32 i = 0; i < count; i++) {
		u32 row = to > from ? count - 1 - i : i;

		memmove(rows + row * to, rows + row * from, MIN(from, to));
		if (to > from)
			memset(rows + row * to + from, 0, to - from);
	}
}

const char *
rows_take(struct fabric_answer *a, u32 len, enum fabric_what what, u32 *count)
{
	u32 own = fabric_row_size(what);

	if (len < HEAD)
		return "the node's answer makes no sense";
	if (a->abi != ABI_VERSION)
		return "the node's agent is of another version and counts otherwise: "
		       "ask that node itself";
	if (!a->row_size || a->row_size > FABRIC_ROOM)
		return "the node's answer makes no sense";
	*count = MIN(a->count, (len - HEAD) / a->row_size);
	*count = MIN(*count, fabric_rows_max(what));
	respace((u8 *)&a->row, *count, a->row_size, own);
	return NULL;
}
