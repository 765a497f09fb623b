// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Exit statuses that programs share. Others are a program's own.

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	// it said why on the console
	STATUS_USAGE = 2,
	STATUS_ASSERTION = 134,
};
