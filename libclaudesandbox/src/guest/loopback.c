/* SPDX-License-Identifier: MIT */
#include "guest/loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host, size_t len) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", NULL};

    for (int i = 0; names[i]; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], host, len) == 0) {
            return true;
        }
    }
    return false;
}

bool csb__loopback_url(const char *url, char *host, size_t size, int *port) {
    bool tls = strncasecmp(url, "https://", 8) == 0;
    const char *start = url + (tls ? 8 : 7);
    const char *end;
    char *after = NULL;
    long n;

    if (!tls && strncasecmp(url, "http://", 7) != 0) {
        return false;
    }
    end = *start == '[' ? strchr(start, ']') : start + strcspn(start, ":/?#");
    if (!end) {
        return false;
    }
    end += *start == '[' ? 1 : 0;
    if (!is_loopback(start, (size_t)(end - start))) {
        return false;
    }
    n = tls ? 443 : 80;
    if (*end == ':') {
        n = end[1] >= '0' && end[1] <= '9' ? strtol(end + 1, &after, 10) : 0;
        end = after ? after : end;
    }
    if (n < 1 || n > 65535 || !strchr("/?#", *end)) {
        return false;
    }
    /* One spelling for each address: ssh takes two spellings for two forwards of one port. */
    snprintf(host, size, "%s", *start == '[' ? "[::1]" : "127.0.0.1");
    *port = (int)n;
    return true;
}
