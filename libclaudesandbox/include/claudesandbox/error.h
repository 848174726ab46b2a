/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_ERROR_H
#define CLAUDESANDBOX_ERROR_H

#include <claudesandbox/common.h>

CSB_BEGIN_DECLS

/* Every code, once: its value, its name, and what it means in general. Values never change. */
#define CSB_ERROR_MAP(XX)                                                                          \
    XX(-1, EINVAL, "invalid argument")                                                             \
    XX(-2, ENOMEM, "out of memory")                                                                \
    XX(-3, ESYSTEM, "the operating system refused")                                                \
    XX(-4, ENOTFOUND, "not found")                                                                 \
    XX(-5, EEXISTS, "exists already")                                                              \
    XX(-6, ESTATE, "not possible in the machine's present state")                                  \
    XX(-7, EENGINE, "the VM engine failed")                                                        \
    XX(-8, ENOENGINE, "no usable VM engine")                                                       \
    XX(-9, ENOTSUP, "not supported here")                                                          \
    XX(-10, ETIMEOUT, "timed out")                                                                 \
    XX(-11, EPROTOCOL, "unexpected answer")                                                        \
    XX(-12, EBUSY, "busy")                                                                         \
    XX(-13, EUSER, "stopped by a callback")                                                        \
    XX(-14, ECANCELED, "cancelled")

/* One enum each: a comma after the last of one is more than C89 allows. */
#define CSB_ERROR_ENUM_(value, name, text) enum { CSB_##name = (value) };
CSB_ERROR_MAP(CSB_ERROR_ENUM_)
#undef CSB_ERROR_ENUM_

/* What went wrong, in full. Freed by whoever received it. */
typedef struct csb_error csb_error;

/* The CSB_E... code of an error; 0 for NULL.  Since: 0.1 */
CSB_API int csb_error_code(const csb_error *err);

/* What went wrong, one sentence for people, the outermost step first; "" for NULL. UTF-8 without
 * control characters, also where it quotes what a guest said. Borrowed.  Since: 0.1 */
CSB_API const char *csb_error_message(const csb_error *err);

/* What the user can do about it (a command or a setting), or "" where nothing is known; as clean as
 * the message. Borrowed.  Since: 0.1 */
CSB_API const char *csb_error_hint(const csb_error *err);

/* The errno saved when the failure came from a system call, else 0.  Since: 0.1 */
CSB_API int csb_error_errno(const csb_error *err);

/* How the child process ended that caused the failure: its exit status, or 128 + the signal's
 * number; -1 where no child was involved.  Since: 0.1 */
CSB_API int csb_error_exit_status(const csb_error *err);

/* The last 8 KiB or less of what that child wrote to its standard error, or of the guest's
 * console; "" where there is none. May hold any bytes but NUL: don't print it to a terminal
 * unfiltered. Borrowed.  Since: 0.1 */
CSB_API const char *csb_error_detail(const csb_error *err);

/* The name of a code, "EINVAL" for CSB_EINVAL; "UNKNOWN" for anything else. Static. Any thread.
 * Since: 0.1 */
CSB_API const char *csb_error_name(int code);

/* What a code means in general, "invalid argument" for CSB_EINVAL. Static. Any thread.
 * Since: 0.1 */
CSB_API const char *csb_strerror(int code);

/* Frees an error; NULL is fine.  Since: 0.1 */
CSB_API void csb_error_free(csb_error *err);

CSB_END_DECLS

#endif
