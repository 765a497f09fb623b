// SPDX-License-Identifier: BSD-2-Clause
// Pipes between a process and its children: what goes in comes out, once and in order;
// ends that close, by whatever way their holder went, are noticed; a reader that does
// nothing holds the writer up and nobody else.

#include "libos/mem/layout.h"
#include "libos/process/descriptor.h"
#include "libos/programs/procs/procs.h"

#define TOTAL_BYTES (10u * PIPE_BYTES + 77)
#define PIECE 1000u

static u32 end[2];		// of the pipe in use: 0 reads, 1 writes

static u8
byte_at(u32 i)
{
	return (u8)(i * 7 + i / 251);
}

static void
open_pipe(void)
{
	must(descriptor_pipe(end), "a pipe");
}

static void
close_both(void)
{
	descriptor_close(end[0]);
	descriptor_close(end[1]);
}

static u32
write_all(u64 total)
{
	u8 piece[PIECE];

	descriptor_close(end[0]);
	for (u32 i = 0; i < total;) {
		u32 count = (u32)MIN(total - i, (u64)(1 + i % PIECE));

		for (u32 j = 0; j < count; j++)
			piece[j] = byte_at(i + j);
		if (descriptor_write(end[1], piece, count))
			return 1;
		i += count;
	}
	return STATUS_GOOD;
}

// Reads to the end. Returns how many bytes came, or 0 when one was wrong.
static u32
read_all(void)
{
	u8 piece[777];
	u32 sum = 0;
	i64 got;

	while ((got = descriptor_read(end[0], piece, sizeof(piece))) > 0) {
		for (u32 i = 0; i < (u32)got; i++) {
			if (piece[i] != byte_at(sum + i))
				return 0;
		}
		sum += (u32)got;
	}
	return got < 0 ? 0 : sum;
}

static u32
read_in_child(u64 total)
{
	descriptor_close(end[1]);
	return read_all() == total ? STATUS_GOOD : 1;
}

// More than the ring holds, both ways, to the end.
void
test_pipe(void)
{
	u32 child;

	open_pipe();
	child = begin(write_all, TOTAL_BYTES, 0);
	descriptor_close(end[1]);
	check(read_all() == TOTAL_BYTES, "all that the child wrote, in order");
	descriptor_close(end[0]);
	check(status_of(child) == STATUS_GOOD, "the writer ended well");
	open_pipe();
	child = begin(read_in_child, TOTAL_BYTES, 0);
	check(write_all(TOTAL_BYTES) == STATUS_GOOD, "the other way");
	close_both();
	check(status_of(child) == STATUS_GOOD, "the child read it");
}

static u32
do_nothing(u64 unused)
{
	(void)unused;
	for (;;) {
		if (sys_wait(NULL, 0, NEVER) >= 0)
			return 1;
	}
}

static u32
fault(u64 unused)
{
	(void)unused;
	*(volatile u8 *)REGION_BASE = 1;
	return 1;
}

static u32
read_one(u64 unused)
{
	u8 byte;

	(void)unused;
	return descriptor_read(end[0], &byte, 1) == 1 ? STATUS_GOOD : 1;
}

// A reader that exits, faults, or is killed: who writes is told, and not for ever held.
void
test_reader_dies(void)
{
	struct child_end how;
	u32 child;

	for (u32 way = 0; way < 3; way++) {
		open_pipe();
		child = begin(way == 0 ? read_one : way == 1 ? fault : do_nothing, 0,
			      0);
		descriptor_close(end[0]);
		if (way == 2)
			must(process_kill(child), "kill");
		check(write_all(TOTAL_BYTES) == 1, "the writer is told");
		check(descriptor_write(end[1], "x", 1) == -E_STATE, "and again");
		close_both();
		if (way < 2)
			must(process_wait(child, &how, NEVER), "wait");
	}
}

// A writer that goes, however, is the end of what is read; what it wrote before is not
// lost.
static u32
write_some(u64 way)
{
	if (descriptor_write(end[1], "\0\7\16", 3))
		return 1;
	if (way == 1)
		fault(0);
	if (way == 2)
		do_nothing(0);
	return STATUS_GOOD;
}

void
test_writer_dies(void)
{
	struct child_end how;
	u8 bytes[8];

	for (u32 way = 0; way < 3; way++) {
		u32 child;

		open_pipe();
		child = begin(write_some, way, 0);
		descriptor_close(end[1]);
		check(descriptor_read(end[0], bytes, 8) == 3, "three came");
		if (way == 2)
			must(process_kill(child), "kill");
		check(descriptor_read(end[0], bytes, 8) == 0, "and the end");
		descriptor_close(end[0]);
		if (way < 2)
			must(process_wait(child, &how, NEVER), "wait");
	}
}

// Two children write to one pipe: nothing is lost.
static u32
write_marks(u64 mark)
{
	u8 byte = (u8)mark;

	descriptor_close(end[0]);
	for (u32 i = 0; i < PIPE_BYTES; i++) {
		if (descriptor_write(end[1], &byte, 1))
			return 1;
	}
	return STATUS_GOOD;
}

void
test_two_writers(void)
{
	u32 seen[2] = { 0 };
	u8 piece[500];
	u32 child[2];
	i64 got;

	open_pipe();
	for (u32 i = 0; i < 2; i++)
		child[i] = begin(write_marks, i, 0);
	descriptor_close(end[1]);
	while ((got = descriptor_read(end[0], piece, sizeof(piece))) > 0) {
		for (u32 i = 0; i < (u32)got; i++)
			seen[piece[i] & 1]++;
	}
	descriptor_close(end[0]);
	check(got == 0 && seen[0] == PIPE_BYTES && seen[1] == PIPE_BYTES,
	      "each byte of both, once");
	for (u32 i = 0; i < 2; i++)
		check(status_of(child[i]) == STATUS_GOOD, "they ended well");
}

// Nobody else is there: nobody is waited for.
void
test_alone(void)
{
	u8 bytes[4];

	open_pipe();
	check(descriptor_write(end[1], "abc", 3) == 0, "room for three");
	check(descriptor_read(end[0], bytes, 4) == 3 && bytes[2] == 'c', "they come");
	check(descriptor_read(end[0], bytes, 4) == 0, "no other writer: the end");
	check(descriptor_write(end[0], "x", 1) == -E_ARGUMENT, "the wrong end");
	check(descriptor_read(end[1], bytes, 1) == -E_ARGUMENT, "the other one");
	check(descriptor_read(99, bytes, 1) == -E_ARGUMENT, "no end at all");
	close_both();
	check(descriptor_write(end[1], "x", 1) == -E_ARGUMENT, "closed");
}

// A side that writes what cannot be harms only the pipe.
void
test_nonsense(void)
{
	u8 bytes[4];

	open_pipe();
	descriptor_pipe_of(end[1])->writer.count += PIPE_BYTES + 1;
	check(descriptor_read(end[0], bytes, 4) == -E_STATE, "it is broken");
	check(descriptor_write(end[1], "x", 1) == -E_STATE, "for both");
	close_both();
}
