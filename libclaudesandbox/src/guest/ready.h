/* SPDX-License-Identifier: MIT */
/* A note of what was already done for a running guest, beside the socket of its ssh master: it is set
 * up, its mounts were checked, its ports and its hooks are carried. It holds for as long as that
 * connection does, since a guest that was rebooted, or whose master died, has another one. */
#ifndef CSB_GUEST_READY_H
#define CSB_GUEST_READY_H

#include "engine/engine.h"

/* Whether the note is there and the connection open. What new settings there are since is to be
 * linked, so then it does not hold. hooks_socket: where hooks reach the host in the guest, to be
 * freed; NULL when they don't. */
bool csb__ready_load(const struct csb__door *door, const struct csb__spec *spec,
                     char **hooks_socket);
/* Whether there is a note at all: something was carried by a connection, if not by this one. */
bool csb__ready_is_noted(const struct csb__door *door);
/* Where the note says that csb-guest is in the guest; NULL: nowhere. To be freed. */
char *csb__ready_keeper(const struct csb__door *door);
/* Writes it. That it can't be is no harm: all is done again the next time. */
void csb__ready_save(const struct csb__door *door, const struct csb__spec *spec,
                     const char *hooks_socket, const char *keeper);

#endif
