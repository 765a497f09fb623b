// SPDX-License-Identifier: BSD-2-Clause
// What is counted, as text: every reason of every layer has its word once, a node without
// a fabric shows what it has, metrics of tables that are full are whole in pieces, lists
// are cut at an element and say so, base64.
//
// links: cluster/api/json.c cluster/api/show_fabric.c cluster/api/reasons.c
// links: cluster/api/metrics.c cluster/api/show_far.c kernel/base/fmt.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/api/state.h"
#include "net/rcap/rcap.h"

#define ROOM 65536u
#define WHOLE (16u * MIB)

static struct sys_info sys = { .cpu_count = 2, .frame_count = 100, .frames_free = 7 };
static struct cpu_info cpus[CPUS_MAX];
static struct fabric_info info;
static struct fabric_link links[FABRIC_LINKS_MAX];
static struct fabric_counts counts[FABRIC_LINKS_MAX];
static struct fabric_export exports[FABRIC_EXPORTS_MAX];
static struct fabric_held held[FABRIC_HELD_MAX];
static char buffer[ROOM + 1];
static char text_of_all[WHOLE + 1];

// All pieces of so many bytes, one behind the other.
static const char *
metrics(u32 room)
{
	const struct api_tables t = { &sys, cpus, &info, links, counts, exports, held,
				      1500 * NS_PER_MS };
	u64 next = 0;
	u32 len = 0;

	do {
		u32 most = MIN(room, WHOLE - len);
		u32 piece = api_metrics(text_of_all + len, most, &t, &next);

		assert_true(piece > 0 && piece <= most);
		len += piece;
		assert_int_equal(text_of_all[len - 1], '\n');
	} while (next);
	text_of_all[len] = 0;
	return text_of_all;
}

static bool
begins(const char *text, const char *start)
{
	while (*start && *text == *start)
		text++, start++;
	return !*start;
}

// Not by the functions for strings: under sanitizers each goes to the end of the text.
static u32
lines_with(const char *text, const char *start)
{
	u32 count = 0;
	bool first = true;

	for (; *text; text++) {
		count += first && begins(text, start);
		first = *text == '\n';
	}
	return count;
}

static void
expect_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n'))
		fail_msg("no line: %s", line);
}

static void
every_type_has_a_word(void **state)
{
	(void)state;
	for (u8 type = FABRIC_FRAMES; type <= FABRIC_POOLED; type++)
		assert_string_not_equal(api_type_word(type), "unknown");
	assert_string_equal(api_type_word(FABRIC_POOLED), "pool");
	assert_string_equal(api_type_word(FABRIC_POOLED + 1), "unknown");
}

static void
every_reason_has_a_word(void **state)
{
	struct api_reason r, other;
	u32 drops = 0, refusals = 0;

	(void)state;
	for (u32 i = 0; i < FABRIC_DROPS_MAX; i++)
		info.dropped[i] = 1000 + i;
	for (u32 i = 0; i < FABRIC_STRAYS_MAX; i++)
		info.strays[i] = 2000 + i;
	for (u32 i = 0; i < FABRIC_LOST_MAX; i++)
		info.lost[i] = 3000 + i;
	for (; api_drop(drops, &info, &r); drops++) {
		assert_true(*r.word && *r.sentence);
		for (u32 i = 0; i < drops; i++) {
			assert_true(api_drop(i, &info, &other));
			assert_true(strcmp(r.word, other.word) ||
				    strcmp(r.layer, other.layer));
			assert_true(r.count != other.count);
		}
	}
	assert_int_equal(drops, LINK_DROP_COUNT + RCAP_DROP_COUNT + FABRIC_LOST_COUNT);
	for (; api_refusal(refusals, &info, &r); refusals++)
		;
	assert_int_equal(refusals, CODE_COUNT - 1);
	assert_true(api_drop(LINK_DROP_TAG, &info, &r));
	assert_string_equal(r.word, "tag");
	assert_int_equal(r.count, 1000 + LINK_DROP_TAG);
	memset(&info, 0, sizeof(info));
}

static void
a_node_without_a_fabric(void **state)
{
	const char *text = metrics(ROOM);

	(void)state;
	expect_line(text, "deos_memory_bytes 409600\n");
	expect_line(text, "deos_uptime_seconds 1.500000000\n");
	expect_line(text, "deos_processor_idle_seconds_total{processor=\"1\"} 0.");
	expect_line(text, "deos_fabric_state 0\n");
	assert_null(strstr(text, "deos_link"));
}

// Tables that are full, with the longest numbers.
static void
fill(void)
{
	info.state = FABRIC_ON;
	info.links = FABRIC_LINKS_MAX;
	info.exports_max = FABRIC_EXPORTS_MAX;
	memset(info.dropped, 0xff, sizeof(info.dropped));
	for (u32 i = 0; i < FABRIC_LINKS_MAX; i++) {
		memset(&counts[i], 0xff, sizeof(counts[i]));
		links[i].state = FABRIC_LINK_UP;
		links[i].rtt_us = ~0u;
	}
	for (u32 i = 0; i < FABRIC_EXPORTS_MAX; i++) {
		memset(&exports[i], 0xff, sizeof(exports[i]));
		exports[i].type = FABRIC_ENDPOINT;
		exports[i].peer = (u16)i;
	}
	for (u32 i = 0; i < FABRIC_HELD_MAX; i++) {
		memset(&held[i], 0xff, sizeof(held[i]));
		held[i].type = FABRIC_BLOCKS;
		held[i].peer = (u16)i;
	}
}

// Nothing is left out, and it is all the same how long the pieces are.
static void
full_tables_are_shown_whole(void **state)
{
	static char whole[WHOLE + 1];
	const char *text;

	(void)state;
	fill();
	memcpy(whole, metrics(WHOLE), sizeof(whole));
	text = metrics(ROOM);
	print_message("metrics of full tables take %lu bytes\n", strlen(text));
	assert_true(strlen(text) > 16 * ROOM && !strcmp(text, whole));
	assert_int_equal(lines_with(text, "deos_link_up{"), FABRIC_LINKS_MAX);
	assert_int_equal(lines_with(text, "deos_link_rekeys_total{"), FABRIC_LINKS_MAX);
	assert_int_equal(lines_with(text, "deos_held_latency_seconds_count{"),
			 FABRIC_HELD_MAX);
	assert_int_equal(lines_with(text, "deos_export_denials_total{"),
			 FABRIC_EXPORTS_MAX);
	assert_int_equal(lines_with(text, "deos_export_work_seconds_count{"),
			 FABRIC_EXPORTS_MAX);
	for (const char *at = text, *end; *at; at = end + 1) {
		end = memchr(at, '\n', WHOLE);
		assert_true(begins(at, "# HELP deos_") || begins(at, "# TYPE deos_") ||
			    (begins(at, "deos_") && memchr(at, ' ', (size_t)(end - at)) &&
			     end[-1] >= '0' && end[-1] <= '9'));
	}
}

// Entries come and go while the pieces do: the others are there, once each.
static void
tables_change_between_pieces(void **state)
{
	const struct api_tables t = { &sys, cpus, &info, links, counts, exports, held, 0 };
	u64 next = 0;
	u32 sums = 0, last = 0;

	(void)state;
	fill();
	do {
		u32 len = api_metrics(buffer, ROOM, &t, &next);

		buffer[len] = 0;
		sums += lines_with(buffer, "deos_held_latency_seconds_sum{");
		last += lines_with(buffer, "deos_held_failures_total{index=\"511\"");
		info.links = info.links == 7 ? FABRIC_LINKS_MAX : 7;
		for (u32 i = 0; i < FABRIC_HELD_MAX; i += 2)
			held[i].type = held[i].type ? 0 : FABRIC_BLOCKS;
	} while (next);
	assert_true(sums >= FABRIC_HELD_MAX / 2 && sums <= FABRIC_HELD_MAX);
	assert_int_equal(last, 1);
}

static void
full_lists_are_cut_at_an_element(void **state)
{
	static const u8 node[16];
	struct json json;
	u32 shown = 0, len;

	(void)state;
	fill();
	json_begin(&json, buffer, ROOM);
	api_show_fabric_begin(&json, node, &info);
	api_show_fabric_list(&json, API_LIST_LINKS);
	for (u32 i = 0; i < FABRIC_LINKS_MAX / 8; i++)		// of all, the rest has no room
		assert_true(api_show_link(&json, i, 0, &links[i], &counts[i]));
	api_show_fabric_list(&json, API_LIST_EXPORTS);
	while (api_show_export(&json, shown, &exports[shown]))
		shown++;
	api_show_fabric_list(&json, API_LIST_HELD);
	assert_false(api_show_held(&json, 0, &held[0]));
	api_show_page_end(&json, ~0u);
	len = json_end(&json);
	assert_true(shown > 10 && len > 0);
	buffer[len] = 0;
	assert_non_null(strstr(buffer, "],\"held\":[],\"truncated\":true,"
				     "\"next\":4294967295}\n"));
}

static void
a_piece_of_the_trace(void **state)
{
	static const u8 node[16];
	static const struct trace_event event = { 0x0102030405060708, TRACE_RAN, { 0xffff },
						  0x01020304, ~0ull };
	static struct trace_event most[API_TRACE_EVENTS];
	struct json json;
	u32 len;

	(void)state;
	json_begin(&json, buffer, ROOM);
	api_show_trace_begin(&json, node, 0x12);
	api_show_trace_events(&json, &event, 1);
	api_show_trace_end(&json, 5, 1, 9);
	len = json_end(&json);
	assert_true(len > 0);
	buffer[len] = 0;
	assert_non_null(strstr(buffer, "\"incarnation\":\"0000000000000012\","
			       "\"events\":\"CAcGBQQDAgEqAP//BAMCAf//////////\","
			       "\"first\":5,\"count\":1,\"now_ns\":9}\n"));
	json_begin(&json, buffer, ROOM);
	api_show_trace_begin(&json, node, ~0ull);
	api_show_trace_events(&json, most, API_TRACE_EVENTS);
	api_show_trace_end(&json, ~0ull, API_TRACE_EVENTS, ~0ull);
	assert_true(json_end(&json) > 0);
}

static void
latencies_fall_into_their_buckets(void **state)
{
	(void)state;
	assert_int_equal(fabric_latency_bucket(0), 0);
	assert_int_equal(fabric_latency_bucket(999), 0);
	assert_int_equal(fabric_latency_bucket(1000), 1);
	for (u32 i = 1; i + 1 < FABRIC_LATENCY_BUCKETS; i++) {
		assert_int_equal(fabric_latency_bucket(1000ull << (i - 1)), i);
		assert_int_equal(fabric_latency_bucket((1000ull << i) - 1), i);
	}
	assert_int_equal(fabric_latency_bucket(~0ull), FABRIC_LATENCY_BUCKETS - 1);
	for (u32 i = 0; i + 1 < FABRIC_WORK_BUCKETS; i++) {
		assert_int_equal(fabric_work_bucket((1000ull << 2 * i) - 1), i);
		assert_int_equal(fabric_work_bucket(1000ull << 2 * i), i + 1);
	}
	assert_int_equal(fabric_work_bucket(~0ull), FABRIC_WORK_BUCKETS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_word),
		cmocka_unit_test(every_type_has_a_word),
		cmocka_unit_test(a_node_without_a_fabric),
		cmocka_unit_test(full_tables_are_shown_whole),
		cmocka_unit_test(tables_change_between_pieces),
		cmocka_unit_test(full_lists_are_cut_at_an_element),
		cmocka_unit_test(a_piece_of_the_trace),
		cmocka_unit_test(latencies_fall_into_their_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
