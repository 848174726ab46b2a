/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "servers.h"

/* Stopped ones need nothing; broken ones are left unless by force, for they can't be asked. */
static bool wants_stop(const csb_vm *vm, const struct cli_options *o) {
    int state = csb_vm_state(vm);

    return state == CSB_VM_RUNNING || state == CSB_VM_STARTING ||
           (state == CSB_VM_BROKEN && o->force);
}

/* One whose engine can't tell may run: that is not passed over. */
static int say_left(csb_vm *vm) {
    csb_error *err = NULL;
    char text[1024];
    int rc = csb_vm_state(vm) == CSB_VM_BROKEN ? csb_vm_refresh(vm, &err) : 0;
    int status = 0;

    if (rc == CSB_ECANCELED) {
        return cli_report(err);
    }
    if (rc != 0 && rc != CSB_ENOTFOUND) {
        snprintf(text, sizeof(text), "%s may still run: %s", csb_vm_name(vm),
                 csb_error_message(err));
        cli_print_safe(text);
        fputs("  try: claude-sandbox stop-all --force\n", stderr);
        status = EXIT_SANDBOX;
    }
    csb_error_free(err);
    return status;
}

/* After the machines that they serve. */
static const char *const servers[] = {HOOKS_SERVER, AUDIO_SERVER};

static int run(csb_ctx *ctx, const struct cli_options *o) {
    csb_vm_list *list = NULL;
    csb_error *err = NULL;
    const char **names;
    size_t n = 0;
    int status = EXIT_SANDBOX;
    int left = 0;

    if (csb_vm_list_new(ctx, &list, &err) != 0) {
        return cli_report(err);
    }
    names = calloc(csb_vm_list_count(list) + 1, sizeof(*names));
    for (size_t i = 0; names && i < csb_vm_list_count(list); i++) {
        csb_vm *vm = csb_vm_list_get(list, i);

        if (wants_stop(vm, o)) {
            names[n++] = csb_vm_name(vm);
        } else {
            int one = say_left(vm);

            left = left ? left : one;
        }
    }
    if (names) {
        status = cli_parallel(o, names, n, cli_stop);
        status = status ? status : left;
    }
    free(names);
    csb_vm_list_free(list);
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        int failed = cli_stop_server(servers[i], o);

        status = status ? status : failed;
    }
    return status;
}

const struct cli_command cmd_stop_all = {
    .name = "stop-all",
    .arguments = "",
    .summary = "stop all VMs, at the same time, and the servers",
    .run = run,
};
