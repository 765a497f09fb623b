// SPDX-License-Identifier: BSD-2-Clause
// The virtio block driver behind disk.h (virtio 1.2, section 5.2): one queue,
// one interrupt vector. A request is three descriptors: its header, the data
// (consecutive frames are one run), and the status byte. Header and status lie
// in a slot of kernel memory that belongs to the chain's first descriptor.
//
// Invariants:
//   B1  a slot is written only while its descriptor is free
//   B2  a status counts only when the device wrote it: it starts as
//       STATUS_UNWRITTEN
//   B3  after a failure nothing is read from the queue; cookies come back only
//       once the device has confirmed its reset

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/dev/disk.h"
#include "kernel/dev/virtio.h"
#include "kernel/main/kprintf.h"

#define FEATURE_SIZE_MAX (1ull << 1)
#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_DISCARD (1ull << 13)
#define FEATURE_WRITE_ZEROES (1ull << 14)

#define CONFIG_SECTORS 0u
#define CONFIG_SIZE_MAX 8u
#define CONFIG_DISCARD_SECTORS 36u
#define CONFIG_ZEROES_SECTORS 48u

#define SECTORS_A_BLOCK (BLOCK_SIZE / 512u)
#define DESCRIPTORS_AN_OP 3u

#define REQUEST_IN 0u
#define REQUEST_OUT 1u
#define REQUEST_FLUSH 4u
#define REQUEST_DISCARD 11u
#define REQUEST_WRITE_ZEROES 13u
#define STATUS_OK 0u
#define STATUS_UNWRITTEN 0xffu

struct blk_slot {
	u32 type;
	u32 reserved;
	u64 sector;
	u64 clear_sector;	// of TRIM and ZERO
	u32 clear_count;	// sectors
	u32 clear_flags;	// 0: blocks that are zeroed stay allocated
	volatile u8 status;	// the device writes
	u8 padding[31];
};

#define HEADER_LEN 16u
#define CLEAR_LEN 16u

STATIC_ASSERT(sizeof(struct blk_slot) == 64);
STATIC_ASSERT(offsetof(struct blk_slot, clear_sector) == HEADER_LEN);
STATIC_ASSERT(offsetof(struct blk_slot, status) == HEADER_LEN + CLEAR_LEN);
STATIC_ASSERT(QUEUE_CLEAR_MAX == DISK_CLEAR_MAX);
STATIC_ASSERT(DISK_FLIGHTS_MAX * DESCRIPTORS_AN_OP <= VIRTQUEUE_SIZE_MAX);

static struct {
	struct virtio device;
	struct virtio_queue queue;
	struct disk_facts facts;
	struct blk_slot *slots;
	u64 slots_physical;
	bool flushes;		// it has a volatile cache
	bool present;
	bool failed;		// the device broke the rules
	bool stopped;		// and has confirmed its reset
} disk;

// May it be asked so, for as many blocks at once as anybody may ask for?
static bool
clears(u64 feature, u32 config)
{
	u32 sectors = 0;

	return (disk.device.features & feature) &&
	       virtio_config(&disk.device, config, &sectors, 4) &&
	       sectors >= DISK_CLEAR_MAX * SECTORS_A_BLOCK;
}

static bool
read_facts(void)
{
	struct virtio *v = &disk.device;
	u64 sectors = 0;
	u32 size_max = QUEUE_BLOCKS_MAX * BLOCK_SIZE;

	if (!virtio_config(v, CONFIG_SECTORS, &sectors, 8) ||
	    sectors < SECTORS_A_BLOCK || sectors >> 55) {
		kprintf("disk: the device tells an impossible size\n");
		return false;
	}
	if ((v->features & FEATURE_SIZE_MAX) &&
	    (!virtio_config(v, CONFIG_SIZE_MAX, &size_max, 4) ||
	     size_max < QUEUE_BLOCKS_MAX * BLOCK_SIZE)) {
		kprintf("disk: the device takes less than %u bytes at once\n",
			QUEUE_BLOCKS_MAX * BLOCK_SIZE);
		return false;
	}
	disk.facts.blocks = sectors / SECTORS_A_BLOCK;
	disk.facts.read_only = (v->features & FEATURE_READ_ONLY) != 0;
	disk.facts.trims = clears(FEATURE_DISCARD, CONFIG_DISCARD_SECTORS);
	disk.facts.zeroes = clears(FEATURE_WRITE_ZEROES, CONFIG_ZEROES_SECTORS);
	disk.flushes = (v->features & FEATURE_FLUSH) != 0;
	return true;
}

static bool
blk_init(void (*interrupt)(void))
{
	struct virtio *v = &disk.device;

	ASSERT(!disk.present);
	if (!virtio_find(v, VIRTIO_BLOCK, 0, "disk") ||
	    !virtio_negotiate(v, FEATURE_SIZE_MAX | FEATURE_READ_ONLY |
				 FEATURE_FLUSH | FEATURE_DISCARD | FEATURE_WRITE_ZEROES))
		return false;
	if (!read_facts()) {
		disk.stopped = virtio_stop(v);
		return false;
	}
	if (!virtio_interrupts(v, interrupt) ||
	    !virtio_queue_open(v, &disk.queue, 0, VIRTQUEUE_SIZE_MAX))
		return false;

	u32 slots_len = disk.queue.ring.size * (u32)sizeof(struct blk_slot);

	disk.slots = boot_frames(ALIGN_UP(slots_len, PAGE_SIZE) / PAGE_SIZE);
	disk.slots_physical = physical_of(disk.slots);
	virtio_start(v);
	disk.present = true;
	return true;
}

static const struct disk_facts *
blk_facts(void)
{
	return disk.present ? &disk.facts : NULL;
}

static bool
blk_works(void)
{
	return disk.present && !disk.failed;
}

static u32
blk_room(void)
{
	if (!blk_works())
		return 0;
	return virtqueue_room(&disk.queue.ring) / DESCRIPTORS_AN_OP;
}

// What follows a request's header: the data, or which sectors. None of a flush.
static struct virtqueue_piece
operand(const struct disk_op *op, u64 slot)
{
	return op->kind == QUEUE_TRIM || op->kind == QUEUE_ZERO
		       ? (struct virtqueue_piece){ slot + HEADER_LEN, CLEAR_LEN }
		       : (struct virtqueue_piece){ op->physical,
						   op->count * BLOCK_SIZE };
}

static bool
blk_start(const struct disk_op *op, u32 cookie)
{
	static const u8 type[] = {
		[QUEUE_READ] = REQUEST_IN, [QUEUE_WRITE] = REQUEST_OUT,
		[QUEUE_FLUSH] = REQUEST_FLUSH, [QUEUE_TRIM] = REQUEST_DISCARD,
		[QUEUE_ZERO] = REQUEST_WRITE_ZEROES,
	};
	u32 head = virtqueue_next_head(&disk.queue.ring);
	u64 physical = disk.slots_physical + head * sizeof(struct blk_slot);
	struct virtqueue_piece piece[DESCRIPTORS_AN_OP];
	u32 count = 0, readable;

	ASSERT(blk_room() > 0);					// B1
	ASSERT(op->block + op->count <= disk.facts.blocks);
	ASSERT((op->kind == QUEUE_FLUSH) == (op->count == 0));
	ASSERT(op->kind <= QUEUE_FLUSH ||
	       (op->kind == QUEUE_TRIM ? disk.facts.trims : disk.facts.zeroes));
	if (op->kind == QUEUE_FLUSH && !disk.flushes)
		return false;
	disk.slots[head] = (struct blk_slot){
		.type = type[op->kind],
		.sector = op->kind < QUEUE_STORE ? op->block * SECTORS_A_BLOCK : 0,
		.clear_sector = op->block * SECTORS_A_BLOCK,
		.clear_count = op->count * SECTORS_A_BLOCK,
		.status = STATUS_UNWRITTEN,				// B2
	};
	piece[count++] = (struct virtqueue_piece){ physical, HEADER_LEN };
	if (op->count)
		piece[count++] = operand(op, physical);
	readable = op->kind == QUEUE_READ ? 1 : count;
	piece[count++] = (struct virtqueue_piece){
		physical + HEADER_LEN + CLEAR_LEN, 1
	};
	virtqueue_add(&disk.queue.ring, piece, readable, count - readable, cookie);
	return true;
}

static void
blk_push(void)
{
	if (blk_works())
		virtio_push(&disk.queue);
}

// Takes what has finished; when nothing has, asks to be told of the next.
static bool
take(struct virtqueue *q, struct virtqueue_done *done)
{
	return virtqueue_take(q, done) ||
	       (!q->broken && virtqueue_listen(q) && virtqueue_take(q, done));
}

static bool
blk_finished(u32 *cookie, bool *succeeded)
{
	struct virtqueue *q = &disk.queue.ring;
	struct virtqueue_done done;
	u64 abandoned;

	if (blk_works() && take(q, &done)) {
		*cookie = (u32)done.cookie;
		*succeeded = disk.slots[done.head].status == STATUS_OK;
		return true;
	}
	if (blk_works() && q->broken) {
		disk.failed = true;
		kprintf("disk: the device broke the rules of its queue; "
			"it is stopped\n");
		disk.stopped = virtio_stop(&disk.device);
	}
	if (!disk.failed || !disk.stopped || !virtqueue_abandon(q, &abandoned))
		return false;
	*cookie = (u32)abandoned;
	*succeeded = false;
	return true;
}

const struct disk_driver virtio_blk_driver = {
	.init = blk_init,
	.facts = blk_facts,
	.works = blk_works,
	.room = blk_room,
	.start = blk_start,
	.push = blk_push,
	.finished = blk_finished,
};
