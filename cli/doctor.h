/* SPDX-License-Identifier: MIT */
/* What `doctor` looks at: a file for each kind of thing, each of which adds its findings. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <jansson.h>

#include "cli.h"

struct doctor {
    csb_ctx *ctx;
    const struct cli_options *o;
    const char *engine; /* of new VMs; NULL: none is usable */
    json_t *findings;   /* with --json; else each is printed as it comes */
    int problems;
};

/* doctor_say.c: one line a finding. `mend` is the command that mends it, "" where none does; it is only told when
 * the finding is bad. */
void doctor_say(struct doctor *d, bool good, const char *check, const char *mend, const char *fmt,
                ...) __attribute__((format(printf, 5, 6)));

void doctor_engine(struct doctor *d);
void doctor_base(struct doctor *d);
void doctor_host(struct doctor *d);
void doctor_settings(struct doctor *d);
void doctor_vms(struct doctor *d);

#endif
