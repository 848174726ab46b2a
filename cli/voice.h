/* SPDX-License-Identifier: MIT */
#ifndef CLI_VOICE_H
#define CLI_VOICE_H

#include "cli.h"

/* cli_ensure_running(), and the microphone where it was asked for: what that needs on the host is
 * looked for before anything is made or started. */
int cli_ensure_with_voice(csb_ctx *ctx, const struct cli_options *o, csb_vm **ret);

#endif
