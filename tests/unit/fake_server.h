/* SPDX-License-Identifier: MIT */
/* Somebody at the other end of a unix socket, who follows a script. */
#ifndef TEST_FAKE_SERVER_H
#define TEST_FAKE_SERVER_H

#include <sys/types.h>

/* One step: what is said at once, or once a line that contains `await` has come. */
struct fake_line {
    const char *await; /* NULL: none */
    const char *say;   /* NULL: hang up */
};

/* Serves one connection in a process of its own, then waits until the peer is gone. That process
 * ends with 0 when the whole script was played. */
pid_t fake_server_start(const char *path, const struct fake_line *script, size_t n);

#endif
