/* SPDX-License-Identifier: MIT */
/* QEMU's control socket, with anything at its other end. */
#include "fuzz.h"
#include "core/posix.h"
#include "engine/qemu/qmp.h"

#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__env env = {.cancel_pipe = {-1, -1}, .deadline = -1};
    struct csb__qmp q = {.env = &env};
    char asked[4096];
    int fds[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    q.fd = fds[0];
    MUST(csb__write_all(fds[1], data, size < 65536 ? size : 65536) == 0);
    shutdown(fds[1], SHUT_WR);
    for (int rc = 0; rc != CSB_EENGINE && rc != CSB_EPROTOCOL;) {
        csb_error *err = NULL;
        json_t *answer = NULL;

        rc = csb__qmp_execute(&q, "query-status", NULL, &answer, &err);
        /* An answer takes a line with it, so this ends; one that says no is EENGINE as well. */
        MUST(rc == 0 || !answer);
        fuzz_good(rc, err);
        json_decref(answer);
        /* QEMU reads what it is asked, so that there is room for more of it. */
        while (recv(fds[1], asked, sizeof(asked), MSG_DONTWAIT) > 0) {
        }
    }
    close(fds[1]);
    csb__qmp_close(&q);
    return 0;
}
