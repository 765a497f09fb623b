// SPDX-License-Identifier: BSD-2-Clause
// As JSON: what a node's fabric counts, its links, the capabilities that others hold of
// it and that it holds of others, and a piece of its trace.
//
// Stateless. Lists are long: what does not fit is for the next page.

#include "cluster/api/watch.h"
#include "kernel/base/fmt.h"

static const char *
state_word(u32 state)
{
	static const char *const words[] = {
		"off: no cluster is named", "on", "off: no interface that takes 1500 bytes",
		"off: no source of entropy",
	};

	return state < ARRAY_SIZE(words) ? words[state] : "unknown";
}

static void
show_reason(struct json *json, const struct api_reason *reason)
{
	json_open_object(json, NULL);
	json_string(json, "layer", reason->layer);
	json_string(json, "reason", reason->word);
	json_number(json, "count", reason->count);
	json_string(json, "sentence", reason->sentence);
	json_close(json);
}

// Those that were met.
static void
show_list(struct json *json, const char *key, api_reasons *next,
	  const struct fabric_info *info)
{
	struct api_reason reason;

	json_open_array(json, key);
	for (u32 i = 0; next(i, info, &reason); i++) {
		if (reason.count)
			show_reason(json, &reason);
	}
	json_close(json);
}

static void
show_reasons(struct json *json, const struct fabric_info *info)
{
	struct api_reason reason;

	show_list(json, "drops", api_drop, info);
	show_list(json, "refusals", api_refusal, info);
	json_open_object(json, "executed");
	for (u32 i = 0; api_executed(i, info, &reason); i++) {
		if (reason.count)
			json_number(json, reason.word, reason.count);
	}
	json_close(json);
}

void
api_show_fabric_begin(struct json *json, const u8 node[16],
		      const struct fabric_info *info)
{
	json_open_object(json, NULL);
	json_uuid(json, "node", node);
	json_string(json, "state", state_word(info->state));
	json_number(json, "received", info->received);
	json_number(json, "accepted", info->accepted);
	json_number(json, "sent", info->sent);
	json_number(json, "sessions", info->sessions);
	json_number(json, "lapses", info->lapses);
	json_number(json, "resends", info->resends);
	json_number(json, "timeouts", info->timeouts);
	json_number(json, "key_agreements", info->key_agreements);
	json_number(json, "rekeys", info->rekeys);
	json_number(json, "slowed", info->slowed);
	json_number(json, "done", info->completed[FABRIC_DONE]);
	json_number(json, "not_done", info->completed[FABRIC_NOT_DONE]);
	json_number(json, "unknown", info->completed[FABRIC_UNKNOWN_FINAL]);
	json_number(json, "open", info->operations);
	json_number(json, "repeated", info->repeated);
	json_number(json, "walks", info->walks);
	json_number(json, "leased", info->leased);
	json_number(json, "lapsed", info->lapsed);
	show_reasons(json, info);
}

void
api_show_fabric_list(struct json *json, enum api_list list)
{
	static const char *const words[] = { "links", "exports", "held" };
	struct json mark;

	if (list > API_LIST_LINKS)
		json_close(json);
	mark = json_mark(json);
	json_open_array(json, words[list]);
	if (!json->full)
		return;
	json_cut(json, &mark);
	json_open_array(json, words[list]);
}

static void
show_mac(struct json *json, const u8 mac[6])
{
	char text[18];

	fmt_into(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	json_string(json, "mac", text);
}

bool
api_show_link(struct json *json, u32 index, u64 now_ns, const struct fabric_link *link,
	      const struct fabric_counts *counts)
{
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_number(json, "index", index);
	json_uuid(json, "peer", link->uuid);
	show_mac(json, link->mac);
	json_string(json, "state", api_link_word(link->state));
	json_number(json, "session", link->session);
	json_number(json, "rtt_us", link->rtt_us);
	json_number(json, "base_us", link->base_us);
	json_number(json, "window", link->window);
	json_number(json, "open", link->open);
	json_number(json, "grant", link->grant);
	json_number(json, "credit", link->credit);
	json_number(json, "carries", link->carries);
	json_number(json, "heard_ms",
		    (now_ns - MIN(link->heard_at, now_ns)) / NS_PER_MS);
	json_number(json, "sent", counts->sent);
	json_number(json, "received", counts->received);
	json_number(json, "dropped", counts->dropped);
	json_number(json, "refused", counts->refused);
	json_number(json, "resends", counts->resends);
	json_number(json, "timeouts", counts->timeouts);
	json_number(json, "sessions", counts->sessions);
	json_number(json, "lapses", counts->lapses);
	json_number(json, "rekeys", counts->rekeys);
	return json_close_or_cut(json, &mark);
}

// What the two kinds of capabilities have in common.
static void
show_use(struct json *json, u8 type, u8 rights, u16 peer, u32 environment, u64 count)
{
	char word[4];

	api_rights_word(rights, word);
	json_string(json, "type", api_type_word(type));
	json_string(json, "rights", word);
	json_number(json, "link", peer);
	json_number(json, "environment", environment);
	json_number(json, "count", count);
}

bool
api_show_export(struct json *json, u32 slot, const struct fabric_export *e)
{
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_number(json, "slot", slot);
	show_use(json, e->type, e->rights, e->peer, e->environment, e->count);
	json_number(json, "base", e->base);
	json_number(json, "operations", e->operations);
	json_number(json, "bytes_in", e->bytes_in);
	json_number(json, "bytes_out", e->bytes_out);
	json_number(json, "denials", e->denials);
	json_number(json, "work_us", e->work_us);
	json_open_array(json, "work");
	for (u32 i = 0; i < FABRIC_WORK_BUCKETS; i++)
		json_number(json, NULL, e->work[i]);
	json_close(json);
	return json_close_or_cut(json, &mark);
}

bool
api_show_held(struct json *json, u32 index, const struct fabric_held *h)
{
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_number(json, "index", index);
	json_number(json, "serial", h->serial);
	show_use(json, h->type, h->rights, h->peer, h->environment, h->count);
	json_number(json, "operations", h->operations);
	json_number(json, "bytes_in", h->bytes_in);
	json_number(json, "bytes_out", h->bytes_out);
	json_number(json, "denials", h->denials);
	json_number(json, "failures", h->failures);
	json_number(json, "latency_us", h->latency_us);
	json_open_array(json, "latency");
	for (u32 i = 0; i < FABRIC_LATENCY_BUCKETS; i++)
		json_number(json, NULL, h->latency[i]);
	json_close(json);
	return json_close_or_cut(json, &mark);
}

void
api_show_trace_begin(struct json *json, const u8 node[16], u64 incarnation)
{
	char text[20];

	fmt_into(text, sizeof(text), "%016llx", (unsigned long long)incarnation);
	json_open_object(json, NULL);
	json_uuid(json, "node", node);
	json_string(json, "incarnation", text);
	json_base64_begin(json, "events");
}

void
api_show_trace_events(struct json *json, const struct trace_event *events, u32 count)
{
	json_base64(json, (const u8 *)events, count * (u32)sizeof(*events));
}

void
api_show_trace_end(struct json *json, u64 first, u32 count, u64 now_ns)
{
	json_base64_end(json);
	json_number(json, "first", first);
	json_number(json, "count", count);
	json_number(json, "now_ns", now_ns);
	json_close(json);
}
