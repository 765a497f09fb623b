// SPDX-License-Identifier: BSD-2-Clause
// A file of another node's disk, through a capability for blocks and nothing else:
// the disk holds a cpio archive (newc), which is walked a block at a time.

#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define HEADER_LEN 110u
#define NAME_MAX 256u
#define ENTRIES_MAX 100000u
#define FIELD_SIZE 6u		// of thirteen, eight digits each
#define FIELD_NAME_LEN 11u

static struct far disk;
static u64 cached = ~0ull;	// block in page 1 of the region

static bool
read_at(u64 at, void *target, u64 len)
{
	u8 *to = target;

	while (len) {
		u64 part = MIN(len, BLOCK_SIZE - at % BLOCK_SIZE);

		if (cached != at / BLOCK_SIZE) {
			i64 error = far_block_read(&disk, at / BLOCK_SIZE,
						   region_page(1));

			if (error) {
				print("remote: block %lu: %s\n", at / BLOCK_SIZE,
				      far_error_text(error));
				return false;
			}
			cached = at / BLOCK_SIZE;
		}
		memcpy(to, region_page(1) + at % BLOCK_SIZE, part);
		to += part;
		at += part;
		len -= part;
	}
	return true;
}

static bool
field(const char *header, u32 number, u64 *value)
{
	const char *at = header + 6 + number * 8;

	*value = 0;
	for (u32 i = 0; i < 8; i++) {
		char c = at[i] | 0x20;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (u64)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (u64)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

struct entry {
	char name[NAME_MAX];
	u64 data;
	u64 len;
	u64 next;
};

static bool
read_entry(u64 at, struct entry *e)
{
	char header[HEADER_LEN];
	u64 name_len;

	if (!read_at(at, header, HEADER_LEN))
		return false;
	if (memcmp(header, "070701", 6) || !field(header, FIELD_SIZE, &e->len) ||
	    !field(header, FIELD_NAME_LEN, &name_len) || !name_len ||
	    name_len > NAME_MAX) {
		print("remote: that disk holds no cpio archive\n");
		return false;
	}
	if (!read_at(at + HEADER_LEN, e->name, name_len))
		return false;
	e->name[name_len - 1] = 0;
	e->data = ALIGN_UP(at + HEADER_LEN + name_len, 4ull);
	e->next = ALIGN_UP(e->data + e->len, 4ull);
	return true;
}

static int
show(const struct entry *e)
{
	char part[512];

	for (u64 at = 0; at < e->len; at += sizeof(part)) {
		u64 len = MIN(sizeof(part), e->len - at);

		if (!read_at(e->data + at, part, len))
			return STATUS_FAILED;
		console_put(part, (u32)len);
	}
	print("remote: %s: %lu bytes\n", e->name, e->len);
	return STATUS_OK;
}

int
cat(int argc, char **argv)
{
	struct entry e = { .next = 0 };

	(void)argc;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_BLOCKS, CAP_READ, 0, 0, &disk);
	for (u32 i = 0; i < ENTRIES_MAX; i++) {
		if (!read_entry(e.next, &e))
			return STATUS_FAILED;
		if (!strcmp(e.name, argv[3]))
			return show(&e);
		if (!strcmp(e.name, "TRAILER!!!"))
			break;
	}
	print("remote: no file '%s' on that disk\n", argv[3]);
	return STATUS_FAILED;
}
