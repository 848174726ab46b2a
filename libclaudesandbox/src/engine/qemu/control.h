/* SPDX-License-Identifier: MIT */
/* The line protocol with the small agent in our guests, over a virtio-serial port: "ID VERB ARGS"
 * there, "ID ok TEXT" or "ID error TEXT" back. What comes from there is the guest's word. */
#ifndef CSB_QEMU_CONTROL_H
#define CSB_QEMU_CONTROL_H

#include "engine/qemu/instance.h"

/* Asks until the guest says that it is ready. EENGINE when QEMU ends meanwhile, ETIMEOUT. */
int csb__control_wait_ready(struct csb__env *env, const struct csb__instance *i, csb_error **err);
/* Asks the guest to shut down; EENGINE when it does not say that it will within some seconds. */
int csb__control_poweroff(struct csb__env *env, const struct csb__instance *i, csb_error **err);

/* Says lines (verbs and what belongs to them, without numbers and newlines) one after the other,
 * at once, and hears that each was done: EPROTOCOL with the guest's words when one was not. `text`,
 * when not NULL, gets what came with the last answer. */
int csb__control_tell(struct csb__env *env, const struct csb__instance *i,
                      const struct csb__strv *lines, struct csb__strbuf *text, csb_error **err);
/* One line: a verb, and what belongs to it ("": nothing). */
int csb__control_say(struct csb__env *env, const struct csb__instance *i, const char *verb,
                     const char *what, struct csb__strbuf *text, csb_error **err);

#endif
