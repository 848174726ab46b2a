/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Digits only, 1 to 65535; leaves *text behind them. 0 for anything else. */
static uint16_t parse_port(const char **text) {
    unsigned long n = 0;
    const char *p = *text;

    for (; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (unsigned long)(*p - '0');
        if (n > 65535) {
            return 0;
        }
    }
    *text = p;
    return (uint16_t)n;
}

int cli_parse_ports(const char *text, csb_port *ports, size_t max, size_t *n) {
    const char *p = text;

    *n = 0;
    if (strcmp(text, "none") == 0) {
        return -1;
    }
    for (;; p++) {
        csb_port port;

        port.host = parse_port(&p);
        port.guest = port.host;
        if (port.host && *p == ':') {
            p++;
            port.guest = parse_port(&p);
        }
        if (!port.host || !port.guest || (*p != ',' && *p != '\0') || *n >= max) {
            return cli_usage_error("--ports %s: not a list of ports from 1 to 65535, such as "
                                   "8080:80,9090, nor none%s",
                                   text,
                                   *text < '0' || *text > '9'
                                       ? "; what is for Claude goes behind --: "
                                         "claude-sandbox -- -p PROMPT"
                                       : "");
        }
        ports[(*n)++] = port;
        if (*p == '\0') {
            return -1;
        }
    }
}
