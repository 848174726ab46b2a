/* SPDX-License-Identifier: MIT */
/* How Claude's hooks in a guest reach the host: a script, settings that nobody there can do without,
 * and a socket. */
#ifndef CSB_GUEST_WIRING_H
#define CSB_GUEST_WIRING_H

#include "engine/engine.h"

/* Adds to a guest's script what installs the hook and registers it for all users. Pure. */
void csb__wiring_script(struct csb__strbuf *out);

/* The settings that register it, to be freed; NULL when memory ran out. */
char *csb__wiring_settings(void);

#endif
