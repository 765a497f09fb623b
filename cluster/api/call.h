// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From a request's method, path and query to a call: which route, which name, which
// parameters, all of them checked. Sans-IO; nothing of the request is kept but copies.

#include "cluster/record/record.h"
#include "libos/http/parse.h"

#define API_NAME_SIZE 64u	// of a job or a node, as asked for, with its end
#define API_SENTENCE_SIZE 256u
#define API_LINES_MAX 10000u
#define API_LINES_DEFAULT 100u
#define API_FRAMES_DEFAULT 2048u

enum api_route {
#define X(name, method, path, parameters, sentence) API_##name,
#include "cluster/api/routes.def"
#undef X
	API_ROUTE_COUNT
};

// Parameters, as bits of api_call.given.
enum api_parameter {
	API_COUNT = 1 << 0,	// 1 to 64, or "every"
	API_PORT = 1 << 1,	// 0 to 65535
	API_FRAMES = 1 << 2,
	API_SLICES = 1 << 3,
	API_ARGS = 1 << 4,	// words with blanks between them
	API_NODE = 1 << 5,
	API_SINCE = 1 << 6,
	API_LINES = 1 << 7,
	API_FROM = 1 << 8,	// `next` of the answer before
};

struct api_call {
	enum api_route route;
	u32 given;			// set of enum api_parameter
	u16 count;			// or RECORD_EVERY
	u16 port;
	u32 frames, slices;
	u32 lines;
	u32 from;
	u64 since;
	char name[API_NAME_SIZE];	// of the path
	char node[API_NAME_SIZE];
	char args[RECORD_ARGUMENTS_SIZE];
};

// What is wrong with a request.
struct api_error {
	enum http_status status;
	char allow[64];			// of 405: a field line, else ""
	char sentence[API_SENTENCE_SIZE];
};

// Reads the request whose head is at `head`. Returns true and fills *call; else
// *error. OPTIONS is answered by an error of status 204.
must_check bool
api_call_read(struct api_call *call, struct api_error *error,
	      const struct http_request *request, const char *head);

// Does the route change something?
bool
api_route_changes(enum api_route route);

// The row of a route.
struct api_row {
	const char *name;
	enum http_method method;
	const char *method_name;
	const char *path;
	const char *parameters;
	const char *sentence;
};

const struct api_row *
api_row(enum api_route route);

// Writes an error's sentence.
void
api_say(struct api_error *error, enum http_status status, const char *format, ...)
	printf_like(3, 4);
