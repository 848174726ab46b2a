/* SPDX-License-Identifier: MIT */
#ifndef CSB_MODEL_SIZE_H
#define CSB_MODEL_SIZE_H

#include <stdint.h>

#include "core/error.h"

/* "4GiB", "512M", "1.5G", "2147483648" -> bytes. All units are powers of 1024, as in Lima and
 * QEMU. EINVAL for anything else, and for 0. */
int csb__size_parse(const char *text, uint64_t *ret, csb_error **err);

#endif
