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

#endif
