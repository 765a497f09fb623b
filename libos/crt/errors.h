// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The sentences of kernel/abi/errors.def.

#include "kernel/abi/errors.h"
#include "kernel/base/types.h"

// The sentence for the result of a system call: -code or code alike. Never
// NULL; a number that is no error code says so.
const char *
error_text(i64 result);
