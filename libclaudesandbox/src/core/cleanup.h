/* SPDX-License-Identifier: MIT */
/* Cleanup attributes: the only GNU extension we lean on, wrapped once. */
#ifndef CSB_CORE_CLEANUP_H
#define CSB_CORE_CLEANUP_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define CSB__CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void csb__cleanup_free(void *p) {
    free(*(void **)p);
}

static inline void csb__cleanup_close(const int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static inline void csb__cleanup_closedir(DIR **dir) {
    if (*dir) {
        closedir(*dir);
    }
}

#define CSB__AUTOFREE CSB__CLEANUP(csb__cleanup_free)
#define CSB__AUTOCLOSE CSB__CLEANUP(csb__cleanup_close)
#define CSB__AUTOCLOSEDIR CSB__CLEANUP(csb__cleanup_closedir)

/* Takes a pointer out of a variable that would free it. */
static inline void *csb__steal_(void *pp) {
    void *p = *(void **)pp;

    *(void **)pp = NULL;
    return p;
}
#define CSB__STEAL(p) ((__typeof__(p))csb__steal_(&(p)))

#endif
