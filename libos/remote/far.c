// SPDX-License-Identifier: BSD-2-Clause
// Far memory and blocks. Local frames are touched through the direct window with
// the same instructions that the kernel uses for peers, so that both see each
// other's atomics. Other nodes' are reached by far_run(), one operation at a
// time.

#include "libos/remote/far.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/errors.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

i64
far_open(struct far *far, struct far_io *io, u32 slot)
{
	struct cap_info info;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, slot, &info);

	if (error)
		return error;
	*far = (struct far){ .io = io, .slot = slot, .units = info.count };
	switch (info.type) {
	case CAP_FRAMES:
		far->kind = FAR_FRAMES;
		far->memory = direct_address(info.base);
		return 0;
	case CAP_BLOCKS:
		far->kind = FAR_BLOCKS;
		far->first_block = info.base;
		return queue_open(&far->queue, slot, io->region);
	case CAP_REMOTE:
		far->kind = FAR_REMOTE;
		return io->fabric ? 0 : -E_STATE;
	default:
		return -E_TYPE;
	}
}

void
far_close(struct far *far)
{
	if (far->kind == FAR_BLOCKS)
		queue_close(&far->queue);
}

i64
far_result(const struct fabric_complete *complete)
{
	switch (complete->outcome) {
	case FABRIC_DONE:
		return 0;
	case FABRIC_NOT_DONE:
		return FAR_CODE(complete->code);
	default:
		return FAR_UNKNOWN;
	}
}

const char *
far_error_text(i64 result)
{
	if (result == FAR_UNKNOWN)
		return "the session ended: it may have run, it cannot run any more";
	switch (FAR_CODE(0) - result) {
#define X(name, number, sentence) \
	case number: \
		return sentence;
#include "net/wire/codes.def"
#undef X
	}
	return error_text(result);
}

i64
far_run(struct far_io *io, struct fabric_submit *s, struct fabric_complete *complete)
{
	struct fabric_complete unwanted;
	i64 error;

	if (!io->fabric)
		return -E_STATE;
	if (!complete)
		complete = &unwanted;
	s->tag = --io->tags;
	error = fabric_run(io->fabric, s, complete);
	return error ? error : far_result(complete);
}

static i64
run(struct far *far, struct fabric_submit *s, struct fabric_complete *complete)
{
	ASSERT(far->kind == FAR_REMOTE);
	s->slot = far->slot;
	return far_run(far->io, s, complete);
}

static bool
inside(const struct far *far, u64 offset, u32 len)
{
	u64 bytes = far->units * PAGE_SIZE;

	return offset <= bytes && len <= bytes - offset;
}

// 0 when a local operation on memory may go on.
static i64
check_memory(const struct far *far, u64 offset, u32 len, u32 align)
{
	if (far->kind != FAR_FRAMES)
		return -E_TYPE;
	if (offset % align)
		return -E_ARGUMENT;
	return inside(far, offset, len) ? 0 : -E_RANGE;
}

i64
far_read(struct far *far, u64 offset, void *buffer, u32 len)
{
	struct fabric_submit s = {
		.op = FABRIC_READ, .offset = offset, .length = len,
	};
	struct fabric_complete complete;
	i64 error;

	if (far->kind == FAR_REMOTE) {
		s.local = fabric_local(buffer);
		return run(far, &s, &complete);
	}
	error = check_memory(far, offset, len, 1);
	if (!error)
		memcpy(buffer, far->memory + offset, len);
	return error;
}

i64
far_write(struct far *far, u64 offset, const void *buffer, u32 len)
{
	struct fabric_submit s = {
		.op = FABRIC_WRITE, .offset = offset, .length = len,
	};
	struct fabric_complete complete;
	i64 error;

	if (far->kind == FAR_REMOTE) {
		s.local = fabric_local(buffer);
		return run(far, &s, &complete);
	}
	error = check_memory(far, offset, len, 1);
	if (!error)
		memcpy(far->memory + offset, buffer, len);
	return error;
}

i64
far_cas(struct far *far, u64 offset, u64 expected, u64 desired, u64 *old)
{
	struct fabric_submit s = {
		.op = FABRIC_MCAS, .offset = offset, .length = sizeof(u64),
		.clause_count = 1,
	};
	struct fabric_complete complete = { 0 };
	i64 error;

	if (far->kind == FAR_REMOTE) {
		s.clause[0] = (struct fabric_clause){
			.compare = { expected }, .compare_mask = { ~0ull },
			.swap = { desired }, .swap_mask = { ~0ull },
		};
		error = run(far, &s, &complete);
		*old = complete.old[0];
		return error;
	}
	error = check_memory(far, offset, sizeof(u64), sizeof(u64));
	if (error)
		return error;
	__atomic_compare_exchange_n((u64 *)(void *)(far->memory + offset),
				    &expected, desired, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	*old = expected;
	return 0;
}

i64
far_add(struct far *far, u64 offset, u64 addend, u64 *old)
{
	struct fabric_submit s = {
		.op = FABRIC_FETCH_ADD, .offset = offset, .length = sizeof(u64),
		.addend = addend,
	};
	struct fabric_complete complete = { 0 };
	i64 error;

	if (far->kind == FAR_REMOTE) {
		error = run(far, &s, &complete);
		*old = complete.old[0];
		return error;
	}
	error = check_memory(far, offset, sizeof(u64), sizeof(u64));
	if (!error)
		*old = __atomic_fetch_add((u64 *)(void *)(far->memory + offset),
					  addend, __ATOMIC_SEQ_CST);
	return error;
}

i64
far_notify(struct far *far, u64 offset)
{
	struct fabric_submit s = {
		.op = FABRIC_NOTIFY, .offset = offset, .length = sizeof(u32),
	};
	struct fabric_complete complete;
	u32 *word;
	i64 error;

	if (far->kind == FAR_REMOTE)
		return run(far, &s, &complete);
	error = check_memory(far, offset, sizeof(u32), sizeof(u32));
	if (error)
		return error;
	word = (u32 *)(void *)(far->memory + offset);
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	return sys_wake(word);
}

// ---- blocks

static i64
block_op(struct far *far, enum fabric_op op, enum queue_op local_op, u64 block,
	 const void *buffer)
{
	struct fabric_submit s = { .op = (u8)op };
	struct fabric_complete complete;
	u32 count = buffer != NULL;

	if (far->kind == FAR_REMOTE) {
		if (buffer) {
			s.offset = block * BLOCK_SIZE;
			s.length = BLOCK_SIZE;
			s.local = fabric_local(buffer);
		}
		return run(far, &s, &complete);
	}
	if (far->kind != FAR_BLOCKS)
		return -E_TYPE;
	return queue_run(&far->queue, local_op,
			 count ? far->first_block + block : 0,
			 count ? direct_frame(buffer) : 0, count, NEVER);
}

i64
far_block_read(struct far *far, u64 block, void *buffer)
{
	return block_op(far, FABRIC_BLOCK_READ, QUEUE_READ, block, buffer);
}

i64
far_block_write(struct far *far, u64 block, const void *buffer)
{
	return block_op(far, FABRIC_BLOCK_WRITE, QUEUE_WRITE, block, buffer);
}

i64
far_block_flush(struct far *far)
{
	return block_op(far, FABRIC_BLOCK_FLUSH, QUEUE_FLUSH, 0, NULL);
}

i64
far_block_keep(struct far *far, u64 block, const void *buffer)
{
	i64 error = block_op(far, FABRIC_BLOCK_FUA, QUEUE_WRITE, block, buffer);

	return error || far->kind == FAR_REMOTE ? error : far_block_flush(far);
}

static i64
clear(struct far *far, enum fabric_op op, enum queue_op local_op, u64 block, u32 count)
{
	struct fabric_submit s = {
		.op = (u8)op, .offset = block * BLOCK_SIZE,
		.length = count * BLOCK_SIZE,
	};
	struct fabric_complete complete;

	if (count < 1 || count > QUEUE_CLEAR_MAX)
		return -E_RANGE;
	if (far->kind == FAR_REMOTE)
		return run(far, &s, &complete);
	if (far->kind != FAR_BLOCKS)
		return -E_TYPE;
	return queue_run(&far->queue, local_op, far->first_block + block, 0, count,
			 NEVER);
}

i64
far_block_trim(struct far *far, u64 block, u32 count)
{
	return clear(far, FABRIC_BLOCK_TRIM, QUEUE_TRIM, block, count);
}

i64
far_block_zero(struct far *far, u64 block, u32 count)
{
	return clear(far, FABRIC_BLOCK_ZERO, QUEUE_ZERO, block, count);
}
