/* SPDX-License-Identifier: MIT */
/*
 * Lets one call that the library makes fail: of memory, or of the system. The calls are taken by the
 * linker (--wrap), of the library's objects and of jansson's and libyaml's where they are linked
 * statically; what libc calls by itself is not.
 *
 * A call is known by the way to it, which is the innermost frames of the stack: the first call of each
 * way is let fail once, so that loops cost nothing. Children are left alone.
 */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INJECT_SITES_MAX 8192

struct inject_site {
    uint64_t way;
    const char *call; /* "malloc" */
};

/* In memory that children share. */
struct inject_shared {
    size_t n_sites;
    struct inject_site sites[INJECT_SITES_MAX];
    bool struck;
    void *frames[24]; /* where it struck */
    int n_frames;
};

struct inject_shared *inject_open(int depth);
/* From now on notes every way that is not known yet. */
void inject_watch(void);
/* From now on the first call on this way fails; sticky: and all that are like it after that. */
void inject_arm(uint64_t way, bool sticky);
void inject_end(void);

#endif
