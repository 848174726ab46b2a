/* SPDX-License-Identifier: MIT */
#ifndef CSB_MODEL_VM_NAME_H
#define CSB_MODEL_VM_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#define CSB__NAME_PREFIX "claude-sandbox-"
#define CSB__NAME_MAX 63

/* Lima's rule for names (pkg/identifiers/validate.go), with our shorter limit. */
bool csb__vm_name_valid(const char *name);

/*
 * The name for a project: the prefix, a readable slug of its last component, and the hash of the
 * whole path, so that two projects never share one.
 *
 * path: absolute and real, any bytes.
 * max: how long a name may be here; the slug is cut to fit.
 *
 * EINVAL when not even one character of the slug fits.
 */
int csb__vm_name_for_project(const char *path, size_t max, char out[CSB__NAME_MAX + 1],
                             csb_error **err);

/* 8 hex digits of a name's or path's hash. */
void csb__hash8(const char *text, char out[9]);
/* The same, 16 digits. */
void csb__hash16(const char *text, char out[17]);

#endif
