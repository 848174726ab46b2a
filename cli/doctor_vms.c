/* SPDX-License-Identifier: MIT */
/* The VMs that are there, and what is left of others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor.h"

#define ASK_MS 5000
#define SKEW_MAX 5 /* seconds, of which the question takes some */

static void check_broken(struct doctor *d, const csb_vm *vm) {
    char mend[256];

    snprintf(mend, sizeof(mend), "claude-sandbox stop -f %s", csb_vm_name(vm));
    doctor_say(d, false, "VMs", mend, "%s is broken: %s", csb_vm_name(vm), csb_vm_state_reason(vm));
}

/* A guest whose host slept may live in the past; certificates and builds mind. */
static void check_clock(struct doctor *d, csb_vm *vm) {
    static const char *const date[] = {"date", "+%s", NULL};
    long long before = (long long)time(NULL);
    char answer[64];
    char mend[512];
    char *end;
    long long there;
    long long skew;

    if (cli_guest_ask(vm, date, ASK_MS, answer, sizeof(answer)) != 0) {
        snprintf(mend, sizeof(mend), "claude-sandbox stop -f %s", csb_vm_name(vm));
        doctor_say(d, false, "VMs", mend, "%s runs, but does not answer", csb_vm_name(vm));
        return;
    }
    there = strtoll(answer, &end, 10);
    skew = there < before                  ? there - before
           : there > (long long)time(NULL) ? there - (long long)time(NULL)
                                           : 0;
    if (end == answer || *end != '\n') {
        doctor_say(d, false, "clock", "", "%s does not know what time it is", csb_vm_name(vm));
    } else if (skew > SKEW_MAX || skew < -SKEW_MAX) {
        char *dir = cli_quote(csb_vm_project_dir(vm));

        snprintf(mend, sizeof(mend), "claude-sandbox -d %s shell -- sudo date -s \"@$(date +%%s)\"",
                 dir ? dir : ".");
        free(dir);
        doctor_say(d, false, "clock", mend, "the clock of %s is %lld seconds %s", csb_vm_name(vm),
                   skew < 0 ? -skew : skew, skew < 0 ? "late" : "early");
    }
}

static void check_vms(struct doctor *d, csb_ctx *hasty) {
    csb_vm_list *list = NULL;
    csb_error *err = NULL;

    if (csb_vm_list_new(hasty, &list, &err) != 0) {
        doctor_say(d, false, "VMs", csb_error_hint(err), "%s", csb_error_message(err));
        csb_error_free(err);
        return;
    }
    for (size_t i = 0; i < csb_vm_list_count(list); i++) {
        csb_vm *vm = csb_vm_list_get(list, i);

        if (csb_vm_state(vm) == CSB_VM_BROKEN) {
            check_broken(d, vm);
        } else if (csb_vm_state(vm) == CSB_VM_RUNNING) {
            check_clock(d, vm);
        }
    }
    doctor_say(d, true, "VMs", "", "%zu, in %s", csb_vm_list_count(list),
               csb_ctx_state_dir(d->ctx));
    csb_vm_list_free(list);
}

/* ---- what is left of others ------------------------------------------------------------------ */

struct leftovers {
    size_t n;
    uint64_t bytes;
};

static void on_found(const char *what, const char *path, uint64_t bytes, const csb_error *failure,
                     void *userdata) {
    struct leftovers *l = userdata;

    (void)what;
    (void)path;
    (void)failure;
    l->n++;
    l->bytes += bytes;
}

static void check_leftovers(struct doctor *d) {
    struct leftovers l = {0};
    csb_error *err = NULL;

    if (csb_ctx_clean(d->ctx, CSB_CLEAN_DRY_RUN, on_found, &l, &err) != 0) {
        doctor_say(d, false, "leftovers", csb_error_hint(err), "%s", csb_error_message(err));
    } else {
        doctor_say(d, l.n == 0, "leftovers", "claude-sandbox prune --leftovers",
                   "%zu %s to no VM, %llu MiB", l.n, l.n == 1 ? "thing belongs" : "things belong",
                   (unsigned long long)(l.bytes >> 20));
    }
    csb_error_free(err);
}

void doctor_vms(struct doctor *d) {
    csb_ctx *hasty = cli_new_hasty_context(d->o, 2 * ASK_MS);

    if (hasty) {
        check_vms(d, hasty);
    }
    cli_free_context(hasty);
    check_leftovers(d);
}
