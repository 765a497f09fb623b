// SPDX-License-Identifier: BSD-2-Clause
// The host side of a volume for tools and tests: memory, the engine, and the words in
// which the checker tells what it found. What it finds is the core's doing.

#include <stdlib.h>
#include <string.h>

#include "harness/volume/image.h"
#include "kernel/base/assert.h"
#include "kernel/code/verify_rig.h"

static void
owns(void *host, u32 type, struct volume_context *context, u64 *found)
{
	struct image *image = host;

	*found = code_interpret(&image->program[type], context, NULL);
}

struct image *
image_open(u8 *bytes, u32 count)
{
	struct image *image = calloc(1, sizeof(*image));
	struct volume *v = image ? &image->volume : NULL;

	ASSERT(count > VOLUME_CATALOGUE_BLOCKS && count <= VOLUME_BLOCKS_MAX);
	if (!image)
		return NULL;
	image->verifier = malloc(code_verifier_size());
	if (!image->verifier) {
		free(image);
		return NULL;
	}
	image->bytes = bytes;
	v->block = image->block;
	v->mark = image->mark;
	v->cache = image->cache[0];
	v->cache_count = VOLUME_CACHE_MAX;
	v->cache_frame = 1;
	v->count = count;
	v->owns = owns;
	v->host = image;
	return image;
}

void
image_close(struct image *image)
{
	free(image->verifier);
	free(image);
}

bool
image_program(struct image *image, u32 type, u32 shift, const struct code_insn *text,
	      u32 insn_count)
{
	struct code_refusal refusal;

	ASSERT(type < VOLUME_TYPES_MAX && shift >= VOLUME_SHIFT_MIN &&
	       shift <= VOLUME_SHIFT_MAX && insn_count <= VOLUME_INSNS_MAX);
	memcpy(image->text[type], text, insn_count * sizeof(*text));
	return code_verify(image->verifier, &volume_code_types[shift],
			   image->text[type], insn_count, &image->program[type],
			   &refusal);
}

// One block of the walk. Returns what is wrong with it, or NULL.
static const char *
walk(struct image *image, u32 block)
{
	struct volume *v = &image->volume;
	const u8 *bytes = image->bytes + (size_t)block * BLOCK_SIZE;
	u32 type = v->block[block].type;

	if (v->block[block].state == VOLUME_PROGRAM &&
	    !image_program(image, type, v->catalogue.type[type].shift,
			   (const void *)bytes, v->catalogue.type[type].insn_count))
		return "the program of its type is refused by the verifier";
	if (volume_walk(v, block, bytes))
		return "it owns what is not there to be owned: twice, outside, too "
		       "deep, or of no type";
	return NULL;
}

static void
show(const struct volume *v, FILE *out)
{
	u32 used = 0;

	for (u32 i = 0; i < v->count; i++)
		used += v->block[i].state != VOLUME_FREE;
	for (u32 i = 1; i < VOLUME_TYPES_MAX; i++) {
		const struct volume_type *t = &v->catalogue.type[i];

		if (t->block)
			fprintf(out, "type %u: %u instructions in block %u, partitions "
				"of %u bytes\n", i, t->insn_count, t->block,
				1u << t->shift);
	}
	for (u32 i = 0; i < VOLUME_ROOTS_MAX; i++) {
		if (v->catalogue.root[i].block)
			fprintf(out, "root %u: block %u of type %u, %u blocks of at "
				"most %u\n", i, v->catalogue.root[i].block,
				v->catalogue.root[i].type, v->used[i],
				v->catalogue.root[i].limit);
	}
	fprintf(out, "consistent: %u blocks, %u of them in use\n", v->count, used);
}

bool
image_check(struct image *image, FILE *out)
{
	struct volume *v = &image->volume;
	const char *wrong;
	u32 block;

	if (volume_mount(v, image->bytes, image->bytes + BLOCK_SIZE)) {
		fprintf(out, "blocks 0 and 1: no catalogue of a volume of %u blocks "
			"that is valid\n", v->count);
		return false;
	}
	while ((block = volume_wanted(v)) != VOLUME_NONE) {
		wrong = walk(image, block);
		if (wrong) {
			fprintf(out, "block %u: %s\n", block, wrong);
			return false;
		}
	}
	show(v, out);
	return true;
}
