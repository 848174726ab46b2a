/* SPDX-License-Identifier: MIT */
#include "guest/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/posix.h"
#include "guest/ssh.h"

#define CLOSE_MS 15000

static bool is_among(const struct csb__port *ports, size_t n, uint16_t host) {
    for (size_t i = 0; i < n; i++) {
        if (ports[i].host == host) {
            return true;
        }
    }
    return false;
}

/* By doing what ssh will do. errno on failure. */
static int try_bind(uint16_t port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    CSB__AUTOCLOSE int fd = csb__tcp_socket();
    int on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
}

int csb__ports_check_free(const struct csb__port *ports, size_t n, const struct csb__port *except,
                          size_t n_except, csb_error **err) {
    for (size_t i = 0; i < n; i++) {
        int rc = is_among(except, n_except, ports[i].host) ? 0 : try_bind(ports[i].host);

        if (rc == EADDRINUSE) {
            return csb__fail(err, CSB_EBUSY, "port %u of the host is in use", ports[i].host);
        }
        if (rc == EACCES) {
            csb__fail(err, CSB_EINVAL, "port %u of the host is for root", ports[i].host);
            csb__error_set_hint(err, "take one from 1024: -p %u:%u", ports[i].host + 8000U,
                                ports[i].guest);
            return CSB_EINVAL;
        }
        if (rc != 0) {
            return csb__fail_errno(err, rc, "port %u of the host", ports[i].host);
        }
    }
    return 0;
}

static int control(struct csb__env *env, const struct csb__door *door, const char *verb,
                   const struct csb__port *p, csb_error **err) {
    char spec[64];

    snprintf(spec, sizeof(spec), "127.0.0.1:%u:127.0.0.1:%u", p->host, p->guest);
    return csb__ssh_forward(env, door, verb, "-L", spec, err);
}

int csb__forwards_open(struct csb__env *env, const struct csb__door *door,
                       const struct csb__port *ports, size_t n, csb_error **err) {
    for (size_t i = 0; i < n; i++) {
        int rc = control(env, door, "forward", &ports[i], err);

        if (rc != 0) {
            csb__error_prepend(err, "port %u of the host", ports[i].host);
            return rc;
        }
    }
    return 0;
}

/* A cancel that comes meanwhile ends what the caller does next: nobody would hear of it here. */
void csb__forwards_close(struct csb__env *env, const struct csb__door *door,
                         const struct csb__port *ports, size_t n) {
    int64_t saved = csb__env_shield(env, CLOSE_MS);

    for (size_t i = 0; i < n; i++) {
        (void)control(env, door, "cancel", &ports[i], NULL);
    }
    csb__env_unshield(env, saved);
}
