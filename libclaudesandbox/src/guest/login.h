/* SPDX-License-Identifier: MIT */
/* The login of the host's own Claude Code, for the one in a guest. */
#ifndef CSB_GUEST_LOGIN_H
#define CSB_GUEST_LOGIN_H

#include "engine/engine.h"

/*
 * Takes the host's login into the guest, anew each time. A host without one is fine, and so is one
 * that makes no sense: the guest keeps what it has then, and a warning says so.
 *
 * Errors are those of the connection.
 */
int csb__login_share(struct csb__env *env, const struct csb__door *door, csb_error **err);

/*
 * What a guest gets of a login (the text of .credentials.json), to be freed: all but the refresh
 * token. That one is good for one use: whoever uses it first logs all others out, the host too.
 * expires: when the rest ends, in ms since 1970; 0 where it isn't said.
 *
 * EPROTOCOL for anything that is no login. Pure.
 */
int csb__login_for_guest(const char *text, size_t len, char **ret, int64_t *expires,
                         csb_error **err);

/* The host's login as it lies there: nothing in `out` where there is none. */
int csb__login_read_file(struct csb__strbuf *out, csb_error **err);
int csb__login_read_keychain(struct csb__env *env, struct csb__strbuf *out, csb_error **err);

#endif
