// SPDX-License-Identifier: BSD-2-Clause
// The tables of a node as metrics for Prometheus: families, each a line of help, a line
// of type and a line for each thing that has it. What a field is called stands in tables
// here, beside where it lies in its structure.
//
// The text comes in pieces, each as long as its buffer takes. What it consists of is
// counted in one order, whether it is there or not (an entry of a table counts when it is
// free too), so that the next piece goes on where this one ends although the tables have
// changed. Stateless.

#include "cluster/api/watch.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"

#define LINE_MAX 320u

typedef unsigned long long number_t;	// what %llu prints

struct text {
	char *at;
	u32 room, len;
	u64 from;		// what came before it is not wanted
	u64 unit;		// that comes next
	bool full;
};

enum unit { COUNT, MICROSECONDS, NANOSECONDS, FRAMES_OF_MEMORY };

struct field {
	const char *name;
	const char *type;	// "counter" or "gauge"
	const char *help;
	u16 at;
	u8 size;
	u8 unit;
};

#define FIELD(structure, field, name, type, unit, help) \
	{ name, type, help, offsetof(struct structure, field), \
	  sizeof(((struct structure *)0)->field), unit }

static const struct field node_fields[] = {
	FIELD(sys_info, frame_count, "deos_memory_bytes", "gauge", FRAMES_OF_MEMORY,
	      "memory of the node"),
	FIELD(sys_info, frames_free, "deos_memory_free_bytes", "gauge", FRAMES_OF_MEMORY,
	      "memory that nobody has"),
	FIELD(sys_info, nic_rx_frames, "deos_nic_received_total", "counter", COUNT,
	      "frames that the interface brought"),
	FIELD(sys_info, nic_tx_frames, "deos_nic_sent_total", "counter", COUNT,
	      "frames that the interface took"),
	FIELD(sys_info, nic_rx_unclaimed, "deos_nic_unclaimed_total", "counter", COUNT,
	      "frames that no filter took"),
	FIELD(sys_info, nic_rx_too_long, "deos_nic_too_long_total", "counter", COUNT,
	      "frames that were longer than a ring's and not the fabric's"),
};

static const struct field fabric_fields[] = {
	FIELD(fabric_info, state, "deos_fabric_state", "gauge", COUNT,
	      "1: on; 0: no cluster is named; 2: no interface; 3: no entropy"),
	FIELD(fabric_info, received, "deos_fabric_received_total", "counter", COUNT,
	      "frames of the fabric that came"),
	FIELD(fabric_info, accepted, "deos_fabric_accepted_total", "counter", COUNT,
	      "of those, the ones that were not dropped"),
	FIELD(fabric_info, sent, "deos_fabric_sent_total", "counter", COUNT,
	      "frames of the fabric that were made"),
	FIELD(fabric_info, sessions, "deos_fabric_sessions_total", "counter", COUNT,
	      "sessions that began"),
	FIELD(fabric_info, lapses, "deos_fabric_lapses_total", "counter", COUNT,
	      "leases that ran out"),
	FIELD(fabric_info, resends, "deos_fabric_resends_total", "counter", COUNT,
	      "requests that were asked again"),
	FIELD(fabric_info, timeouts, "deos_fabric_timeouts_total", "counter", COUNT,
	      "of those, the ones whose timer had run out"),
	FIELD(fabric_info, repeated, "deos_fabric_repeated_total", "counter", COUNT,
	      "answers that were given again"),
	FIELD(fabric_info, walks, "deos_fabric_walks_total", "counter", COUNT,
	      "checks that had to walk the derivation tree"),
	FIELD(fabric_info, key_agreements, "deos_fabric_key_agreements_total", "counter",
	      COUNT, "X25519 computations"),
	FIELD(fabric_info, rekeys, "deos_fabric_rekeys_total", "counter", COUNT,
	      "new keys within sessions"),
	FIELD(fabric_info, slowed, "deos_fabric_slowed_total", "counter", COUNT,
	      "windows that were made smaller, since answers took longer"),
	FIELD(fabric_info, leased, "deos_fabric_leased_total", "counter", COUNT,
	      "copies of other nodes' memory that came under a lease"),
	FIELD(fabric_info, lapsed, "deos_fabric_lapsed_total", "counter", COUNT,
	      "of those, the ones that were taken away when it was over"),
	FIELD(fabric_info, operations, "deos_fabric_open", "gauge", COUNT,
	      "operations that were submitted and have not ended"),
	FIELD(fabric_info, exports, "deos_fabric_exports", "gauge", COUNT,
	      "capabilities that others hold"),
};

static const struct field link_fields[] = {
	FIELD(fabric_link, rtt_us, "deos_link_rtt_seconds", "gauge", MICROSECONDS,
	      "smoothed round trip; 0: not measured in this session"),
	FIELD(fabric_link, base_us, "deos_link_base_seconds", "gauge", MICROSECONDS,
	      "shortest round trip, about; 0: not measured"),
	FIELD(fabric_link, window, "deos_link_window_frames", "gauge", COUNT,
	      "frames that may be under way; 0: nobody is talked to"),
	FIELD(fabric_link, open, "deos_link_open", "gauge", COUNT,
	      "requests that are open at the peer"),
	FIELD(fabric_link, grant, "deos_link_grant_frames", "gauge", COUNT,
	      "request frames that the peer may have open here"),
	FIELD(fabric_link, credit, "deos_link_credit_frames", "gauge", COUNT,
	      "request frames that may be open at the peer"),
	FIELD(fabric_link, carries, "deos_link_carries_bytes", "gauge", COUNT,
	      "longest frame that the path is known to take both ways"),
};

static const struct field count_fields[] = {
	FIELD(fabric_counts, sent, "deos_link_sent_total", "counter", COUNT,
	      "frames for the peer"),
	FIELD(fabric_counts, received, "deos_link_received_total", "counter", COUNT,
	      "frames that were proven to be the peer's"),
	FIELD(fabric_counts, dropped, "deos_link_dropped_total", "counter", COUNT,
	      "of those, the ones that were dropped"),
	FIELD(fabric_counts, refused, "deos_link_refused_total", "counter", COUNT,
	      "requests of the peer's that were refused"),
	FIELD(fabric_counts, resends, "deos_link_resends_total", "counter", COUNT,
	      "requests to the peer that were asked again"),
	FIELD(fabric_counts, timeouts, "deos_link_timeouts_total", "counter", COUNT,
	      "of those, the ones whose timer had run out"),
	FIELD(fabric_counts, sessions, "deos_link_sessions_total", "counter", COUNT,
	      "sessions with the peer that began"),
	FIELD(fabric_counts, lapses, "deos_link_lapses_total", "counter", COUNT,
	      "sessions with the peer whose lease ran out"),
	FIELD(fabric_counts, rekeys, "deos_link_rekeys_total", "counter", COUNT,
	      "new keys for what is sent to the peer"),
};

static const struct field export_fields[] = {
	FIELD(fabric_export, operations, "deos_export_operations_total", "counter", COUNT,
	      "operations of the holder's that the check let pass"),
	FIELD(fabric_export, bytes_in, "deos_export_in_bytes_total", "counter", COUNT,
	      "bytes of data that they wrote or delivered"),
	FIELD(fabric_export, bytes_out, "deos_export_out_bytes_total", "counter", COUNT,
	      "bytes of data that they were told"),
	FIELD(fabric_export, denials, "deos_export_denials_total", "counter", COUNT,
	      "requests that named the slot and were refused"),
};

static const struct field held_fields[] = {
	FIELD(fabric_held, bytes_in, "deos_held_in_bytes_total", "counter", COUNT,
	      "bytes that operations fetched"),
	FIELD(fabric_held, bytes_out, "deos_held_out_bytes_total", "counter", COUNT,
	      "bytes of data that operations wrote or delivered at the owner"),
	FIELD(fabric_held, denials, "deos_held_denials_total", "counter", COUNT,
	      "operations that did not run for want of authority"),
	FIELD(fabric_held, failures, "deos_held_failures_total", "counter", COUNT,
	      "operations that did not run for other reasons, or may have run"),
};

// ---- lines

static void
put_line(struct text *text, const char *line, u32 len)
{
	if (len > text->room - text->len) {
		text->full = true;
		return;
	}
	memcpy(text->at + text->len, line, len);
	text->len += len;
	text->unit++;
}

// Counts what is not there.
static void
leave_out(struct text *text)
{
	text->unit += !text->full;
}

// Counts what is not wanted, before anything is made of it.
static bool
passed(struct text *text)
{
	bool before = text->unit < text->from;

	text->unit += before;
	return before || text->full;
}

static void printf_like(2, 3)
say(struct text *text, const char *format, ...)
{
	char line[LINE_MAX];
	va_list args;
	size_t len;

	if (passed(text))
		return;
	va_start(args, format);
	len = fmt_into_va(line, sizeof(line), format, args);
	va_end(args);
	ASSERT(len < sizeof(line));
	put_line(text, line, (u32)len);
}

static void
say_family(struct text *text, const char *name, const char *type, const char *help)
{
	say(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static u64
value_of(const volatile void *row, const struct field *f)
{
	const volatile u8 *at = (const volatile u8 *)row + f->at;

	switch (f->size) {
	case 1:
		return *at;
	case 2:
		return *(const volatile u16 *)at;
	case 4:
		return *(const volatile u32 *)at;
	default:
		ASSERT(f->size == 8);
		return *(const volatile u64 *)at;
	}
}

static void
say_value(struct text *text, const struct field *f, const char *labels, u64 value)
{
	u64 per_second = f->unit == MICROSECONDS ? NS_PER_SECOND / NS_PER_US
						 : NS_PER_SECOND;

	if (f->unit == FRAMES_OF_MEMORY)
		value <<= PAGE_SHIFT;
	if (f->unit == COUNT || f->unit == FRAMES_OF_MEMORY)
		say(text, "%s%s %llu\n", f->name, labels, (number_t)value);
	else
		say(text, f->unit == MICROSECONDS ? "%s%s %llu.%06llu\n"
						  : "%s%s %llu.%09llu\n",
		    f->name, labels, (number_t)(value / per_second),
		    (number_t)(value % per_second));
}

static void
say_fields(struct text *text, const struct field *fields, u32 count,
	   const volatile void *row)
{
	for (u32 i = 0; i < count; i++) {
		say_family(text, fields[i].name, fields[i].type, fields[i].help);
		say_value(text, &fields[i], "", value_of(row, &fields[i]));
	}
}

// ---- labels

#define LABELS_SIZE 160u

// Rows of one of the tables; how many never changes. What has no labels is not there.
struct rows {
	const volatile void *first;
	size_t size;
	u32 count;
	bool (*labels)(const struct api_tables *t, u32 index, char labels[LABELS_SIZE]);
};

static bool
link_labels(const struct api_tables *t, u32 index, char labels[LABELS_SIZE])
{
	char uuid[UUID_TEXT];

	if (index >= t->fabric->links || t->links[index].state == FABRIC_LINK_FREE)
		return false;
	uuid_text(t->links[index].uuid, uuid);
	fmt_into(labels, LABELS_SIZE, "{peer=\"%s\"}", uuid);
	return true;
}

// A capability's peer by its link: the table of links has it.
static bool
use_labels(const struct api_tables *t, const char *key, u32 index, u32 environment,
	   u16 peer, u8 type, char labels[LABELS_SIZE])
{
	char uuid[UUID_TEXT] = "";

	if (!type)
		return false;
	if (peer < FABRIC_LINKS_MAX)
		uuid_text(t->links[peer].uuid, uuid);
	fmt_into(labels, LABELS_SIZE,
		 "{%s=\"%u\",peer=\"%s\",environment=\"%u\",type=\"%s\"}", key, index,
		 uuid, environment, api_type_word(type));
	return true;
}

static bool
export_labels(const struct api_tables *t, u32 index, char labels[LABELS_SIZE])
{
	const volatile struct fabric_export *e = &t->exports[index];

	return use_labels(t, "slot", index, e->environment, e->peer, e->type, labels);
}

static bool
held_labels(const struct api_tables *t, u32 index, char labels[LABELS_SIZE])
{
	const volatile struct fabric_held *h = &t->held[index];

	return use_labels(t, "index", index, h->environment, h->peer, h->type, labels);
}

static void
say_rows(struct text *text, const struct api_tables *t, const struct rows *rows,
	 const struct field *fields, u32 count)
{
	char labels[LABELS_SIZE];

	for (u32 f = 0; f < count; f++) {
		const struct field *field = &fields[f];

		say_family(text, field->name, field->type, field->help);
		for (u32 i = 0; i < rows->count; i++) {
			const volatile void *row =
				(const volatile u8 *)rows->first + i * rows->size;

			if (passed(text))
				continue;
			if (rows->labels(t, i, labels))
				say_value(text, field, labels, value_of(row, field));
			else
				leave_out(text);
		}
	}
}

// ---- families

static void
say_node(struct text *text, const struct api_tables *t)
{
	char uuid[UUID_TEXT];

	uuid_text(t->fabric->state == FABRIC_ON ? t->fabric->uuid : t->sys->node_uuid,
		  uuid);
	say_family(text, "deos_node", "gauge", "this life of this node");
	say(text, "deos_node{node=\"%s\",incarnation=\"%016llx\"} 1\n", uuid,
	    (number_t)t->sys->incarnation);
	say_family(text, "deos_uptime_seconds", "counter", "since boot");
	say(text, "deos_uptime_seconds %llu.%09llu\n",
	    (number_t)(t->now_ns / NS_PER_SECOND),
	    (number_t)(t->now_ns % NS_PER_SECOND));
	say_fields(text, node_fields, ARRAY_SIZE(node_fields), t->sys);
	say_family(text, "deos_processor_idle_seconds_total", "counter",
		   "halted, with nothing to run");
	for (u32 i = 0; i < t->sys->cpu_count; i++)
		say(text, "deos_processor_idle_seconds_total{processor=\"%u\"} "
		    "%llu.%09llu\n", i, (number_t)(t->cpus[i].idle_ns / NS_PER_SECOND),
		    (number_t)(t->cpus[i].idle_ns % NS_PER_SECOND));
}

static void
say_named(struct text *text, const char *family, const char *label, const char *help,
	  api_reasons *next, const volatile struct fabric_info *info)
{
	struct api_reason r;

	say_family(text, family, "counter", help);
	for (u32 i = 0; next(i, info, &r); i++) {
		if (*r.word)
			say(text, "%s{%s=\"%s\"} %llu\n", family, label, r.word,
			    (number_t)r.count);
	}
}

static void
say_reasons(struct text *text, const volatile struct fabric_info *info)
{
	static const char *const outcomes[] = { "done", "not_done", "unknown" };
	struct api_reason r;

	say_family(text, "deos_fabric_dropped_total", "counter",
		   "frames that came to nothing or were not sent, by reason");
	for (u32 i = 0; api_drop(i, info, &r); i++)
		say(text, "deos_fabric_dropped_total{layer=\"%s\",reason=\"%s\"} %llu\n",
		    r.layer, r.word, (number_t)r.count);
	say_named(text, "deos_fabric_refused_total", "reason",
		  "requests of peers that were refused, by reason", api_refusal, info);
	say_named(text, "deos_fabric_executed_total", "operation",
		  "operations that ran here for peers", api_executed, info);
	say_family(text, "deos_fabric_completed_total", "counter",
		   "operations of this node, by outcome");
	for (u32 i = 0; i < ARRAY_SIZE(outcomes); i++)
		say(text, "deos_fabric_completed_total{outcome=\"%s\"} %llu\n",
		    outcomes[i], (number_t)info->completed[i]);
}

static void
say_links(struct text *text, const struct api_tables *t)
{
	struct rows rows = { t->links, sizeof(*t->links), FABRIC_LINKS_MAX, link_labels };
	char labels[LABELS_SIZE];

	say_family(text, "deos_link_up", "gauge", "1: a session stands");
	for (u32 i = 0; i < rows.count; i++) {
		if (passed(text))
			continue;
		if (link_labels(t, i, labels))
			say(text, "deos_link_up%s %u\n", labels,
			    t->links[i].state == FABRIC_LINK_UP);
		else
			leave_out(text);
	}
	say_rows(text, t, &rows, link_fields, ARRAY_SIZE(link_fields));
	rows.first = t->counts;
	rows.size = sizeof(*t->counts);
	say_rows(text, t, &rows, count_fields, ARRAY_SIZE(count_fields));
}

struct histogram {
	const char *name;
	const volatile u32 *count;
	u32 buckets, base;	// a bound is so many times the one before, the first 1 us
	u64 sum_us;
};

// Buckets count what is below their bound, so each holds the ones before it.
static void
say_buckets(struct text *text, const struct histogram *h, const char *labels)
{
	u64 sum = 0, us = 1;
	size_t len = strlen(labels);

	ASSERT(len > 1 && labels[len - 1] == '}');
	for (u32 i = 0; i + 1 < h->buckets; i++, us *= h->base) {
		sum += h->count[i];
		say(text, "%s_bucket%.*s,le=\"%llu.%06llu\"} %llu\n", h->name,
		    (int)len - 1, labels, (number_t)(us / 1000000),
		    (number_t)(us % 1000000), (number_t)sum);
	}
	sum += h->count[h->buckets - 1];
	say(text, "%s_bucket%.*s,le=\"+Inf\"} %llu\n", h->name, (int)len - 1, labels,
	    (number_t)sum);
	say(text, "%s_sum%s %llu.%06llu\n", h->name, labels,
	    (number_t)(h->sum_us / 1000000), (number_t)(h->sum_us % 1000000));
	say(text, "%s_count%s %llu\n", h->name, labels, (number_t)sum);
}

// A histogram counts as one, and is not divided between two pieces.
static void
say_histogram(struct text *text, const struct histogram *h, const char *labels)
{
	const struct text before = *text;

	say_buckets(text, h, labels);
	text->unit = before.unit + !text->full;
	if (text->full)
		text->len = before.len;
}

// The histogram stands for the number of operations too.
static void
say_held(struct text *text, const struct api_tables *t)
{
	const struct rows rows = { t->held, sizeof(*t->held), FABRIC_HELD_MAX, held_labels };
	char labels[LABELS_SIZE];

	say_rows(text, t, &rows, held_fields, ARRAY_SIZE(held_fields));
	say_family(text, "deos_held_latency_seconds", "histogram",
		   "from submission to completion of what is done");
	for (u32 i = 0; i < rows.count; i++) {
		if (passed(text))
			continue;
		if (held_labels(t, i, labels))
			say_histogram(text, &(struct histogram){
				"deos_held_latency_seconds", t->held[i].latency,
				FABRIC_LATENCY_BUCKETS, 2, t->held[i].latency_us,
			}, labels);
		else
			leave_out(text);
	}
}

static void
say_exports(struct text *text, const struct api_tables *t)
{
	const struct rows rows = { t->exports, sizeof(*t->exports),
				   MIN(t->fabric->exports_max, FABRIC_EXPORTS_MAX),
				   export_labels };
	char labels[LABELS_SIZE];

	say_rows(text, t, &rows, export_fields, ARRAY_SIZE(export_fields));
	say_family(text, "deos_export_work_seconds", "histogram",
		   "at work here, of those operations that took time");
	for (u32 i = 0; i < rows.count; i++) {
		if (passed(text))
			continue;
		if (export_labels(t, i, labels))
			say_histogram(text, &(struct histogram){
				"deos_export_work_seconds", t->exports[i].work,
				FABRIC_WORK_BUCKETS, 4, t->exports[i].work_us,
			}, labels);
		else
			leave_out(text);
	}
}

u32
api_metrics(char *buffer, u32 room, const struct api_tables *tables, u64 *next)
{
	struct text text = { .at = buffer, .room = room, .from = *next };

	say_node(&text, tables);
	say_fields(&text, fabric_fields, ARRAY_SIZE(fabric_fields), tables->fabric);
	if (tables->fabric->state == FABRIC_ON) {
		say_reasons(&text, tables->fabric);
		say_links(&text, tables);
		say_held(&text, tables);
		say_exports(&text, tables);
	}
	ASSERT(text.len > 0);
	*next = text.full ? text.unit : 0;
	return text.len;
}
