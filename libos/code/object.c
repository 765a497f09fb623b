// SPDX-License-Identifier: BSD-2-Clause
// Reading ELF objects for eBPF: the symbol table names functions, section headers
// say where their bytes are. A program that needs relocation is refused: it uses
// data or functions that the kernel would not have.

#include "libos/code/object.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define HEADER_SIZE 64u
#define SECTION_SIZE 64u
#define SYMBOL_SIZE 24u
#define REL_SIZE 16u
#define RELA_SIZE 24u
#define TYPE_RELOCATABLE 1u
#define MACHINE_BPF 247u
#define SECTION_SYMBOLS 2u
#define SECTION_RELA 4u
#define SECTION_REL 9u
#define SYMBOL_FUNCTION 2u

struct file {
	const u8 *bytes;
	size_t size;
	u64 sections;		// offset of the headers
	u32 count;
};

struct section {
	u32 type;
	u64 offset;		// within the file, like all of it
	u64 size;
	u32 link;
	u32 info;
};

static bool
within(const struct file *f, u64 offset, u64 len)
{
	return offset <= f->size && len <= f->size - offset;
}

static bool
open_file(struct file *f)
{
	const u8 *h = f->bytes;

	if (f->size < HEADER_SIZE || memcmp(h, "\177ELF\2\1\1", 7) ||
	    le16_load(h + 16) != TYPE_RELOCATABLE ||
	    le16_load(h + 18) != MACHINE_BPF || le16_load(h + 58) != SECTION_SIZE)
		return false;
	f->sections = le64_load(h + 40);
	f->count = le16_load(h + 60);
	return within(f, f->sections, (u64)f->count * SECTION_SIZE);
}

static bool
get_section(const struct file *f, u32 index, struct section *s)
{
	const u8 *h = f->bytes + f->sections + (u64)index * SECTION_SIZE;

	if (index >= f->count)
		return false;
	*s = (struct section){
		.type = le32_load(h + 4),
		.offset = le64_load(h + 24),
		.size = le64_load(h + 32),
		.link = le32_load(h + 40),
		.info = le32_load(h + 44),
	};
	return within(f, s->offset, s->size);
}

// Is the string at `at` of a section of strings this name?
static bool
is_named(const struct file *f, const struct section *strings, u32 at,
	 const char *name)
{
	u64 len = strlen(name) + 1;

	return at <= strings->size && len <= strings->size - at &&
	       memcmp(f->bytes + strings->offset + at, name, len) == 0;
}

// The symbol of a function with that name, or NULL.
static const u8 *
find_symbol(const struct file *f, const char *name)
{
	struct section symbols, strings;

	for (u32 i = 0; i < f->count; i++) {
		if (!get_section(f, i, &symbols) || symbols.type != SECTION_SYMBOLS ||
		    !get_section(f, symbols.link, &strings))
			continue;
		for (u64 at = 0; symbols.size - at >= SYMBOL_SIZE; at += SYMBOL_SIZE) {
			const u8 *symbol = f->bytes + symbols.offset + at;

			if ((symbol[4] & 15) == SYMBOL_FUNCTION &&
			    is_named(f, &strings, le32_load(symbol), name))
				return symbol;
		}
	}
	return NULL;
}

// Does a relocation change a byte in [first, first + len) of that section?
static bool
is_relocated(const struct file *f, u32 section, u64 first, u64 len)
{
	struct section s;

	for (u32 i = 0; i < f->count; i++) {
		if (!get_section(f, i, &s) || s.info != section ||
		    (s.type != SECTION_REL && s.type != SECTION_RELA))
			continue;

		u64 each = s.type == SECTION_REL ? REL_SIZE : RELA_SIZE;

		for (u64 at = 0; s.size - at >= each; at += each) {
			if (le64_load(f->bytes + s.offset + at) - first < len)
				return true;
		}
	}
	return false;
}

const char *
object_find(const u8 *file, size_t size, const char *name,
	    struct object_program *program)
{
	struct file f = { .bytes = file, .size = size };
	struct section section;
	const u8 *symbol;
	u64 first, len;

	if (!open_file(&f))
		return "it is not an object file for eBPF";
	symbol = find_symbol(&f, name);
	if (!symbol)
		return "it has no function of that name";
	first = le64_load(symbol + 8);
	len = le64_load(symbol + 16);
	if (!get_section(&f, le16_load(symbol + 6), &section) ||
	    first > section.size || len > section.size - first || !len ||
	    len % sizeof(struct code_insn))
		return "its function lies outside of its section";
	if (len / sizeof(struct code_insn) > CODE_INSNS_MAX)
		return "the function is longer than CODE_INSNS_MAX instructions";
	if (is_relocated(&f, le16_load(symbol + 6), first, len))
		return "the function refers to data or to a function outside of it";
	program->text = file + section.offset + first;
	program->count = (u32)(len / sizeof(struct code_insn));
	return NULL;
}
