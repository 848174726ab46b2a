/* SPDX-License-Identifier: MIT */
/*
 * claudesandbox: virtual machines of their own for AI coding agents.
 *
 * The one header to include. Link with `pkg-config --cflags --libs claudesandbox`.
 *
 * Rules that hold for every function:
 *  - int results are 0, or one of the negative CSB_E... codes of error.h;
 *  - `ret` and `err` are written only in their own case, and `err` may be NULL;
 *  - strings passed in are copied, are UTF-8 or plain bytes of a path, and end in NUL;
 *    strings handed out live as long as the handle they came from;
 *  - every ..._free() takes NULL and never touches a machine;
 *  - what returns no error does not block, unless it says so;
 *  - where a call "blocks for up to" some time, that is how long it takes unless
 *    csb_ctx_options.timeout_ms says otherwise: then it ends with CSB_ETIMEOUT, undone;
 *  - a context and all handles that were made from it are for one thread at a time, but for what is
 *    said to be for any thread; different contexts may be used on different threads at once;
 *  - the library does not print, exit, install signal handlers or change the process's state.
 */
#ifndef CLAUDESANDBOX_H
#define CLAUDESANDBOX_H

#include <claudesandbox/common.h>
#include <claudesandbox/version.h>
#include <claudesandbox/error.h>
#include <claudesandbox/context.h>
#include <claudesandbox/vm.h>
#include <claudesandbox/exec.h>
#include <claudesandbox/claude.h>
#include <claudesandbox/hooks.h>

#endif
