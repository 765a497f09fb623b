// SPDX-License-Identifier: BSD-2-Clause
// What requests of the API begin: deployments (cluster/deploy, one at a time on a node)
// and inquiries (inquire.c). A client that breaks off aborts its deployment.
//
// Invariant: `deploying` is the session that fed the deployment that runs; NULL when it
// was aborted or none runs.

#include "cluster/agent/inquire.h"
#include "cluster/agent/serve.h"
#include "cluster/deploy/deploy.h"
#include "kernel/base/assert.h"

static const struct api_session *deploying;

u32
serve_news(void)
{
	return inquiry_news() + deploy_changes();
}

static bool
is_upload(const struct api_session *session)
{
	return session->call.route == API_SITE_PUT || session->call.route == API_JOB_PUT;
}

static const char *
begin_job(const struct api_call *call, u64 bytes)
{
	const struct record_new_job job = {
		.name = call->name, .arguments = call->args, .count = call->count,
		.port = call->port, .frames = call->frames, .slices = call->slices,
	};

	return deploy_begin_job(&job, bytes);
}

static bool
begin_upload(struct api_session *session, u64 bytes, struct api_error *error)
{
	const char *why;

	if (session->call.route == API_JOB_PUT && bytes == HTTP_LEN_CHUNKED) {
		api_say(error, HTTP_LENGTH_REQUIRED, "an image comes with its "
			"Content-Length");
		return false;
	}
	if (session->call.route == API_SITE_PUT)
		why = deploy_begin_site();
	else
		why = begin_job(&session->call, bytes);
	if (why) {
		api_say(error, HTTP_UNAVAILABLE, "%s", why);
		return false;
	}
	deploying = session;
	return true;
}

static const struct api_state *
host_state(void *user)
{
	(void)user;
	return serve_state();
}

static bool
host_begin(void *user, struct api_session *session, u64 bytes, struct api_error *error)
{
	const char *why = serve_state()->reason;

	(void)user;
	// What is known here and now need not be tried.
	if (*why && api_route_changes(session->call.route)) {
		api_say(error, HTTP_UNAVAILABLE, "%s", why);
		return false;
	}
	if (is_upload(session))
		return begin_upload(session, bytes, error);
	session->operation = inquiry_begin(&session->call, error);
	return session->operation != NULL;
}

static u32
host_feed(void *user, struct api_session *session, const void *bytes, u32 len)
{
	(void)user;
	ASSERT(deploying == session);
	return deploy_feed(bytes, len);
}

static void
host_finish(void *user, struct api_session *session)
{
	(void)user;
	ASSERT(deploying == session);
	deploy_finish();
}

static enum api_progress
poll_upload(struct api_session *session, struct json *json, struct api_error *error)
{
	struct deploy_report report;

	ASSERT(deploying == session);
	deploy_report(&report);
	if (report.state == DEPLOY_RUNNING)
		return API_PENDING;
	deploying = NULL;
	deploy_release();
	if (report.state == DEPLOY_FAILED) {
		api_say(error, report.retry ? HTTP_UNAVAILABLE : HTTP_CONFLICT, "%s",
			report.sentence);
		return API_FAILED;
	}
	if (session->call.route == API_SITE_PUT)
		api_show_site_done(json, report.generation, report.files, report.bytes);
	else
		api_show_job_done(json, session->call.name, report.job);
	return API_DONE;
}

static enum api_progress
host_poll(void *user, struct api_session *session, struct json *json,
	  struct api_error *error)
{
	(void)user;
	if (is_upload(session))
		return poll_upload(session, json, error);
	return inquiry_poll(session->operation, json, error);
}

static void
host_abort(void *user, struct api_session *session)
{
	(void)user;
	if (!is_upload(session)) {
		inquiry_forget(session->operation);
		return;
	}
	ASSERT(deploying == session);
	deploying = NULL;
	deploy_abort();
}

const struct api_host serve_host = {
	.state = host_state,
	.begin = host_begin,
	.feed = host_feed,
	.finish = host_finish,
	.poll = host_poll,
	.abort = host_abort,
};
