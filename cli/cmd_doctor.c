/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static int print_json(const struct doctor *d) {
    json_t *root = json_pack("{s:i, s:b, s:O}", "schema", 1, "ok", d->problems == 0, "findings",
                             d->findings);
    int rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;

    putchar('\n');
    json_decref(root);
    return rc == 0 ? 0 : EXIT_SANDBOX;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    struct doctor d = {.ctx = ctx, .o = o};
    int status = 0;

    if (o->json) {
        d.findings = json_array();
        if (!d.findings) {
            return EXIT_SANDBOX;
        }
    }
    doctor_engine(&d);
    doctor_host(&d);
    doctor_base(&d);
    doctor_settings(&d);
    doctor_vms(&d);
    if (d.findings) {
        status = print_json(&d);
        json_decref(d.findings);
    }
    return status ? status : d.problems ? 1 : 0;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what works here, what doesn't, and what mends it",
    .run = run,
};
