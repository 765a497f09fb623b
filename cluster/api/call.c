// SPDX-License-Identifier: BSD-2-Clause
// Routing and parameters.
//
// A path is compared segment by segment with the rows of routes.def; a segment of a
// row in capitals takes any one of 1 to API_NAME_SIZE - 1 bytes, percent-decoded once.
// Whether a job or a node of that name exists is not known here.
//
// Stateless.

#include "cluster/api/call.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/text/text.h"

#define HTTP_METHOD_OF(method) HTTP_METHOD_##method
#define VALUE_SIZE 512u

static const struct api_row rows[] = {
#define X(name, method, path, parameters, sentence) \
	{ #name, HTTP_METHOD_OF(method), #method, path, parameters, sentence },
#include "cluster/api/routes.def"
#undef X
};

STATIC_ASSERT(ARRAY_SIZE(rows) == API_ROUTE_COUNT);

const struct api_row *
api_row(enum api_route route)
{
	ASSERT(route < API_ROUTE_COUNT);
	return &rows[route];
}

bool
api_route_changes(enum api_route route)
{
	return api_row(route)->method != HTTP_METHOD_GET;
}

void
api_say(struct api_error *error, enum http_status status, const char *format, ...)
{
	va_list args;

	error->status = status;
	error->allow[0] = 0;
	va_start(args, format);
	fmt_into_va(error->sentence, sizeof(error->sentence), format, args);
	va_end(args);
}

// The bytes before the next '/', taken from the front of *rest together with it.
static struct http_text
take_segment(struct http_text *rest)
{
	struct http_text segment = { rest->at, 0 };

	while (segment.len < rest->len && rest->at[segment.len] != '/')
		segment.len++;
	rest->at += MIN(segment.len + 1, rest->len);
	rest->len -= MIN(segment.len + 1, rest->len);
	return segment;
}

// Decodes %XX, and '+' where it means a blank. False: malformed, or too long.
static bool
decode(struct http_text text, bool plus, char *out, u32 size)
{
	u32 n = 0;

	for (u32 i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (n + 1 >= size)
			return false;
		if (c == '+' && plus)
			c = ' ';
		if (c == '%') {
			int high = i + 2 < text.len ? http_hex_value(text.at[i + 1]) : -1;
			int low = i + 2 < text.len ? http_hex_value(text.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == 0)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

static bool
is_name(struct http_text segment)
{
	return segment.len && segment.at[0] >= 'A' && segment.at[0] <= 'Z';
}

// Does the path have the row's form? The name is copied as it stands.
static bool
matches(const struct api_row *row, struct http_text path, struct http_text *name)
{
	struct http_text form = { row->path, (u32)strlen(row->path) };

	*name = (struct http_text){ "", 0 };
	if (path.len && path.at[path.len - 1] == '/')
		return false;
	while (form.len || path.len) {
		struct http_text want = take_segment(&form);
		struct http_text have = take_segment(&path);

		if (is_name(want) && have.len)
			*name = have;
		else if (want.len != have.len || memcmp(want.at, have.at, want.len))
			return false;
	}
	return true;
}

static void
add_allow(struct api_error *error, const char *method)
{
	size_t at = strlen(error->allow);

	fmt_into(error->allow + at, sizeof(error->allow) - at, "%s%s",
		 at ? ", " : "Allow: ", method);
}

// Finds the route. False: *error says which methods there are, or that it is none.
static bool
find_route(struct api_call *call, struct api_error *error,
	   const struct http_request *request, struct http_text path,
	   struct http_text *name)
{
	enum http_method method = request->method == HTTP_METHOD_HEAD ?
				  HTTP_METHOD_GET : request->method;
	bool found = false;

	api_say(error, HTTP_NOT_FOUND, "there is no such route; GET /api lists them");
	for (u32 i = 0; i < API_ROUTE_COUNT; i++) {
		struct http_text here;

		if (!matches(&rows[i], path, &here))
			continue;
		if (rows[i].method == method) {
			call->route = i;
			*name = here;
			return true;
		}
		found = true;
		add_allow(error, rows[i].method_name);
		if (rows[i].method == HTTP_METHOD_GET)
			add_allow(error, "HEAD");
	}
	if (!found)
		return false;
	add_allow(error, "OPTIONS\r\n");
	error->status = HTTP_METHOD_NOT_ALLOWED;
	if (request->method == HTTP_METHOD_OPTIONS)
		error->status = HTTP_NO_CONTENT;
	string_copy(error->sentence, sizeof(error->sentence),
		    "this route does not know that method");
	return false;
}

static bool
read_number(const char *value, u64 max, u64 *number)
{
	struct http_text text = { value, (u32)strlen(value) };

	return http_text_number(text, number) && *number <= max;
}

static bool
read_count(struct api_call *call, const char *value)
{
	u64 number;

	if (!strcmp(value, "every")) {
		call->count = RECORD_EVERY;
		return true;
	}
	if (!read_number(value, RECORD_INSTANCES, &number) || number == 0)
		return false;
	call->count = (u16)number;
	return true;
}

static bool
read_u32(const char *value, u64 least, u64 most, u32 *target)
{
	u64 number;

	if (!read_number(value, most, &number) || number < least)
		return false;
	*target = (u32)number;
	return true;
}

static bool
read_port(struct api_call *call, const char *value)
{
	u32 port;

	if (!read_u32(value, 0, 65535, &port))
		return false;
	call->port = (u16)port;
	return true;
}

// Parameters, with what a wrong value is told.
static const struct {
	const char *word;
	enum api_parameter bit;
	const char *must;
} parameters[] = {
	{ "count", API_COUNT, "1 to 64, or `every`" },
	{ "port", API_PORT, "0 to 65535" },
	{ "frames", API_FRAMES, "1 to 4294967295 (page frames of 4096 bytes)" },
	{ "slices", API_SLICES, "1 to 65535 (CPU slices)" },
	{ "args", API_ARGS, "at most 128 bytes" },
	{ "node", API_NODE, "1 to 63 bytes: digits of a node's UUID, or its address" },
	{ "since", API_SINCE, "the number of an event" },
	{ "lines", API_LINES, "1 to 10000" },
	{ "from", API_FROM, "what `next` of the answer before said" },
};

static bool
read_value(struct api_call *call, enum api_parameter parameter, const char *value)
{
	switch (parameter) {
	case API_COUNT:
		return read_count(call, value);
	case API_PORT:
		return read_port(call, value);
	case API_FRAMES:
		return read_u32(value, 1, ~0u, &call->frames);
	case API_SLICES:
		return read_u32(value, 1, 65535, &call->slices);
	case API_ARGS:
		return string_copy(call->args, sizeof(call->args), value);
	case API_NODE:
		return *value && string_copy(call->node, sizeof(call->node), value);
	case API_SINCE:
		return read_number(value, UINT64_MAX, &call->since);
	case API_LINES:
		return read_u32(value, 1, API_LINES_MAX, &call->lines);
	case API_FROM:
		return read_u32(value, 0, ~0u, &call->from);
	}
	return false;
}

// Is the word among the blank-separated ones of the list?
static bool
is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = 0;

		while (list[n] && list[n] != ' ')
			n++;
		if (n == len && !strncmp(list, word, len))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

// One `word=value` of the query.
static bool
read_pair(struct api_call *call, struct api_error *error, struct http_text pair)
{
	const struct api_row *row = api_row(call->route);
	struct http_text word = { pair.at, 0 };
	char value[VALUE_SIZE];

	while (word.len < pair.len && word.at[word.len] != '=')
		word.len++;
	for (u32 i = 0; i < ARRAY_SIZE(parameters); i++) {
		struct http_text rest = { word.at + word.len + 1,
					  pair.len - word.len - 1 };

		if (strlen(parameters[i].word) != word.len ||
		    strncmp(parameters[i].word, word.at, word.len) ||
		    !is_listed(row->parameters, parameters[i].word))
			continue;
		if (word.len < pair.len && !(call->given & parameters[i].bit) &&
		    decode(rest, true, value, sizeof(value)) &&
		    read_value(call, parameters[i].bit, value)) {
			call->given |= parameters[i].bit;
			return true;
		}
		api_say(error, HTTP_BAD_REQUEST, "%s is given once, as %s",
			parameters[i].word, parameters[i].must);
		return false;
	}
	if (*row->parameters)
		api_say(error, HTTP_BAD_REQUEST, "`%.*s` is none of this route's "
			"parameters: %s", (int)MIN(word.len, 40u), word.at,
			row->parameters);
	else
		api_say(error, HTTP_BAD_REQUEST, "this route has no parameters");
	return false;
}

static bool
read_query(struct api_call *call, struct api_error *error, struct http_text query)
{
	while (query.len) {
		struct http_text pair = { query.at, 0 };

		while (pair.len < query.len && query.at[pair.len] != '&')
			pair.len++;
		query.at += MIN(pair.len + 1, query.len);
		query.len -= MIN(pair.len + 1, query.len);
		if (pair.len && !read_pair(call, error, pair))
			return false;
	}
	return true;
}

// What a route cannot do without.
static bool
check_given(const struct api_call *call, struct api_error *error)
{
	bool lacks = (call->route == API_JOB_PUT || call->route == API_JOB_SCALE) &&
		     !(call->given & API_COUNT);

	if (lacks)
		api_say(error, HTTP_BAD_REQUEST,
			"count is missing: 1 to 64, or `every`");
	return !lacks;
}

bool
api_call_read(struct api_call *call, struct api_error *error,
	      const struct http_request *request, const char *head)
{
	struct http_text path = { head + request->path_at, request->path_len };
	struct http_text query = { head + request->query_at, request->query_len };
	struct http_text name;

	*call = (struct api_call){
		.frames = API_FRAMES_DEFAULT, .slices = 1, .lines = API_LINES_DEFAULT,
	};
	if (request->form == HTTP_TARGET_ASTERISK) {
		api_say(error, HTTP_NO_CONTENT, "%s", "");
		string_copy(error->allow, sizeof(error->allow),
			    "Allow: GET, HEAD, PUT, POST, DELETE, OPTIONS\r\n");
		return false;
	}
	if (!find_route(call, error, request, path, &name))
		return false;
	// What a web page of somebody else's makes a browser send.
	if (api_route_changes(call->route) && request->present & HTTP_FIELD_ORIGIN) {
		api_say(error, HTTP_FORBIDDEN, "no web page may change the cluster: "
			"the request has an Origin field");
		return false;
	}
	if (!decode(name, false, call->name, sizeof(call->name))) {
		api_say(error, HTTP_BAD_REQUEST, "a name is 1 to 63 bytes, each as "
			"itself or as %%XX");
		return false;
	}
	return read_query(call, error, query) && check_given(call, error);
}
