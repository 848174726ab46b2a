/* SPDX-License-Identifier: MIT */
#ifndef CSB_CORE_ERROR_H
#define CSB_CORE_ERROR_H

#include <claudesandbox/error.h>

#include "core/cleanup.h"

#define CSB__PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Each sets *err (unless err is NULL or an error is there already) and returns the code, so that
 * callers can say `return csb__fail(...)`. */
int csb__fail(csb_error **err, int code, const char *fmt, ...) CSB__PRINTF(3, 4);
int csb__fail_errno(csb_error **err, int errnum, const char *fmt, ...) CSB__PRINTF(3, 4);
int csb__fail_nomem(csb_error **err);

/* Puts "what: " before the message. */
void csb__error_prepend(csb_error **err, const char *fmt, ...) CSB__PRINTF(2, 3);
void csb__error_set_hint(csb_error **err, const char *fmt, ...) CSB__PRINTF(2, 3);
void csb__error_set_child(csb_error **err, int exit_status, const char *detail, size_t len);

/* Moves `from` to where the caller wants it, or frees it; returns its code. */
int csb__error_propagate(csb_error **err, csb_error *from);

static inline void csb__cleanup_error(csb_error **err) {
    csb_error_free(*err);
}
#define CSB__AUTOERROR CSB__CLEANUP(csb__cleanup_error)

#endif
