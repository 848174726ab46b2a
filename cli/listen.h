/* SPDX-License-Identifier: MIT */
/* Waiting while events of hooks are heard, as long as there is a server that passes them on. */
#ifndef CLI_LISTEN_H
#define CLI_LISTEN_H

#include "cli.h"

struct listener {
    csb_ctx *ctx;
    csb_hook_fn fn; /* only watches */
    void *userdata;
    csb_hooks *hooks; /* NULL: nobody to be heard */
    int64_t next_try;
};

/* For who can't do without: ENOTFOUND when there is no server. Else the first waiting does it. */
int listen_open(struct listener *l, csb_error **err);
/* For at most so long; less when something was heard. -1 to go on, else the exit status to end with. */
int listen_wait(struct listener *l, int64_t ms);
void listen_end(struct listener *l);

/* The clock that only goes on. */
int64_t listen_now_ms(void);

#endif
