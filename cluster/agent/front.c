// SPDX-License-Identifier: BSD-2-Clause
// `front`, the program that holds the node's addresses: started from the boot archive,
// kept running, and heard: what it reports (cluster/view/report.h) goes into this
// node's status.

#include "cluster/agent/events.h"
#include "cluster/agent/jobs.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/options.h"
#include "cluster/agent/publish.h"
#include "cluster/agent/status.h"
#include "cluster/view/report.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/image/cpio.h"
#include "libos/mem/archive.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define FRONT_FRAMES 768u
#define FRONT_RINGS 4u
#define FRONT_SLICES 8u
#define GRANTS 4u

static struct program front = { .name = "front" };
static struct archive boot;
static struct frame_run frames;
static volatile struct front_report *report;
static u32 seen;
static bool absent;

static u32
make_grants(struct spawn_grant grants[GRANTS])
{
	u32 count = 2;

	grants[0] = publish_grant();
	grants[1] = (struct spawn_grant){
		.role = ROLE_SHARED,
		.slot = frames.slot,
		.rights = CAP_READ | CAP_WRITE,
		.base = frames.frame,
		.count = frames.count,
	};
	if (!grant_of_role(ROLE_CONSOLE, CAP_WRITE, &grants[count]))
		count++;
	if (!grant_of_role(ROLE_NIC, CAP_READ | CAP_WRITE | CAP_FORGE,
			   &grants[count]))
		count++;
	return count;
}

static void
start(void)
{
	struct spawn_grant grants[GRANTS];
	char name[] = "front";
	char *argv[] = { name, agent_options.vip };
	struct spawn_spec spec = {
		.name = name, .archive = &boot,
		.argc = agent_options.vip ? 2 : 1, .argv = argv,
		.grants = grants, .grant_count = make_grants(grants),
		.quota = { .frames = FRONT_FRAMES, .rings = FRONT_RINGS },
		.cpu = programs_cpu(), .slices = FRONT_SLICES,
	};
	struct cpio_entry entry;

	if (!cpio_find(boot.data, boot.len_bytes, name, &entry)) {
		absent = true;
		event(EVENT_FRONT, name, "", "not started",
		      "the boot archive has no such program");
		return;
	}
	spec.image = entry.data;
	spec.image_len = entry.data_len;
	if (program_spawn(&front, &spec))
		return;
	event_quiet(EVENT_INSTANCE, name, "", "started", "environment %u",
		    front.child.id);
}

// Another word than before: taken as a whole, or later.
static bool
read_report(struct front_report *copy)
{
	u32 version = __atomic_load_n(&report->version, __ATOMIC_ACQUIRE);

	if (version == seen || version & 1)
		return false;
	memcpy(copy, (const void *)(u64)report, sizeof(*copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&report->version, __ATOMIC_RELAXED) != version)
		return false;
	seen = version;
	return true;
}

static void
address_text(u32 address, char text[16])
{
	fmt_into(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		 address >> 8 & 255, address & 255);
}

static void
take(const struct front_report *r)
{
	struct status *own = status_own();
	char text[16];

	if (r->address && r->address != own->address) {
		address_text(r->address, text);
		print("agent: node address %s\n", text);
		event_quiet(EVENT_ADDRESS, "node", "", text, "front has it");
	}
	own->address = r->address;
	own->mask = r->mask;
	own->gateway = r->gateway;
	if (r->virtual_address) {
		own->virtual_address = r->virtual_address;
		own->virtual_mask = r->virtual_mask;
		own->virtual_gateway = r->virtual_gateway;
	}
	if (own->holds_virtual != r->is_holding) {
		address_text(r->virtual_address, text);
		event_quiet(EVENT_ADDRESS, "virtual", text,
			    r->is_holding ? "held here" : "not held here",
			    "the live member with the lowest UUID holds it");
	}
	own->holds_virtual = r->is_holding != 0;
	status_changed();
}

static void
run(u64 now)
{
	struct front_report copy;

	if (program_look(&front))
		report->is_holding = 0;
	if (!absent && program_is_due(&front, now))
		start();
	if (read_report(&copy))
		take(&copy);
}

static void
watch(struct wait_set *set)
{
	wait_word_add(set, &report->version, seen);
}

i64
front_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	i64 error = archive_open(ROLE_BOOT_ARCHIVE, &boot);

	if (!error)
		error = frames_take(1, &frames);
	if (error)
		return error;
	memset(direct_address(frames.frame), 0, PAGE_SIZE);
	report = direct_address(frames.frame);
	program_add(&front);
	loop_add(&part);
	return 0;
}
