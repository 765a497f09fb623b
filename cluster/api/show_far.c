// SPDX-License-Identifier: BSD-2-Clause
// As JSON: the view as it is, and what a node is asked for when somebody wants to
// know: events, logs, capabilities. Their lists are long; what does not fit is left
// out, and "truncated" says so.
//
// Stateless.

#include "cluster/api/call.h"
#include "cluster/api/state.h"
#include "kernel/base/fmt.h"
#include "libos/text/text.h"

// The digits of a UUID as a name may give them: hyphens anywhere.
static bool
begins_with_digits(const u8 uuid[16], const char *name, u32 *digits)
{
	static const char hex[] = "0123456789abcdef";

	*digits = 0;
	for (; *name; name++) {
		u8 c = (u8)*name;
		u32 i = *digits;

		if (c == '-')
			continue;
		if (c >= 'A' && c <= 'F')
			c |= 0x20;
		if (i == 32 || c != (u8)hex[uuid[i / 2] >> (i % 2 ? 0 : 4) & 15])
			return false;
		(*digits)++;
	}
	return true;
}

u16
api_find_node(const struct view *view, const char *name)
{
	u16 found = VIEW_NONE;

	for (u16 i = 0; i < view->member_count; i++) {
		u32 a = view->member[i].address, digits;
		char address[16];

		fmt_into(address, sizeof(address), "%u.%u.%u.%u", a >> 24,
			 a >> 16 & 255, a >> 8 & 255, a & 255);
		if (a && !strcmp(address, name))
			return i;
		if (!begins_with_digits(view->member[i].uuid, name, &digits) ||
		    digits < API_DIGITS_MIN)
			continue;
		if (found != VIEW_NONE)
			return VIEW_NONE;
		found = i;
	}
	return found;
}

static void
begin_list(struct json *json, const u8 *node, const char *key)
{
	json_open_object(json, NULL);
	if (node)
		json_uuid(json, "node", node);
	json_open_array(json, key);
}

void
api_show_list_end(struct json *json)
{
	json_close(json);
	json_bool(json, "truncated", json->cut);
	json_close(json);
}

void
api_show_page_end(struct json *json, u32 next)
{
	json_close(json);
	json_bool(json, "truncated", next != 0);
	if (next)
		json_number(json, "next", next);
	else
		json_null(json, "next");
	json_close(json);
}

void
api_show_events_begin(struct json *json, const u8 node[16])
{
	begin_list(json, node, "events");
}

bool
api_show_event(struct json *json, const struct api_event *event)
{
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_number(json, "number", event->number);
	json_number(json, "ago_ms", event->ago_ns / NS_PER_MS);
	json_number(json, "epoch", event->epoch);
	json_string(json, "kind", event->kind);
	json_string(json, "who", event->who);
	json_reason(json, "from", event->from);
	json_reason(json, "to", event->to);
	json_reason(json, "reason", event->why);
	return json_close_or_cut(json, &mark);
}

void
api_show_logs_begin(struct json *json)
{
	begin_list(json, NULL, "logs");
}

// The newest `lines` lines of a text.
static const char *
last_lines(const char *text, u32 len, u32 lines)
{
	u32 at = len;

	if (at && text[at - 1] == '\n')
		at--;
	while (at) {
		if (text[at - 1] == '\n' && --lines == 0)
			break;
		at--;
	}
	return text + at;
}

bool
api_show_log(struct json *json, const struct api_log *log, u32 lines)
{
	const char *at = last_lines(log->text, log->len, lines);
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_uuid(json, "node", log->node);
	json_string(json, "program", log->program);
	json_number(json, "number", log->number);
	json_text(json, "text", at, log->len - (u32)(at - log->text));
	json_null(json, "reason");
	return json_close_or_cut(json, &mark);
}

bool
api_show_no_log(struct json *json, const u8 node[16], const char *reason)
{
	struct json mark = json_mark(json);

	json_open_object(json, NULL);
	json_uuid(json, "node", node);
	json_null(json, "program");
	json_null(json, "number");
	json_null(json, "text");
	json_string(json, "reason", reason);
	return json_close_or_cut(json, &mark);
}

static const char *
type_word(u32 type)
{
	static const char *const words[] = {
		"none",
#define X(name, word, range) word,
#include "kernel/abi/caps.def"
#undef X
	};

	return type < ARRAY_SIZE(words) ? words[type] : "unknown";
}

void
api_show_caps_begin(struct json *json, const u8 node[16])
{
	begin_list(json, node, "capabilities");
}

bool
api_show_cap(struct json *json, const struct api_cap *cap)
{
	const struct cap_info *info = &cap->info;
	struct json mark = json_mark(json);
	char rights[6];

	fmt_into(rights, sizeof(rights), "%c%c%c%c%c",
		 info->rights & CAP_READ ? 'r' : '-',
		 info->rights & CAP_WRITE ? 'w' : '-',
		 info->rights & CAP_EXECUTE ? 'x' : '-',
		 info->rights & CAP_DERIVE ? 'd' : '-',
		 info->rights & CAP_FORGE ? 'f' : '-');
	json_open_object(json, NULL);
	json_string(json, "program", cap->program);
	json_number(json, "environment", cap->environment);
	json_number(json, "slot", cap->slot);
	json_string(json, "type", type_word(info->type));
	json_string(json, "rights", rights);
	json_number(json, "base", info->base);
	json_number(json, "count", info->count);
	json_number(json, "depth", info->depth);
	json_number(json, "children", info->children);
	return json_close_or_cut(json, &mark);
}

static void
show_view_members(struct json *json, const struct view *view)
{
	json_open_array(json, "members");
	for (u32 i = 0; i < view->member_count; i++) {
		const struct view_member *member = &view->member[i];

		json_open_object(json, NULL);
		json_uuid(json, "uuid", member->uuid);
		json_number(json, "life", member->life);
		json_number(json, "link", member->link);
		json_number(json, "agent", member->agent);
		json_address(json, "address", member->address);
		json_number(json, "blocks", member->blocks);
		json_bool(json, "voter", member->is_voter);
		json_close(json);
	}
	json_close(json);
}

static void
show_view_jobs(struct json *json, const struct view *view)
{
	json_open_array(json, "jobs");
	for (u32 i = 0; i < view->job_count; i++) {
		const struct view_job *job = &view->job[i];
		u32 len = 0;

		while (len < VIEW_NAME_SIZE && job->name[len])
			len++;
		json_open_object(json, NULL);
		json_text(json, "name", job->name, len);
		json_number(json, "id", job->id);
		json_number(json, "port", job->port);
		json_number(json, "count", job->count);
		json_number(json, "changes", job->changes);
		json_close(json);
	}
	json_close(json);
	json_open_array(json, "instances");
	for (u32 i = 0; i < view->instance_count; i++) {
		const struct view_instance *instance = &view->instance[i];

		json_open_object(json, NULL);
		json_number(json, "job", instance->job);
		json_number(json, "number", instance->number);
		json_number(json, "member", instance->member);
		json_number(json, "mac_index", instance->mac_index);
		json_number(json, "state", instance->state);
		json_number(json, "environment", instance->environment);
		json_close(json);
	}
	json_close(json);
}

static void
show_view_site(struct json *json, const struct view_site *site)
{
	json_open_object(json, "site");
	json_number(json, "generation", site->generation);
	json_number(json, "bytes", site->bytes);
	json_hex(json, "manifest", site->manifest, VIEW_ID_LEN);
	json_open_array(json, "copies");
	for (u32 i = 0; i < VIEW_COPIES; i++) {
		json_open_object(json, NULL);
		json_number(json, "member", site->copy[i].member);
		json_number(json, "block", site->copy[i].block);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

void
api_show_view(struct json *json, const struct view *view)
{
	json_open_object(json, NULL);
	json_uuid(json, "cluster", view->cluster);
	json_number(json, "self", view->self);
	json_number(json, "epoch", view->epoch);
	json_number(json, "record", view->record);
	json_bool(json, "majority", view->has_majority);
	json_number(json, "holder", view->holder);
	json_address(json, "virtual_address", view->virtual_address);
	json_address(json, "virtual_mask", view->virtual_mask);
	json_address(json, "gateway", view->gateway);
	json_address(json, "mask", view->mask);
	json_number(json, "api_port", view->api_port);
	show_view_site(json, &view->site);
	show_view_members(json, view);
	show_view_jobs(json, view);
	json_close(json);
}
