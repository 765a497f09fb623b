// SPDX-License-Identifier: BSD-2-Clause
// Where the broken kernel leaves the way of the ordinary one: it has the same objects,
// and by the linker's --wrap breaks itself once the first environment exists, in the way
// that the word `panic=WAY` on its command line names. The kernel that is shipped has
// none of this.

#include "harness/broken/provoke.h"
#include "kernel/arch/x86_64/multiboot.h"
#include "kernel/base/string.h"
#include "kernel/main/words.h"
#include "kernel/volume/volume.h"

void
__real_first_env(const struct boot_info *boot);
void
__wrap_first_env(const struct boot_info *boot);
void
__real_volume_give_up(struct volume *v, u32 block);
void
__wrap_volume_give_up(struct volume *v, u32 block);

static bool loses_block;		// the next that is given up

void
__wrap_first_env(const struct boot_info *boot)
{
	const char *way = boot_word("panic=");

	__real_first_env(boot);
	loses_block = way && string_starts(way, "lost-block");
	if (way && !loses_block)
		provoke(way);
}

void
__wrap_volume_give_up(struct volume *v, u32 block)
{
	if (!loses_block)
		__real_volume_give_up(v, block);
	loses_block = false;
}
