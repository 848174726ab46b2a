/* SPDX-License-Identifier: MIT */
/* The VM that new ones are copies of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "doctor.h"

#define OLD_DAYS 90

static const char *or_env(const char *given, const char *name) {
    const char *value = getenv(name);

    return given ? given : value && *value ? value : NULL;
}

/* With lima it may be a VM of the user's own, of which only Lima knows. */
static bool is_limas(const struct doctor *d, const char *name) {
    const char *home = getenv("LIMA_HOME");
    char path[4096];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s/%s/lima.yaml",
             home && *home ? home : csb_ctx_state_dir(d->ctx), home && *home ? "" : "/lima", name);
    return d->engine && strcmp(d->engine, "lima") == 0 && stat(path, &st) == 0;
}

static void check_age(struct doctor *d, const csb_vm *vm, const char *mend) {
    const char *template = or_env(d->o->template, "CLAUDE_SANDBOX_TEMPLATE");
    int64_t days = csb_vm_created(vm) ? (time(NULL) - csb_vm_created(vm)) / 86400 : 0;
    struct stat st;

    if (template && stat(template, &st) == 0 && st.st_mtime > csb_vm_created(vm)) {
        doctor_say(d, false, "base VM", mend, "%s was made before its template changed: %s",
                   csb_vm_name(vm), template);
    } else {
        doctor_say(d, days <= OLD_DAYS, "base VM", mend, "%s, %lld days old", csb_vm_name(vm),
                   (long long)days);
    }
}

static void check_vm(struct doctor *d, const csb_vm *vm, const char *mend) {
    char stop[256];

    if (csb_vm_state(vm) == CSB_VM_STOPPED) {
        check_age(d, vm, mend);
        return;
    }
    snprintf(stop, sizeof(stop), "claude-sandbox stop %s", csb_vm_name(vm));
    doctor_say(d, false, "base VM", stop, "%s is %s; only a stopped VM can be copied",
               csb_vm_name(vm), csb_vm_state_name(vm));
}

void doctor_base(struct doctor *d) {
    const char *name = or_env(d->o->clone_from, "CLAUDE_SANDBOX_BASE_VM");
    csb_error *err = NULL;
    csb_vm *vm = NULL;
    char mend[256];

    if (!name && !or_env(d->o->template, "CLAUDE_SANDBOX_TEMPLATE")) {
        name = cli_default_base(d->ctx);
    }
    if (!name) {
        doctor_say(d, true, "base VM", "", "none is set: new VMs are made from the template");
        return;
    }
    snprintf(mend, sizeof(mend), "claude-sandbox rebuild-tools-vm %s", name);
    if (csb_vm_open(d->ctx, name, &vm, &err) == 0) {
        check_vm(d, vm, mend);
    } else if (is_limas(d, name)) {
        doctor_say(d, true, "base VM", "", "%s, which is not ours but Lima's", name);
    } else {
        doctor_say(d, false, "base VM", mend, "%s", csb_error_message(err));
    }
    csb_error_free(err);
    csb_vm_free(vm);
}
