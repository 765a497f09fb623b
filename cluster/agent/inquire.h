// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the API has to wait for: changes of the record that take no upload, and questions
// to other nodes' agents. Each is a task with a text of its own, in which the answer
// grows; whoever began it looks whether it is over, or forgets it.

#include "cluster/api/session.h"

#define INQUIRIES_MAX 4u

struct inquiry;

// Begins what the call asks for. NULL: *error says why not.
must_check struct inquiry *
inquiry_begin(const struct api_call *call, struct api_error *error);

// Is it over? With DONE the answer is written to *json; DONE and FAILED end it.
must_check enum api_progress
inquiry_poll(struct inquiry *inquiry, struct json *json, struct api_error *error);

// Nobody waits for it any more.
void
inquiry_forget(struct inquiry *inquiry);

// Counts inquiries that are over.
u32
inquiry_news(void);
