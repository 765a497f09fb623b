// SPDX-License-Identifier: BSD-2-Clause
// A plugin of QEMU that counts instructions for each processor of the guest. Where
// the guest executes a marker, nopl 0x5ca1eNNN(%rax), it writes a line to the file of
// its argument `out=`:
//
//	PROCESSOR NNN INSTRUCTIONS
//
// Instructions are counted by translated blocks: one that a fault ends early counts
// whole, on any number of processors alike. Debian ships no header for plugins; what
// is used of their interface (version 1) is declared here.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PROCESSORS_MAX 16
#define MARKER_LENGTH 7
#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void executed(unsigned int processor, void *argument);

size_t
qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *
qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t
qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
void
qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
				      void (*)(uint64_t id, struct qemu_plugin_tb *));
void
qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed *, int flags,
				     void *argument);
void
qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, executed *,
				       int flags, void *argument);

EXPORT int qemu_plugin_version = 1;
EXPORT int
qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv);

static struct {
	uint64_t count;
	char apart[56];			// a cache line each
} processors[PROCESSORS_MAX];
static FILE *out;

static void
count(unsigned int processor, void *instructions)
{
	if (processor < PROCESSORS_MAX)
		processors[processor].count += (uintptr_t)instructions;
}

static void
mark(unsigned int processor, void *number)
{
	if (processor < PROCESSORS_MAX)
		fprintf(out, "%u %u %lu\n", processor, (unsigned int)(uintptr_t)number,
			(unsigned long)processors[processor].count);
}

static void
translated(uint64_t id, struct qemu_plugin_tb *block)
{
	size_t length = qemu_plugin_tb_n_insns(block);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(block, count, 0, (void *)length);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		static const uint8_t nop[] = { 0x0f, 0x1f, 0x80 };
		const uint8_t *bytes = qemu_plugin_insn_data(instruction);
		uint32_t what;

		if (qemu_plugin_insn_size(instruction) != MARKER_LENGTH ||
		    memcmp(bytes, nop, sizeof(nop)))
			continue;
		memcpy(&what, bytes + sizeof(nop), sizeof(what));
		if (what >> 12 == 0x5ca1e)
			qemu_plugin_register_vcpu_insn_exec_cb(
				instruction, mark, 0, (void *)(uintptr_t)(what & 0xfff));
	}
}

int
qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv)
{
	(void)information;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!out)
		return 1;
	setvbuf(out, NULL, _IOLBF, 0);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
