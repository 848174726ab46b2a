/* SPDX-License-Identifier: MIT */
#ifndef CSB_CONTEXT_H
#define CSB_CONTEXT_H

#include <claudesandbox/context.h>

#include "core/env.h"
#include "engine/engine.h"

struct csb_ctx {
    struct csb__env env;
    char *wanted_engine;              /* NULL: none in particular */
    const struct csb__engine *engine; /* NULL until chosen */
    char *engine_why;
    char *template_path; /* the installed one */
};

/* The engine for new machines, chosen once. */
int csb__ctx_engine(csb_ctx *ctx, const struct csb__engine **ret, csb_error **err);

#endif
