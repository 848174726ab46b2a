/* SPDX-License-Identifier: MIT */
/* A machine of an engine that only notes what it is told. The handle is made by hand, because
 * csb_ctx_new() refuses root, and tests may run as root. */
#ifndef TEST_FAKE_VM_H
#define TEST_FAKE_VM_H

#include "support.h"
#include "vm.h"

struct fake_vm {
    csb_ctx ctx;
    csb_vm vm;
    struct test_runner runner;
    char *control; /* the door's socket, which does not exist */
    char *host;    /* what of the host is at FAKE_PROJECT */
};

/* One that is there on every system, for a start looks. */
#define FAKE_PROJECT "/usr/share"
#define FAKE_MOUNTINFO                                                                             \
    "--- mountinfo ---\n36 22 0:40 / " FAKE_PROJECT " rw,relatime - 9p share0 rw\n"

/* What the engine was told, in order: "start,inspect,". */
extern char fake_calls[256];
/* How it is. */
extern int fake_state;
/* What the verbs return; inspect likewise when fake_inspect_rc is set. */
extern int fake_start_rc;
extern int fake_stop_rc;
extern int fake_remove_rc;
extern int fake_inspect_rc;
extern int fake_configure_rc;
extern unsigned fake_stop_flags;
/* What it was configured with last, in a line. */
extern char fake_configured[256];

/* A stopped machine "web" with its record in the store. */
void fake_vm_make(struct fake_vm *f, const struct test_answer *answers, size_t n);
/* Lets it run, as the handle sees it. */
void fake_vm_run(struct fake_vm *f);
void fake_vm_finish(struct fake_vm *f);
#define AUTOVM CSB__CLEANUP(fake_vm_finish) struct fake_vm

#endif
