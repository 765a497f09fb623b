// SPDX-License-Identifier: BSD-2-Clause
// What the API shows: golden texts of a small cluster, reasons in every state, a node
// that has told nothing, names of nodes, lists that are cut; and that the largest
// cluster fits an answer.
//
// links: cluster/api/json.c cluster/api/show.c cluster/api/show_far.c
// links: cluster/api/call.c cluster/record/record.c cluster/record/codec.c
// links: cluster/record/change.c libos/http/parse.c libos/http/target.c
// links: libos/http/text.c kernel/base/fmt.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/api/session.h"

static struct view view;
static struct record record;
static struct api_state state;
static char buffer[API_ANSWER_MAX + 1];
static struct json json;

static void
add_member(u8 byte, u8 life, const char *reason)
{
	u32 i = view.member_count++;

	memset(&view.member[i], 0, sizeof(view.member[i]));
	memset(view.member[i].uuid, byte, 16);
	view.member[i].incarnation = 0xabcdef;
	view.member[i].life = life;
	view.member[i].is_voter = true;
	state.node[i] = (struct api_node){ .reason = reason };
}

// Two nodes, the second dead; no site, one job.
static void
make_small(void)
{
	static const u8 voters[2][RECORD_UUID] = {
		{ [0 ... 15] = 0x11 }, { [0 ... 15] = 0x22 },
	};
	static const u8 cluster[RECORD_UUID] = { [0 ... 15] = 0xcc };
	struct record_new_job job = {
		.name = "web", .arguments = "a b", .count = 2, .port = 80,
		.frames = 256, .slices = 1,
		.image = { .id = { [0 ... 31] = 0x1d }, .bytes = 1000 },
	};

	memset(&view, 0, sizeof(view));
	memset(&state, 0, sizeof(state));
	add_member(0x11, VIEW_ALIVE, "this node");
	add_member(0x22, VIEW_DEAD, "it was silent");
	view.member[0].address = 0x0a000002;
	view.has_majority = true;
	view.epoch = 3;
	view.virtual_address = 0x0a000064;
	assert_int_equal(record_first(&record, cluster, voters, 2), RECORD_OK);
	memset(job.image.copy[0].uuid, 0x11, 16);
	job.image.copy[0].block = 8;
	memset(job.image.copy[1].uuid, 0x22, 16);
	job.image.copy[1].block = 9;
	assert_int_equal(record_deploy_job(&record, &job), RECORD_OK);
	memcpy(view.job[0].name, "web", 4);
	view.job[0].id = record.job[0].id;
	view.job_count = 1;
	view.instance[0] = (struct view_instance){
		.state = VIEW_RUNNING, .environment = 7,
	};
	view.instance_count = 1;
	state.view = &view;
	state.record = &record;
	state.reason = "";
	state.job_reason[0] = "no live node has enough frames left";
}

static const char *
shown(void (*show)(struct json *, const struct api_state *))
{
	u32 len;

	json_begin(&json, buffer, API_ANSWER_MAX);
	show(&json, &state);
	len = json_end(&json);
	assert_true(len > 0);
	buffer[len] = 0;
	return buffer;
}

#define UUID_1 "11111111-1111-1111-1111-111111111111"
#define UUID_2 "22222222-2222-2222-2222-222222222222"

static void
the_status(void **s)
{
	(void)s;
	make_small();
	state.messages = (struct api_messages){ 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 };
	assert_string_equal(shown(api_show_status),
		"{\"cluster\":\"cccccccc-cccc-cccc-cccc-cccccccccccc\","
		"\"formed\":true,\"majority\":true,\"reason\":null,\"record\":1,"
		"\"epoch\":3,\"voters\":2,\"alive\":1,\"self\":\"" UUID_1 "\","
		"\"coordinator\":\"" UUID_1 "\",\"virtual_address\":\"10.0.0.100\","
		"\"holder\":\"" UUID_1 "\",\"messages\":{\"sent\":9,\"received\":8,"
		"\"asked\":7,\"timed_out\":6,\"retried\":5,\"expired\":4,"
		"\"dropped\":3,\"strangers\":2,\"waiting\":1,\"open\":0},"
		"\"site\":{\"generation\":0,\"files\":0,"
		"\"bytes\":0,\"manifest\":null},\"nodes\":["
		"{\"uuid\":\"" UUID_1 "\",\"life\":\"alive\",\"reason\":\"this node\","
		"\"address\":\"10.0.0.2\"},"
		"{\"uuid\":\"" UUID_2 "\",\"life\":\"dead\","
		"\"reason\":\"it was silent\",\"address\":null}],"
		"\"jobs\":[{\"name\":\"web\",\"state\":\"waiting\",\"reason\":"
		"\"no live node has enough frames left\",\"running\":1,"
		"\"wanted\":2}]}\n");
}

static void
a_cluster_that_has_not_formed(void **s)
{
	(void)s;
	make_small();
	state.record = NULL;
	state.reason = "no disk";
	view.holder = VIEW_NONE;
	state.coordinator = VIEW_NONE;
	assert_non_null(strstr(shown(api_show_status),
		"{\"cluster\":null,\"formed\":false,\"majority\":true,"
		"\"reason\":\"no disk\",\"record\":0,"));
	assert_non_null(strstr(buffer, "\"coordinator\":null,"));
	assert_non_null(strstr(buffer, "\"holder\":null,\"messages\":{"));
	assert_string_equal(shown(api_show_jobs), "{\"jobs\":[]}\n");
}

static void
the_site_and_its_copies(void **s)
{
	struct record_new_object manifest = { .id = { [0 ... 31] = 0xee },
					      .bytes = 4242 };

	(void)s;
	make_small();
	memset(manifest.copy[0].uuid, 0x22, 16);
	manifest.copy[0].block = 77;
	assert_int_equal(record_deploy_site(&record, 0, 999, 3, &manifest), RECORD_OK);
	assert_non_null(strstr(shown(api_show_status),
		"\"site\":{\"generation\":1,\"files\":3,\"bytes\":999,\"manifest\":"
		"{\"id\":\"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
		"eeee\",\"bytes\":4242,\"copies\":[{\"node\":\"" UUID_2 "\","
		"\"block\":77}]}}"));
}

static void
nodes_with_what_they_told(void **s)
{
	(void)s;
	make_small();
	state.node[0] = (struct api_node){
		.reason = "this node", .since_ns = 61 * NS_PER_SECOND,
		.blocks_free = 10, .objects = 7, .objects_fine = 6, .blocks_bad = 3,
		.blocks_mended = 2, .frames_free = 20, .frames_jobs = 30,
		.slices_free = 4, .slices_jobs = 5, .restarts = 6, .told = true,
	};
	view.member[0].blocks = 100;
	assert_string_equal(shown(api_show_nodes),
		"{\"nodes\":[{\"uuid\":\"" UUID_1 "\",\"life\":\"alive\","
		"\"reason\":\"this node\",\"address\":\"10.0.0.2\","
		"\"incarnation\":\"0000000000abcdef\",\"since_s\":61,\"heard_ms\":0,"
		"\"mac\":\"00:00:00:00:00:00\",\"self\":true,\"voter\":true,"
		"\"holder\":true,\"coordinator\":true,\"disk_bytes\":409600,"
		"\"disk_free_bytes\":40960,\"objects\":7,\"objects_fine\":6,"
		"\"blocks_bad\":3,\"blocks_mended\":2,\"memory_free_bytes\":81920,"
		"\"memory_jobs_bytes\":122880,\"slices_free\":4,\"slices_jobs\":5,"
		"\"restarts\":6,\"instances\":[{\"job\":\"web\",\"number\":0,"
		"\"state\":\"running\"}]},"
		"{\"uuid\":\"" UUID_2 "\",\"life\":\"dead\",\"reason\":"
		"\"it was silent\",\"address\":null,"
		"\"incarnation\":\"0000000000abcdef\",\"since_s\":0,\"heard_ms\":0,"
		"\"mac\":\"00:00:00:00:00:00\",\"self\":false,\"voter\":true,"
		"\"holder\":false,\"coordinator\":false,\"disk_bytes\":0,"
		"\"disk_free_bytes\":null,\"objects\":null,\"objects_fine\":null,"
		"\"blocks_bad\":null,\"blocks_mended\":null,\"memory_free_bytes\":null,"
		"\"memory_jobs_bytes\":null,\"slices_free\":null,"
		"\"slices_jobs\":null,\"restarts\":null,\"instances\":[]}]}\n");
}

static void
jobs_with_their_instances(void **s)
{
	(void)s;
	make_small();
	assert_string_equal(shown(api_show_jobs),
		"{\"jobs\":[{\"name\":\"web\",\"id\":1,\"state\":\"waiting\","
		"\"reason\":\"no live node has enough frames left\",\"running\":1,"
		"\"wanted\":2,\"count\":2,\"port\":80,\"memory_bytes\":1048576,"
		"\"slices\":1,\"arguments\":\"a b\",\"image\":{\"id\":"
		"\"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d\","
		"\"bytes\":1000,\"copies\":[{\"node\":\"" UUID_1 "\",\"block\":8},"
		"{\"node\":\"" UUID_2 "\",\"block\":9}]},\"instances\":["
		"{\"number\":0,\"node\":\"" UUID_1 "\",\"state\":\"running\","
		"\"environment\":7}]}]}\n");
}

static void
every_state_of_a_job(void **s)
{
	(void)s;
	make_small();
	state.job_reason[0] = NULL;
	assert_non_null(strstr(shown(api_show_jobs), "\"state\":\"starting\","
		"\"reason\":\"instances are being placed and started\""));
	view.instance[0].state = VIEW_STARTING;
	assert_non_null(strstr(shown(api_show_jobs), "\"state\":\"starting\","
		"\"reason\":\"instances are starting\",\"running\":0"));
	view.instance[0].state = VIEW_RUNNING;
	record.job[0].count = RECORD_EVERY;	// of one node that lives
	assert_non_null(strstr(shown(api_show_jobs), "\"state\":\"running\","
		"\"reason\":null,\"running\":1,\"wanted\":1,\"count\":\"every\""));
	// The view is older than the record: an instance of another deployment.
	view.job[0].id = 99;
	assert_non_null(strstr(shown(api_show_jobs), "\"running\":0,"));
	assert_non_null(strstr(buffer, "\"instances\":[]"));
}

static void
nodes_are_found_by_what_people_write(void **s)
{
	(void)s;
	make_small();
	add_member(0x23, VIEW_ALIVE, "");
	assert_int_equal(api_find_node(&view, "1111"), 0);
	assert_int_equal(api_find_node(&view, UUID_2), 1);
	assert_int_equal(api_find_node(&view, "10.0.0.2"), 0);
	assert_int_equal(api_find_node(&view, "2323"), 2);
	assert_int_equal(api_find_node(&view, "222"), VIEW_NONE);	// too short
	assert_int_equal(api_find_node(&view, ""), VIEW_NONE);
	assert_int_equal(api_find_node(&view, "11111111x"), VIEW_NONE);
	assert_int_equal(api_find_node(&view, UUID_1 "1"), VIEW_NONE);
	assert_int_equal(api_find_node(&view, "0.0.0.0"), VIEW_NONE);
	memset(view.member[2].uuid, 0x22, 4);	// two begin alike now
	assert_int_equal(api_find_node(&view, "2222"), VIEW_NONE);
	assert_int_equal(api_find_node(&view, "22222222-23"), 2);
	memset(view.member[2].uuid, 0xab, 16);
	assert_int_equal(api_find_node(&view, "ABab"), 2);
}

static void
logs_show_their_newest_lines(void **s)
{
	const struct api_log log = {
		.node = view.member[0].uuid, .program = "web", .number = 3,
		.text = "one\ntwo\nthree\n", .len = 14,
	};
	static const struct {
		u32 lines;
		const char *text;
	} cases[] = {
		{ 1, "\"three\\n\"" }, { 2, "\"two\\nthree\\n\"" },
		{ 3, "\"one\\ntwo\\nthree\\n\"" }, { 4, "\"one\\ntwo\\nthree\\n\"" },
	};

	(void)s;
	make_small();
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		u32 len;

		json_begin(&json, buffer, API_ANSWER_MAX);
		api_show_logs_begin(&json);
		assert_true(api_show_log(&json, &log, cases[i].lines));
		api_show_list_end(&json);
		len = json_end(&json);
		buffer[len] = 0;
		assert_non_null(strstr(buffer, cases[i].text));
		assert_non_null(strstr(buffer, "\"program\":\"web\",\"number\":3,"));
	}
}

static void
long_lists_are_cut_and_say_so(void **s)
{
	const struct api_event event = {
		.number = 1, .kind = "member", .who = "x", .from = "", .to = "alive",
		.why = "because",
	};
	u32 len, count = 0;

	(void)s;
	make_small();
	json_begin(&json, buffer, 1000);
	api_show_events_begin(&json, view.member[0].uuid);
	while (api_show_event(&json, &event))
		count++;
	api_show_list_end(&json);
	len = json_end(&json);
	assert_true(count >= 5 && len > 0 && len <= 1000);
	buffer[len] = 0;
	assert_non_null(strstr(buffer, "\"reason\":\"because\"}],\"truncated\":true}\n"));
}

// Everything that is counted at its bound, with the longest names and reasons.
static void
make_largest(void)
{
	char longest[200];

	make_small();
	memset(longest, 'r', sizeof(longest) - 1);
	longest[120] = 0;
	while (view.member_count < VIEW_MEMBERS_MAX)
		add_member((u8)(0x30 + view.member_count), VIEW_ALIVE, "");
	for (u32 i = 0; i < VIEW_MEMBERS_MAX; i++) {
		view.member[i].address = view.member[i].blocks = ~0u;
		state.node[i] = (struct api_node){
			"another member declared it dead, and it did not answer", ~0ull,
			~0ull, ~0u, ~0ull, ~0ull, ~0ull, ~0ull, ~0u, ~0u,
			0xffff, 0xffff, ~0u, true,
		};
	}
	for (u32 i = 1; i < RECORD_JOBS; i++)
		record.job[i] = record.job[0];
	record.job_count = view.job_count = RECORD_JOBS;
	for (u32 i = 0; i < RECORD_JOBS; i++) {
		memset(record.job[i].name, 'w', RECORD_NAME_SIZE - 1);
		memset(record.job[i].arguments, 'a', RECORD_ARGUMENTS_SIZE - 1);
		memcpy(view.job[i].name, record.job[i].name, VIEW_NAME_SIZE);
		record.job[i].id = view.job[i].id = 4000000000u + i;
		record.job[i].count = RECORD_EVERY;
		record.job[i].image.bytes = ~0ull;
		record.job[i].frames = record.job[i].slices = ~0u;
		state.job_reason[i] =
			"no live node has enough frames and enough slices left";
	}
	for (u32 i = 0; i < VIEW_INSTANCES_MAX; i++)
		view.instance[i] = (struct view_instance){
			(u16)(i % RECORD_JOBS), 64, (u16)(i % VIEW_MEMBERS_MAX), 15,
			VIEW_DRAINING, ~0u, 0,
		};
	view.instance_count = VIEW_INSTANCES_MAX;
}

static void
show_view(struct json *j, const struct api_state *s)
{
	api_show_view(j, s->view);
}

static void
the_largest_cluster_fits(void **s)
{
	(void)s;
	make_largest();
	assert_true(strlen(shown(api_show_status)) > 10000);
	assert_true(strlen(shown(api_show_nodes)) > 30000);
	assert_true(strlen(shown(api_show_jobs)) > 30000);
	assert_true(strlen(shown(show_view)) > 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status),
		cmocka_unit_test(a_cluster_that_has_not_formed),
		cmocka_unit_test(the_site_and_its_copies),
		cmocka_unit_test(nodes_with_what_they_told),
		cmocka_unit_test(jobs_with_their_instances),
		cmocka_unit_test(every_state_of_a_job),
		cmocka_unit_test(nodes_are_found_by_what_people_write),
		cmocka_unit_test(logs_show_their_newest_lines),
		cmocka_unit_test(long_lists_are_cut_and_say_so),
		cmocka_unit_test(the_largest_cluster_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
