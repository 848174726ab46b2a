/* SPDX-License-Identifier: MIT */
#ifndef CLAUDESANDBOX_COMMON_H
#define CLAUDESANDBOX_COMMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CSB_BEGIN_DECLS extern "C" {
#define CSB_END_DECLS }
#else
#define CSB_BEGIN_DECLS
#define CSB_END_DECLS
#endif

#if defined(__GNUC__)
#define CSB_API __attribute__((visibility("default")))
#else
#define CSB_API
#endif

CSB_BEGIN_DECLS

/*
 * Frees a string that the library handed out as `char *` (not the `const char *` ones, which
 * belong to their handle).
 *
 * p: the string, or NULL.
 *
 * Never fails, never blocks.  Since: 0.1
 */
CSB_API void csb_free(void *p);

CSB_END_DECLS

#endif
