/* SPDX-License-Identifier: MIT */
/* Makes a guest that has just started ready for Claude, and checks what it sees of the host. */
#ifndef CSB_GUEST_SETUP_H
#define CSB_GUEST_SETUP_H

#include "engine/engine.h"

/* What there was in the guest. */
struct csb__found {
    char *place;        /* where sockets of the host can be had, for csb__socket_carry(); or NULL */
    const char *keeper; /* csb-guest, for csb__command; or NULL */
};

void csb__found_finish(struct csb__found *found);
#define CSB__AUTOFOUND CSB__CLEANUP(csb__found_finish) struct csb__found

/* Waits until ssh answers, prepares the home directory (idempotent), checks the mounts.
 * fresh: it was started just now, rather than found running.
 * EPROTOCOL when they are not what was asked: the caller must stop the machine then. ESTATE for one
 * that is on its way down, which has let go of them. */
int csb__guest_setup(struct csb__env *env, const struct csb__engine *engine,
                     const struct csb__spec *spec, const struct csb__door *door, bool fresh,
                     struct csb__found *ret, csb_error **err);

/* The names in a settings directory that are shared, up to NULL. */
extern const char *const csb__setup_settings[];

/* The script that does it, for a POSIX shell; its last words are the guest's mountinfo. */
void csb__setup_script(struct csb__strbuf *out, const struct csb__engine *engine,
                       const struct csb__spec *spec);

#endif
