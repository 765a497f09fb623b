// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What is counted on a node, for people and for Prometheus: the exported tables of its
// kernel (kernel/abi/tables.h) as JSON, an element at a time, and as one text in the
// exposition format (version 0.0.4). Pure: the same tables give the same text.
//
// docs/observability.md names every metric, docs/api.md every field.

#include "cluster/api/json.h"
#include "kernel/abi/tables.h"

// The tables of this node. The last four exist only where the fabric is on.
struct api_tables {
	const volatile struct sys_info *sys;
	const volatile struct cpu_info *cpus;
	const volatile struct fabric_info *fabric;
	const volatile struct fabric_link *links;
	const volatile struct fabric_counts *counts;
	const volatile struct fabric_export *exports;
	const volatile struct fabric_held *held;
	u64 now_ns;		// since boot
};

// ---- names of what is counted

#define API_WORD_SIZE 24u

// A reason for which frames came to nothing, or for which an operation was refused.
struct api_reason {
	char word[API_WORD_SIZE];	// "tag"
	const char *layer;		// "link", "rcap", "host"
	const char *sentence;
	u64 count;
};

// The reasons one by one, from 0 on. False: there are no more.
typedef bool
api_reasons(u32 index, const volatile struct fabric_info *info, struct api_reason *reason);

api_reasons api_drop, api_refusal;

// Operations that ran here for peers, by name.
api_reasons api_executed;

const char *
api_link_word(u8 state);
const char *
api_type_word(u8 type);

// Digits of a right each, as capabilities show them: "rw-".
void
api_rights_word(u8 rights, char word[4]);

// ---- JSON: an object with the totals, then three lists, then the end

void
api_show_fabric_begin(struct json *json, const u8 node[16],
		      const struct fabric_info *info);

// The lists in their order. Elements are those of the list that was begun last; one that
// finds no room any more gives false. When there is none for any, the list itself sets
// json->cut. api_show_page_end() (state.h) ends the last list.
enum api_list { API_LIST_LINKS, API_LIST_EXPORTS, API_LIST_HELD, API_LISTS };

void
api_show_fabric_list(struct json *json, enum api_list list);
bool
api_show_link(struct json *json, u32 index, u64 now_ns, const struct fabric_link *link,
	      const struct fabric_counts *counts);
bool
api_show_export(struct json *json, u32 slot, const struct fabric_export *e);
bool
api_show_held(struct json *json, u32 index, const struct fabric_held *h);

// Where a page begins: in one of the lists, at an entry of its table.
#define API_FROM_BITS 16u

static inline u32
api_from(u32 list, u32 index)
{
	return list << API_FROM_BITS | index;
}

STATIC_ASSERT(FABRIC_LINKS_MAX < 1u << API_FROM_BITS);
STATIC_ASSERT(FABRIC_EXPORTS_MAX < 1u << API_FROM_BITS);
STATIC_ASSERT(FABRIC_HELD_MAX < 1u << API_FROM_BITS);

// ---- a piece of the trace: events as they lie in memory, in base64

#define API_TRACE_EVENTS 1792u		// that fit an answer

void
api_show_trace_begin(struct json *json, const u8 node[16], u64 incarnation);
void
api_show_trace_events(struct json *json, const struct trace_event *events, u32 count);

// `first` is the number of the first event, `now_ns` the node's clock at the end.
void
api_show_trace_end(struct json *json, u64 first, u32 count, u64 now_ns);

// ---- Prometheus

// A piece of the text, of whole lines. Returns its length. *next is 0 for the first piece,
// and afterwards what the one before it left there; 0 again: it was the last.
u32
api_metrics(char *buffer, u32 room, const struct api_tables *tables, u64 *next);
