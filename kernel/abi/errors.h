// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Error codes of system calls, made from errors.def.

enum abi_error {
#define X(name, code, sentence) name = code,
#include "kernel/abi/errors.def"
#undef X
};
