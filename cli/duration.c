/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Some 31 years, which is enough for anybody and overflows nowhere. */
#define SECONDS_MAX 1000000000L

int cli_parse_duration(const char *option, const char *text, int64_t *ms) {
    static const char units[] = "smh";
    static const long seconds[] = {1, 60, 3600};
    char *end = NULL;
    long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    const char *unit = end && *end ? strchr(units, *end) : units;
    long each = unit ? seconds[unit - units] : 1;

    if (n < 0 || !unit || (*end && end[1]) || n > SECONDS_MAX / each) {
        return cli_usage_error("--%s %s: not a time such as 90, 90s, 10m or 2h", option, text);
    }
    *ms = (int64_t)n * each * 1000;
    return -1;
}
