// SPDX-License-Identifier: BSD-2-Clause
// The answer to `status`: see status.h. docs/switch.md names every field.
//
// The counters come from one table, so that none is forgotten in the report.

#include "harness/switch/status.h"

#include "kernel/base/assert.h"

#define PPM_PER_PERCENT 10000u

static const struct counter {
	const char *name;
	size_t offset;
} counters[] = {
#define PORT_COUNTER(field) { #field, offsetof(struct core_port, counters.field) }
#define LANE_COUNTER(lane, field) \
	{ #field "_" #lane, offsetof(struct core_port, lane.counters.field) }
	PORT_COUNTER(rx_frames),
	PORT_COUNTER(rx_bytes),
	PORT_COUNTER(tx_frames),
	PORT_COUNTER(tx_bytes),
	PORT_COUNTER(flooded),
	PORT_COUNTER(filtered),
	PORT_COUNTER(runt),
	PORT_COUNTER(oversize),
	PORT_COUNTER(no_buffer),
	PORT_COUNTER(partition),
	PORT_COUNTER(queue_full),
	PORT_COUNTER(refused),
	PORT_COUNTER(down),
	LANE_COUNTER(in, too_long),
	LANE_COUNTER(in, lost),
	LANE_COUNTER(in, line_full),
	LANE_COUNTER(in, no_buffer),
	LANE_COUNTER(in, duplicated),
	LANE_COUNTER(in, reordered),
	LANE_COUNTER(in, corrupted),
	LANE_COUNTER(out, too_long),
	LANE_COUNTER(out, lost),
	LANE_COUNTER(out, line_full),
	LANE_COUNTER(out, no_buffer),
	LANE_COUNTER(out, duplicated),
	LANE_COUNTER(out, reordered),
	LANE_COUNTER(out, corrupted),
};

STATIC_ASSERT(ARRAY_SIZE(counters) ==
	      (sizeof(struct core_counters) +
	       2 * sizeof(struct lane_counters)) / sizeof(u64));

static void
add_counters(const struct core_port *port, struct text *text)
{
	text_add(text, "\"counters\":{");
	for (u32 i = 0; i < ARRAY_SIZE(counters); i++) {
		const u8 *at = (const u8 *)port + counters[i].offset;

		text_add(text, "%s\"%s\":%llu", i ? "," : "", counters[i].name,
			 (unsigned long long)*(const u64 *)(const void *)at);
	}
	text_add(text, "}");
}

static void
add_percent(struct text *text, const char *name, u32 ppm)
{
	text_add(text, "\"%s\":%u.%04u,", name, ppm / PPM_PER_PERCENT,
		 ppm % PPM_PER_PERCENT);
}

static void
add_ms(struct text *text, const char *name, u64 ns)
{
	text_add(text, "\"%s\":%llu.%06llu", name,
		 (unsigned long long)(ns / NS_PER_MS),
		 (unsigned long long)(ns % NS_PER_MS));
}

void
status_report_plan(const struct fault_plan *plan, struct text *text)
{
	text_add(text, "\"link\":{");
	add_percent(text, "loss", plan->loss_ppm);
	add_percent(text, "dup", plan->duplicate_ppm);
	add_percent(text, "reorder", plan->reorder_ppm);
	add_percent(text, "corrupt", plan->corrupt_ppm);
	add_ms(text, "delay", plan->delay_ns);
	text_add(text, ",");
	add_ms(text, "jitter", plan->jitter_ns);
	text_add(text, ",\"mtu\":%u}", plan->mtu);
}

static void
add_station(const struct snoop *snoop, const struct mac_entry *entry,
	    struct text *text, u64 now_ns)
{
	const struct snoop_entry *known = snoop_find(snoop, entry->address);
	u64 age_ms = (now_ns - entry->seen_ns) / NS_PER_MS;

	text_add(text, "{\"mac\":\"");
	for (int shift = 40; shift >= 0; shift -= 8)
		text_add(text, "%02x%s", (u8)(entry->address >> shift),
			 shift ? ":" : "");
	text_add(text, "\",\"age\":%llu.%03llu,",
		 (unsigned long long)(age_ms / 1000),
		 (unsigned long long)(age_ms % 1000));
	if (known)
		text_add(text, "\"ip\":\"%u.%u.%u.%u\",\"by\":\"%s\"}",
			 known->ip >> 24, known->ip >> 16 & 255,
			 known->ip >> 8 & 255, known->ip & 255,
			 known->source == SNOOP_DHCP ? "dhcp" : "arp");
	else
		text_add(text, "\"ip\":null,\"by\":null}");
}

static void
add_stations(const struct host *host, u32 port, struct text *text, u64 now_ns)
{
	u32 total = 0;

	text_add(text, "\"stations\":[");
	for (u32 i = 0; i < MAC_SETS * MAC_WAYS; i++) {
		const struct mac_entry *entry = &host->core.macs.entries[i];

		if (!entry->address || entry->port != port ||
		    now_ns - entry->seen_ns >= MAC_AGE_NS)
			continue;
		if (total++ >= STATUS_STATIONS_MAX)
			continue;
		text_add(text, "%s", total > 1 ? "," : "");
		add_station(&host->core.snoop, entry, text, now_ns);
	}
	text_add(text, "],\"stations_total\":%u", total);
}

static void
add_cut(const struct core *core, u64 mask, struct text *text)
{
	const char *comma = "";

	text_add(text, "\"cut\":[");
	for (; mask; mask &= mask - 1) {
		u32 port = (u32)__builtin_ctzll(mask);

		ASSERT(port < core->port_count);
		text_add(text, "%s", comma);
		text_add_json(text, core->ports[port].name);
		comma = ",";
	}
	text_add(text, "]");
}

static void
add_socket(const struct host *host, u32 port, struct text *text)
{
	const struct node *node = NULL;

	for (u32 i = 0; i < host->node_count; i++)
		if (host->nodes[i].port == port)
			node = &host->nodes[i];
	text_add(text, ",\"socket\":");
	if (!node) {
		text_add(text, "null,\"connects\":0,");
		return;
	}
	text_add_json(text, node->path);
	text_add(text, ",\"connects\":%llu,",
		 (unsigned long long)node->connect_count);
}

static void
add_port(const struct host *host, u32 port, struct text *text, u64 now_ns)
{
	const struct core_port *p = &host->core.ports[port];

	text_add(text, "{\"name\":");
	text_add_json(text, p->name);
	text_add(text, ",\"connected\":%s", p->connected ? "true" : "false");
	add_socket(host, port, text);
	text_add(text, "\"queued\":%u,\"under_way\":%u,", p->queue.count,
		 p->in.count + p->in.held_count + p->out.count +
			 p->out.held_count);
	status_report_plan(&p->plan, text);
	text_add(text, ",");
	add_cut(&host->core, p->cut_mask, text);
	text_add(text, ",");
	add_counters(p, text);
	text_add(text, ",");
	add_stations(host, port, text, now_ns);
	text_add(text, "}");
}

static void
add_pcap(const struct host *host, struct text *text)
{
	const struct pcap *pcap = &host->pcap;

	text_add(text, "\"pcap\":{\"on\":%s,\"file\":",
		 pcap_is_on(pcap) ? "true" : "false");
	text_add_json(text, pcap->path);
	text_add(text, ",\"frames\":%llu,\"bytes\":%llu,\"error\":",
		 (unsigned long long)pcap->frames,
		 (unsigned long long)pcap->bytes);
	text_add_json(text, pcap->error);
	text_add(text, ",\"missed\":%llu}",
		 (unsigned long long)host->core.mirror_missed);
}

static void
add_forwards(const struct host *host, struct text *text)
{
	const struct slirp_uplink *uplink = &host->slirp;

	text_add(text, "\"forwards\":[");
	for (u32 i = 0; i < uplink->forward_count; i++) {
		const struct slirp_forward *f = &uplink->forwards[i];

		text_add(text, "%s{\"host\":\"%u.%u.%u.%u:%u\",",
			 i ? "," : "", f->host_ip >> 24, f->host_ip >> 16 & 255,
			 f->host_ip >> 8 & 255, f->host_ip & 255, f->host_port);
		text_add(text, "\"guest\":\"%u.%u.%u.%u:%u\"}",
			 f->guest_ip >> 24, f->guest_ip >> 16 & 255,
			 f->guest_ip >> 8 & 255, f->guest_ip & 255,
			 f->guest_port);
	}
	text_add(text, "]");
}

void
status_report(const struct host *host, struct text *text, u64 now_ns)
{
	static const char *const uplinks[] = {
		[UPLINK_NONE] = "null",
		[UPLINK_TAP] = "\"tap\"",
		[UPLINK_SLIRP] = "\"slirp\"",
	};
	u64 up_ms = (now_ns - host->start_ns) / NS_PER_MS;

	text_add(text, "{\"ok\":true,\"seed\":%llu,\"uptime\":%llu.%03llu,",
		 (unsigned long long)host->core.seed,
		 (unsigned long long)(up_ms / 1000),
		 (unsigned long long)(up_ms % 1000));
	text_add(text, "\"uplink\":%s,\"buffers\":{\"free\":%u,\"total\":%u},",
		 uplinks[host->uplink], host->core.pool.free_count,
		 host->core.pool.total);
	add_pcap(host, text);
	text_add(text, ",");
	add_forwards(host, text);
	text_add(text, ",\"ports\":[");
	for (u32 i = 0; i < host->core.port_count; i++) {
		text_add(text, "%s", i ? "," : "");
		add_port(host, i, text, now_ns);
	}
	text_add(text, "]}");
}
