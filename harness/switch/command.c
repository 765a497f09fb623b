// SPDX-License-Identifier: BSD-2-Clause
// The commands of the control line (command.h): one table, a handler for each.
// What they change is the core's and the host's; an answer is one line of JSON.
//
// Every handler parses all of its words first and acts then, so a command with
// an error in its last word has changed nothing.

#include "harness/switch/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/program/number.h"
#include "harness/switch/status.h"
#include "kernel/base/assert.h"

#define PERCENT_DECIMALS 4 // in units of a millionth: lane.h's ppm
#define MS_DECIMALS 6      // in units of a nanosecond
#define DELAY_MAX_NS (10000 * NS_PER_MS)
#define MTU_MAX (FRAME_LEN_MAX - FRAME_LEN_MIN)
#define GROUPS_MAX 16u
#define COMMAND_REST 100u
#define BLANKS " \t\r"

// What a handler works on.
struct call {
	struct host *host;
	struct text *answer;
	u64 now_ns;
	u32 word_count; // arguments, without the command's name
	char **words;
	char error[HOST_ERROR_MAX];
};

printf_like(2, 3) static int
fail(struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(call->error, sizeof(call->error), format, args);
	va_end(args);
	return -1;
}

static int
find_port(struct call *call, const char *name)
{
	int port = core_port_find(&call->host->core, name);

	if (port < 0)
		return fail(call, "no port named '%s'", name);
	return port;
}

static int
run_status(struct call *call)
{
	status_report(call->host, call->answer, call->now_ns);
	return 0;
}

static int
parse_percent(struct call *call, const char *key, const char *s, u32 *ppm)
{
	u64 value;

	if (!number_parse_decimal(s, PERCENT_DECIMALS, LANE_PPM, &value))
		return fail(call, "%s wants a percentage from 0 to 100 with at "
				  "most 4 decimals, not '%s'", key, s);
	*ppm = (u32)value;
	return 0;
}

static int
parse_ms(struct call *call, const char *key, const char *s, u64 *ns)
{
	u64 value;

	if (!number_parse_decimal(s, MS_DECIMALS, DELAY_MAX_NS, &value))
		return fail(call, "%s wants milliseconds from 0 to 10000 with "
				  "at most 6 decimals, not '%s'", key, s);
	*ns = value;
	return 0;
}

static int
parse_mtu(struct call *call, const char *key, const char *s, u32 *mtu)
{
	u64 value;

	if (!number_parse(s, MTU_MAX, &value))
		return fail(call, "%s wants the bytes behind an Ethernet header "
				  "that pass, up to %u, or 0 for all, not '%s'",
			    key, MTU_MAX, s);
	*mtu = (u32)value;
	return 0;
}

// One "key=value" of `link`.
static int
parse_fault(struct call *call, char *word, struct fault_plan *plan)
{
	char *value = strchr(word, '=');

	if (!value)
		return fail(call, "'%s' is not KEY=VALUE", word);
	*value++ = '\0';
	if (strcmp(word, "loss") == 0)
		return parse_percent(call, word, value, &plan->loss_ppm);
	if (strcmp(word, "dup") == 0)
		return parse_percent(call, word, value, &plan->duplicate_ppm);
	if (strcmp(word, "reorder") == 0)
		return parse_percent(call, word, value, &plan->reorder_ppm);
	if (strcmp(word, "corrupt") == 0)
		return parse_percent(call, word, value, &plan->corrupt_ppm);
	if (strcmp(word, "delay") == 0)
		return parse_ms(call, word, value, &plan->delay_ns);
	if (strcmp(word, "jitter") == 0)
		return parse_ms(call, word, value, &plan->jitter_ns);
	if (strcmp(word, "mtu") == 0)
		return parse_mtu(call, word, value, &plan->mtu);
	return fail(call, "unknown fault '%s': loss, dup, reorder, corrupt, "
			  "delay, jitter or mtu", word);
}

// Applies the words behind PORT to one plan.
static int
parse_faults(struct call *call, struct fault_plan *plan)
{
	// parse_fault() cuts the word at its '=': give it a copy each time.
	char word[COMMAND_LINE_MAX];

	for (u32 i = 1; i < call->word_count; i++) {
		snprintf(word, sizeof(word), "%s", call->words[i]);
		if (parse_fault(call, word, plan) < 0)
			return -1;
	}
	return 0;
}

static int
link_one(struct call *call, u32 port)
{
	struct fault_plan plan = call->host->core.ports[port].plan;

	if (!host_node_of_port(call->host, port))
		return fail(call, "the uplink has no faults of its own: name "
				  "a node's port");
	if (parse_faults(call, &plan) < 0)
		return -1;
	core_set_plan(&call->host->core, port, &plan);
	text_add(call->answer, "{\"ok\":true,");
	status_report_plan(&plan, call->answer);
	text_add(call->answer, "}");
	return 0;
}

static int
link_all(struct call *call)
{
	struct host *host = call->host;
	struct fault_plan plan = host->plan_all;

	if (parse_faults(call, &plan) < 0)
		return -1;
	host->plan_all = plan; // also for ports that are added later
	for (u32 i = 0; i < host->node_count; i++) {
		u32 port = host->nodes[i].port;

		plan = host->core.ports[port].plan;
		if (parse_faults(call, &plan) < 0)
			return -1;
		core_set_plan(&host->core, port, &plan);
	}
	text_add(call->answer, "{\"ok\":true,");
	status_report_plan(&host->plan_all, call->answer);
	text_add(call->answer, "}");
	return 0;
}

static int
run_link(struct call *call)
{
	int port;

	if (strcmp(call->words[0], "all") == 0)
		return link_all(call);
	port = find_port(call, call->words[0]);
	return port < 0 ? -1 : link_one(call, (u32)port);
}

static int
run_seed(struct call *call)
{
	u64 seed;

	if (!number_parse(call->words[0], UINT64_MAX, &seed))
		return fail(call, "a seed is a whole number below 2^64, not "
				  "'%s'", call->words[0]);
	core_seed(&call->host->core, seed);
	text_add(call->answer, "{\"ok\":true,\"seed\":%llu}",
		 (unsigned long long)seed);
	return 0;
}

// "a,b,c" into a mask; cuts the text in place.
static int
parse_group(struct call *call, char *names, u64 *mask)
{
	char *rest = names;
	char *name;

	*mask = 0;
	while ((name = strsep(&rest, ","))) {
		int port = find_port(call, name);

		if (port < 0)
			return -1;
		*mask |= 1ull << port;
	}
	return 0;
}

// Parses groups between `separator` and refuses a port that is in two.
static int
parse_groups(struct call *call, const char *separator, u64 *groups,
	     u32 *count)
{
	char *rest = call->words[0];
	char *names;
	u64 seen = 0;

	*count = 0;
	while ((names = strsep(&rest, separator))) {
		if (*count == GROUPS_MAX)
			return fail(call, "more than %u groups", GROUPS_MAX);
		if (parse_group(call, names, &groups[*count]) < 0)
			return -1;
		if (seen & groups[*count])
			return fail(call, "a port is named twice");
		seen |= groups[(*count)++];
	}
	return 0;
}

static int
run_partition(struct call *call)
{
	bool one_way = strchr(call->words[0], '>') != NULL;
	struct core *core = &call->host->core;
	u64 groups[GROUPS_MAX];
	u32 count;

	if (parse_groups(call, one_way ? ">" : ":", groups, &count) < 0)
		return -1;
	if (count < 2 || (one_way && count > 2))
		return fail(call, "a partition is A,B:C (both ways) or A,B>C "
				  "(what the left ones send to the right)");
	for (u32 i = 0; i < count; i++)
		for (u32 j = 0; j < count; j++)
			if (one_way ? i < j : i != j)
				core_cut(core, groups[i], groups[j]);
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
run_heal(struct call *call)
{
	core_heal(&call->host->core);
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
run_pcap(struct call *call)
{
	struct pcap *pcap = &call->host->pcap;

	if (strcmp(call->words[0], "off") == 0) {
		core_mirror(&call->host->core, false);
		pcap_stop(pcap);
		text_add(call->answer,
			 "{\"ok\":true,\"frames\":%llu,\"bytes\":%llu}",
			 (unsigned long long)pcap->frames,
			 (unsigned long long)pcap->bytes);
		return 0;
	}
	if (pcap_start(pcap, call->words[0], call->error,
		       sizeof(call->error)) < 0)
		return -1;
	core_mirror(&call->host->core, true);
	text_add(call->answer, "{\"ok\":true,\"file\":");
	text_add_json(call->answer, call->words[0]);
	text_add(call->answer, "}");
	return 0;
}

static int
run_port(struct call *call)
{
	char *path = strchr(call->words[0], '=');

	if (!path)
		return fail(call, "'%s' is not NAME=SOCKETPATH",
			    call->words[0]);
	*path++ = '\0';
	if (host_add_node(call->host, call->words[0], path, call->error) < 0)
		return -1;
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
need_slirp(struct call *call)
{
	if (call->host->uplink == UPLINK_SLIRP)
		return 0;
	return fail(call, "ports are forwarded only with --slirp; beside a tap "
			  "use the program `forward`");
}

static int
run_forward(struct call *call)
{
	struct slirp_forward f;

	if (need_slirp(call) < 0)
		return -1;
	if (!number_parse_endpoint(call->words[0], &f.host_ip, &f.host_port))
		return fail(call, "'%s' is not HOSTIP:PORT", call->words[0]);
	if (!number_parse_endpoint(call->words[1], &f.guest_ip, &f.guest_port))
		return fail(call, "'%s' is not GUESTIP:PORT", call->words[1]);
	if (slirp_uplink_forward(&call->host->slirp, &f, call->error,
				 sizeof(call->error)) < 0)
		return -1;
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
run_unforward(struct call *call)
{
	u32 ip;
	u16 port;

	if (need_slirp(call) < 0)
		return -1;
	if (!number_parse_endpoint(call->words[0], &ip, &port))
		return fail(call, "'%s' is not HOSTIP:PORT", call->words[0]);
	if (slirp_uplink_unforward(&call->host->slirp, ip, port, call->error,
				   sizeof(call->error)) < 0)
		return -1;
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
run_quit(struct call *call)
{
	call->host->quit = true;
	text_add(call->answer, "{\"ok\":true}");
	return 0;
}

static int
run_help(struct call *call);

static const struct command {
	const char *name;
	u32 words_min;
	u32 words_max; // COMMAND_REST: one, up to the end of the line
	const char *usage;
	int (*run)(struct call *call);
} commands[] = {
	{ "status", 0, 0, "status", run_status },
	{ "link", 2, 7,
	  "link PORT|all [loss=%] [dup=%] [reorder=%] [corrupt=%] [delay=MS] "
	  "[jitter=MS]", run_link },
	{ "seed", 1, 1, "seed N", run_seed },
	{ "partition", 1, 1, "partition A,B:C | A,B>C", run_partition },
	{ "heal", 0, 0, "heal", run_heal },
	{ "pcap", 1, COMMAND_REST, "pcap FILE|off", run_pcap },
	{ "port", 1, COMMAND_REST, "port NAME=SOCKETPATH", run_port },
	{ "forward", 2, 2, "forward HOSTIP:PORT GUESTIP:PORT", run_forward },
	{ "unforward", 1, 1, "unforward HOSTIP:PORT", run_unforward },
	{ "quit", 0, 0, "quit", run_quit },
	{ "help", 0, 0, "help", run_help },
};

static int
run_help(struct call *call)
{
	text_add(call->answer, "{\"ok\":true,\"commands\":[");
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		text_add(call->answer, "%s", i ? "," : "");
		text_add_json(call->answer, commands[i].usage);
	}
	text_add(call->answer, "]}");
	return 0;
}

static const struct command *
find_command(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

// Cuts the text at its blanks. Returns the number of words, or -1 when there
// are too many.
static int
split(char *text, char **words)
{
	char *rest = text;
	char *word;
	u32 count = 0;

	while ((word = strsep(&rest, BLANKS))) {
		if (*word == '\0')
			continue;
		if (count == COMMAND_WORDS_MAX)
			return -1;
		words[count++] = word;
	}
	return (int)count;
}

// Takes the text without blanks at its ends as one word: a path may have some.
static int
split_rest(char *text, char **words)
{
	size_t len;

	text += strspn(text, BLANKS);
	len = strlen(text);
	while (len > 0 && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
	words[0] = text;
	return len > 0;
}

static int
dispatch(struct call *call, char *line)
{
	char *words[COMMAND_WORDS_MAX];
	const struct command *command;
	char *name;
	int count;

	line += strspn(line, BLANKS);
	name = strsep(&line, BLANKS);
	if (*name == '\0')
		return fail(call, "an empty line; try help");
	command = find_command(name);
	if (!command)
		return fail(call, "unknown command '%s'; try help", name);
	if (!line)
		count = 0;
	else if (command->words_max == COMMAND_REST)
		count = split_rest(line, words);
	else
		count = split(line, words);
	if (count < (int)command->words_min || count > (int)command->words_max)
		return fail(call, "usage: %s", command->usage);
	call->words = words;
	call->word_count = (u32)count;
	return command->run(call);
}

void
command_run(struct host *host, char *line, struct text *answer, u64 now_ns)
{
	struct call call = {
		.host = host,
		.answer = answer,
		.now_ns = now_ns,
	};

	text_clear(answer);
	if (dispatch(&call, line) < 0) {
		ASSERT(call.error[0] != '\0');
		text_clear(answer);
		text_add(answer, "{\"ok\":false,\"error\":");
		text_add_json(answer, call.error);
		text_add(answer, "}");
	}
	if (answer->cut) {
		text_clear(answer);
		text_add(answer, "{\"ok\":false,\"error\":\"the answer is "
				 "longer than %u bytes\"}", TEXT_MAX);
	}
	text_add(answer, "\n");
}
