/* SPDX-License-Identifier: MIT */
#ifndef CSB_GUEST_LOOPBACK_H
#define CSB_GUEST_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a URL names a port on the host's own loopback, and then which: "http://localhost:8080/x"
 * is 127.0.0.1, 8080. The host comes back as ssh's -R takes it, "127.0.0.1" or "[::1]". */
bool csb__loopback_url(const char *url, char *host, size_t size, int *port);

#endif
