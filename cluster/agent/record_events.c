// SPDX-License-Identifier: BSD-2-Clause
// What a new record changed, told as events: versions quietly, voters, the site, jobs
// and the places of their instances each with a line. Stateless.

#include "cluster/agent/events.h"
#include "cluster/agent/register_host.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"

#define WORD 24u

static void
version_word(const struct record *record, char word[WORD])
{
	word[0] = 0;
	if (record)
		fmt_into(word, WORD, "version %lu", record->version);
}

static void
tell_voters(const struct record *before, const struct record *now)
{
	for (u32 i = 0; i < now->node_count; i++) {
		u8 was = record_find_node(before, now->node[i].uuid);
		bool voted = was != RECORD_NONE && before->node[was].voter;
		char name[9];

		event_node_name(now->node[i].uuid, name);
		if (now->node[i].voter != voted)
			event(EVENT_VOTER, name, "", voted ? "removed" : "added",
			      "%u voters", record_voters(now));
	}
}

static void
tell_site(const struct record_site *before, const struct record_site *now)
{
	char from[WORD], to[WORD];

	if (now->generation == before->generation)
		return;
	fmt_into(from, sizeof(from), "generation %lu", before->generation);
	fmt_into(to, sizeof(to), "generation %lu", now->generation);
	event(EVENT_SITE, "site", from, to, "%u files, %lu bytes", now->files,
	      now->content_bytes);
}

static void
count_word(const struct record_job *job, char word[WORD])
{
	if (job->count == RECORD_EVERY)
		string_copy(word, WORD, "on every node");
	else
		fmt_into(word, WORD, "%u instances", job->count);
}

static void
tell_places(const struct record *before, const struct record_job *was,
	    const struct record *now, const struct record_job *job)
{
	u32 count = job->count == RECORD_EVERY ? 0 : job->count;

	for (u32 i = 0; i < count; i++) {
		bool had = was && was->count != RECORD_EVERY && i < was->count &&
			   was->instance[i] != RECORD_NONE;
		bool has = job->instance[i] != RECORD_NONE;
		const u8 *old = had ? before->node[was->instance[i]].uuid : NULL;
		const u8 *new = has ? now->node[job->instance[i]].uuid : NULL;
		char from[9] = "nowhere", to[9] = "nowhere", who[40];

		if (had == has && (!had || !memcmp(old, new, RECORD_UUID)))
			continue;
		if (had)
			event_node_name(old, from);
		if (has)
			event_node_name(new, to);
		fmt_into(who, sizeof(who), "%s/%u", job->name, i);
		event(EVENT_JOB, who, from, to, "placed");
	}
}

static void
tell_job(const struct record *before, const struct record *now,
	 const struct record_job *job)
{
	const struct record_job *was = record_find_job(before, job->name);
	char from[WORD] = "", to[WORD];

	if (was)
		count_word(was, from);
	count_word(job, to);
	if (!was || was->id != job->id)
		event(EVENT_JOB, job->name, from, to, "deployed, id %u", job->id);
	else if (was->count != job->count)
		event(EVENT_JOB, job->name, from, to, "scaled");
	tell_places(before, was, now, job);
}

void
record_tell_changes(const struct record *before, const struct record *now)
{
	static const struct record none;
	char from[WORD], to[WORD];

	version_word(before, from);
	version_word(now, to);
	event_quiet(EVENT_RECORD, "record", from, to, "learned");
	if (!before) {
		event(EVENT_RECORD, "record", "", to, "%u voters, %u jobs",
		      record_voters(now), now->job_count);
		before = &none;
		if (now->version > 1)
			return;
	}
	tell_voters(before, now);
	tell_site(&before->site, &now->site);
	for (u32 i = 0; i < now->job_count; i++)
		tell_job(before, now, &now->job[i]);
	for (u32 i = 0; i < before->job_count; i++) {
		if (!record_find_job(now, before->job[i].name))
			event(EVENT_JOB, before->job[i].name, "deployed",
			      "removed", "with its instances");
	}
}
