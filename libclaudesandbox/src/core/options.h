/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_OPTIONS_H
#define CSB_CORE_OPTIONS_H

#include <stddef.h>

#include "core/error.h"

/*
 * Copies a caller's options, which begin with their own size, over our defaults. A caller compiled
 * against older headers leaves our newer members alone; one compiled against newer headers must
 * have left what we don't know at zero. src may be NULL.
 */
int csb__options_load(void *dst, size_t dst_size, const void *src, csb_error **err);

#endif
