/* SPDX-License-Identifier: MIT */
/* A unix socket of the host that a guest can connect to. */
#ifndef CSB_GUEST_SOCKET_H
#define CSB_GUEST_SOCKET_H

#include "engine/engine.h"

/*
 * Where such sockets are in a guest: in this directory with its user's number behind it, which is in
 * memory, closed to other users, and gone after a reboot as the connections are.
 */
#define CSB__SOCKET_DIR "/dev/shm/claude-sandbox-"

/*
 * Makes NAME.sock in that directory lead to host_path (absolute; nobody need listen there yet), over
 * the connection that is open. Fine when it does already; made anew when the guest or the
 * connection was restarted.
 *
 * place: what the guest said to csb__socket_place_script, of csb__socket_is_place(); NULL: ask.
 * name: lower case letters, digits and "-".
 * guest_path: where it is in the guest, to be freed; may be NULL.
 *
 * EENGINE when ssh refuses, EPROTOCOL when the guest has no place for it.
 */
int csb__socket_carry(struct csb__env *env, const struct csb__door *door, const char *host_path,
                      const char *place, const char *name, char **guest_path, csb_error **err);

/* Makes the directory, for a guest's shell; prints it where there is one. */
extern const char csb__socket_place_script[];
/* Whether that is what may have been printed: it becomes part of an argument. Pure. */
bool csb__socket_is_place(const char *text);

/* The forward as ssh's -R takes it, which has escapes of its own. Pure. */
void csb__socket_spec(struct csb__strbuf *out, const char *guest_path, const char *host_path);

#endif
