/* SPDX-License-Identifier: MIT */
/* What several commands do to a machine. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

bool cli_would_ask(const struct cli_options *o) {
    return !o->force && !o->yes && isatty(STDIN_FILENO);
}

bool cli_confirm(const struct cli_options *o, const char *fmt, ...) {
    char answer[8];
    va_list ap;

    if (!cli_would_ask(o)) {
        return true;
    }
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs(" [y/N] ", stderr);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y')) {
        return true;
    }
    fputs("Nothing was deleted.\n", stderr);
    return false;
}

static int done(int rc, csb_error *err, const char *what, const csb_vm *vm,
                const struct cli_options *o) {
    if (rc != 0) {
        return cli_report(err);
    }
    if (!o->quiet) {
        printf("%s %s.\n", what, csb_vm_name(vm));
    }
    return 0;
}

int cli_stop(csb_vm *vm, const struct cli_options *o) {
    csb_error *err = NULL;
    int before = csb_vm_state(vm);
    int rc = csb_vm_stop(vm, (o->force ? CSB_STOP_FORCE : 0) | (o->suspend ? CSB_STOP_SUSPEND : 0),
                         &err);

    if (rc == 0 && (before == CSB_VM_STOPPED || before == CSB_VM_SUSPENDED) &&
        csb_vm_state(vm) == before) {
        if (!o->quiet) {
            printf("%s is %s.\n", csb_vm_name(vm), csb_vm_state_name(vm));
        }
        return 0;
    }
    return done(rc, err,
                o->suspend && csb_vm_state(vm) == CSB_VM_SUSPENDED ? "Suspended" : "Stopped", vm,
                o);
}

int cli_delete(csb_vm *vm, const struct cli_options *o, unsigned flags) {
    csb_error *err = NULL;
    int rc = csb_vm_delete(vm, flags, &err);

    return done(rc, err, "Deleted", vm, o);
}
