/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "status.h"

static const char *variable(const char *name) {
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* What new VMs are made with, and who else is at work. That no engine is usable is an answer, too. */
static csb_error *look_around(csb_ctx *ctx, const struct cli_options *o, struct status *s) {
    csb_error *err = NULL;

    s->base_vm = o->clone_from ? o->clone_from : variable("CLAUDE_SANDBOX_BASE_VM");
    s->template = o->template ? o->template : variable("CLAUDE_SANDBOX_TEMPLATE");
    cli_server_status("claude-hooks-server", &s->hooks);
    cli_server_status("claude-audio-server", &s->audio);
    if (csb_ctx_engine(ctx, &s->engine, &s->engine_why, &err) != 0) {
        s->engine_why = csb_error_message(err);
    }
    for (size_t i = 0; s->engine && !s->base_vm && !s->template && i < csb_vm_list_count(s->list);
         i++) {
        const csb_vm *vm = csb_vm_list_get(s->list, i);

        s->base_vm = cli_is_default_base(vm, s->engine) ? csb_vm_name(vm) : NULL;
    }
    return err;
}

static int run(csb_ctx *ctx, const struct cli_options *o) {
    bool terminal = isatty(STDOUT_FILENO);
    struct status s = {0};
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    int status = 0;

    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        return cli_report(err);
    }
    s.list = list;
    if (terminal || o->json) {
        err = look_around(ctx, o, &s);
    }
    if (o->json) {
        status = cli_status_json(&s);
    } else if (terminal) {
        cli_status_table(&s);
    } else {
        cli_status_columns(&s);
    }
    csb_error_free(err);
    csb_vm_list_free(list);
    return status;
}

const struct cli_command cmd_status = {
    .name = "status",
    .arguments = "",
    .summary = "all VMs: state, engine, size, project; the servers",
    .run = run,
};
