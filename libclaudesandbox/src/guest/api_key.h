/* SPDX-License-Identifier: MIT */
#ifndef CSB_GUEST_API_KEY_H
#define CSB_GUEST_API_KEY_H

#include "engine/engine.h"

/*
 * Says yes for the user, who has set it, to Claude Code's question whether it may use this API key.
 * It remembers the answer by the key's last 20 characters, in ~/.claude.json, and so do we: the key
 * itself is written nowhere. One so short that those would be most of it is left to the question.
 *
 * A guest whose file can't be changed asks. Errors are those of the connection.
 */
int csb__api_key_approve(struct csb__env *env, const struct csb__door *door, const char *key,
                         csb_error **err);

#endif
