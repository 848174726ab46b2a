/* SPDX-License-Identifier: MIT */
/* What Claude does in a guest, as its sessions tell. */
#ifndef CSB_GUEST_ACTIVITY_H
#define CSB_GUEST_ACTIVITY_H

#include "core/strbuf.h"
#include "engine/engine.h"

/* One command there; *ret is a CSB_ACTIVITY_... */
int csb__activity_ask(struct csb__env *env, const struct csb__door *door, int *ret,
                      csb_error **err);

/* What is run there, and what to make of its words. Pure. */
void csb__activity_script(struct csb__strbuf *out);
int csb__activity_parse(const char *text, size_t len, int *ret, csb_error **err);

#endif
