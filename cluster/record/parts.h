// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of this folder share.

#include "cluster/record/record.h"

// What is wrong with a job of the record, or about to be in it.
must_check enum record_error
record_job_error(const struct record *r, const struct record_job *job);
