// SPDX-License-Identifier: BSD-2-Clause
// cluster: what this node's agent knows, for whoever sits at the console: members, what
// is agreed, jobs and their instances. It reads the view that init shares with the
// shell, and does nothing else.

#include "cluster/view/view.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/mem/layout.h"
#include "libos/mem/map.h"

static struct view view;

static bool
take_view(void)
{
	u32 slot = startup_slot(ROLE_VIEW);
	struct frame_run run;

	if (slot == SLOT_NONE || run_of_slot(slot, &run) ||
	    run.count < VIEW_PAGES || map_direct(&run, PROT_READ))
		return false;
	return view_copy(&view, direct_address(run.frame));
}

static const char *
life_text(u8 life)
{
	static const char *const words[] = { "?", "alive", "suspect", "dead" };

	return words[life <= VIEW_DEAD ? life : 0];
}

static void
show_member(u32 index)
{
	const struct view_member *m = &view.member[index];
	u32 a = m->address;

	// One print a line: others write to the console too.
	print("%2u %02x%02x%02x%02x %016lx %-7s %-5s %6lu MiB  %u.%u.%u.%u%s%s\n",
	      index, m->uuid[0], m->uuid[1], m->uuid[2], m->uuid[3],
	      m->incarnation, life_text(m->life), m->is_voter ? "votes" : "",
	      m->blocks / 256, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255,
	      index == view.self ? ", this node" : "",
	      index == view.holder ? ", holds the virtual address" : "");
}

static const char *
state_text(u8 state)
{
	static const char *const words[] = { "?", "starting", "running", "draining" };

	return words[state <= VIEW_DRAINING ? state : 0];
}

static void
show_job(u32 index)
{
	const struct view_job *job = &view.job[index];

	if (job->count == VIEW_NONE)
		print("job %s: id %u, port %u, on every node\n", job->name,
		      job->id, job->port);
	else
		print("job %s: id %u, port %u, %u wanted\n", job->name, job->id,
		      job->port, job->count);
	for (u32 i = 0; i < view.instance_count; i++) {
		const struct view_instance *in = &view.instance[i];

		if (in->job == index)
			print("  %s/%u on %u: %s, environment %u, address %u of "
			      "that node\n", job->name, in->number, in->member,
			      state_text(in->state), in->environment,
			      in->mac_index);
	}
}

static void
show_site(void)
{
	const struct view_site *site = &view.site;

	if (!site->generation) {
		print("no site\n");
		return;
	}
	print("site: generation %lu, manifest of %lu bytes on %u", site->generation,
	      site->bytes, site->copy[0].member);
	if (site->copy[1].member != VIEW_NONE)
		print(" and %u\n", site->copy[1].member);
	else
		print("\n");
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (!take_view()) {
		print("cluster: no agent runs on this node\n");
		return STATUS_FAILED;
	}
	if (view.record)
		print("cluster %02x%02x%02x%02x, record version %lu, %s majority, "
		      "epoch %lu\n", view.cluster[0], view.cluster[1],
		      view.cluster[2], view.cluster[3], view.record,
		      view.has_majority ? "with a" : "without a", view.epoch);
	else
		print("no record yet, epoch %lu\n", view.epoch);
	if (view.virtual_address)
		print("virtual address %u.%u.%u.%u\n", view.virtual_address >> 24,
		      view.virtual_address >> 16 & 255,
		      view.virtual_address >> 8 & 255, view.virtual_address & 255);
	for (u32 i = 0; i < view.member_count; i++)
		show_member(i);
	show_site();
	for (u32 i = 0; i < view.job_count; i++)
		show_job(i);
	return STATUS_OK;
}
