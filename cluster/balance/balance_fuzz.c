// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a frame, and any bytes as the holder's choice of views, in memory of
// exactly the frame's size: nothing is read beyond it, what comes back is sound.
//
// links: cluster/balance/maglev.c cluster/balance/steer.c cluster/balance/table.c
// links: kernel/base/siphash.c kernel/base/string.c harness/testing/host_assert.c

#include "cluster/balance/test_world.h"

static struct balance balance;

static void
choose_view(const u8 *data)
{
	struct view view;

	world_view(&view, 1 + data[0] % 5, 0, 1);
	for (u32 i = 0; i < view.instance_count; i++) {
		if (data[1] >> i & 1)
			view.instance[i].state = VIEW_DRAINING;
	}
	world_remove(&view, data[2] % 8u);
	balance_update(&balance, &view, WORLD_NODE, WORLD_VIRTUAL);
}

static void
redirect(const struct balance_table *table, u8 *frame, u32 len)
{
	for (u32 i = 0; i < table->count; i++) {
		const u8 *own = table->place[i].mac;
		const struct balance_place *to =
			balance_redirect(table, own, world_virtual_mac, frame, len);

		if (!to)
			continue;
		ASSERT(to >= table->place && to < table->place + table->count);
		ASSERT(to != &table->place[i]);
		if (balance_pass_on(frame, to->mac, own))
			return;
	}
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u8 *mac = NULL;
	enum balance_way way;
	u8 *frame;
	u32 len;

	if (size < 3 || size > 1600)
		return 0;
	choose_view(data);
	len = (u32)size - 3;
	frame = malloc(len ? len : 1);
	ASSERT(frame);
	memcpy(frame, data + 3, len);
	way = balance_steer(&balance, frame, len, &mac);
	ASSERT((way == BALANCE_HERE || way == BALANCE_SPREAD) == (mac != NULL));
	if (len >= 14)
		redirect(&balance.service[0], frame, len);
	free(frame);
	return 0;
}
