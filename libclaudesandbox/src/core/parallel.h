/* SPDX-License-Identifier: MIT */
/* Many small things at once. */
#ifndef CSB_CORE_PARALLEL_H
#define CSB_CORE_PARALLEL_H

#include <stddef.h>

/*
 * Calls fn(arg, i) for each i below n, in no order, and returns when all is done. Where there are enough of
 * them it does so in a few threads, which take no signals: fn touches nothing but what is of its i, and
 * does not call back to the user.
 */
void csb__each(size_t n, void (*fn)(void *arg, size_t i), void *arg);

#endif
