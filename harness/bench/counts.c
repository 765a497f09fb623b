// SPDX-License-Identifier: BSD-2-Clause
// A plugin of QEMU that says where a guest's instructions go. It keeps a table in
// the file of its argument `out=`, mapped, so that who measures reads it at any time
// and takes the difference of two readings:
//
//	struct table	how many records are used, then the records
//	struct record	a translated block: where it begins, its instructions, how
//			often it ran; or an instruction (then they are 0), and its accesses
//			to memory that are a device's
//
// A block that an exception ends early counts whole. Blocks of two programs at the
// same address are one record. A guest has one processor here: nothing is atomic.
// Debian ships no header for plugins; what is used of their interface (version 1) is
// declared here.

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORDS_MAX (1u << 18)
#define PLACES (2 * RECORDS_MAX)	// of the hash table: a power of two
#define ADD_U64 0
#define READS_AND_WRITES 3
#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
typedef void touched(unsigned int processor, uint32_t kind, uint64_t address, void *instruction);

size_t
qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t
qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
uint64_t
qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
struct qemu_plugin_hwaddr *
qemu_plugin_get_hwaddr(uint32_t kind, uint64_t address);
bool
qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *where);
void
qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
				      void (*)(uint64_t id, struct qemu_plugin_tb *));
void
qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation,
					 void *target, uint64_t operand);
void
qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, touched *, int flags,
				 int which, void *argument);

EXPORT int qemu_plugin_version = 1;
EXPORT int
qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv);

struct record {
	uint64_t address;
	uint64_t instructions;
	uint64_t executions;
	uint64_t devices;
};

static struct table {
	uint64_t used;
	struct record record[RECORDS_MAX];
} *table;

static uint32_t places[PLACES];		// index + 1 of a record; 0: free

// The last record is for all that find no place.
static struct record *
record_of(uint64_t address, uint64_t instructions)
{
	uint64_t mixed = (address ^ instructions << 48) * 0x9e3779b97f4a7c15u;
	uint64_t at = (mixed >> 32) % PLACES;
	struct record *record;

	for (; places[at]; at = (at + 1) % PLACES) {
		record = &table->record[places[at] - 1];
		if (record->address == address && record->instructions == instructions)
			return record;
	}
	if (table->used == RECORDS_MAX)
		return &table->record[RECORDS_MAX - 1];
	record = &table->record[table->used];
	record->address = address;
	record->instructions = instructions;
	places[at] = (uint32_t)++table->used;
	return record;
}

static void
note_device(unsigned int processor, uint32_t kind, uint64_t address, void *instruction)
{
	const struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(kind, address);

	(void)processor;
	if (where && qemu_plugin_hwaddr_is_io(where))
		record_of((uintptr_t)instruction, 0)->devices++;
}

static void
translated(uint64_t id, struct qemu_plugin_tb *block)
{
	size_t length = qemu_plugin_tb_n_insns(block);
	struct record *record = record_of(qemu_plugin_tb_vaddr(block), length);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &record->executions, 1);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		uintptr_t address = qemu_plugin_insn_vaddr(instruction);

		qemu_plugin_register_vcpu_mem_cb(instruction, note_device, 0, READS_AND_WRITES,
						 (void *)address);
	}
}

int
qemu_plugin_install(uint64_t id, const void *information, int argc, char **argv)
{
	int file = -1;

	(void)information;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			file = open(argv[i] + 4, O_RDWR | O_CREAT, 0600);
	}
	if (file < 0 || ftruncate(file, sizeof(*table)))
		return 1;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (table == MAP_FAILED)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
