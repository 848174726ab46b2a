/* SPDX-License-Identifier: MIT */
#include "model/size.h"

#include <string.h>
#include <strings.h>

#include <claudesandbox/vm.h>

/* The power of 1024 a unit stands for, -1 for none of ours. */
static int unit_power(const char *unit) {
    static const char *const units[][4] = {
        {"", "b", NULL, NULL},    {"k", "kb", "kib", NULL}, {"m", "mb", "mib", NULL},
        {"g", "gb", "gib", NULL}, {"t", "tb", "tib", NULL},
    };

    for (int power = 0; power < 5; power++) {
        for (int i = 0; i < 4 && units[power][i]; i++) {
            if (strcasecmp(unit, units[power][i]) == 0) {
                return power;
            }
        }
    }
    return -1;
}

/* Digits, and up to three after a point: `value` in thousandths. Returns where it stopped. */
static const char *parse_number(const char *p, uint64_t *value) {
    int decimals = 0;

    *value = 0;
    if (*p < '0' || *p > '9') {
        return NULL;
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        *value = *value * 10 + (uint64_t)(*p - '0');
        if (*value > UINT64_C(1) << 50) {
            return NULL;
        }
    }
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9' && decimals < 3; p++, decimals++) {
            *value = *value * 10 + (uint64_t)(*p - '0');
        }
        if (decimals == 0) {
            return NULL;
        }
    }
    for (; decimals < 3; decimals++) {
        *value *= 10;
    }
    return p;
}

int csb__size_parse(const char *text, uint64_t *ret, csb_error **err) {
    uint64_t thousandths = 0;
    const char *unit = parse_number(text, &thousandths);
    int power = unit ? unit_power(unit + strspn(unit, " ")) : -1;
    uint64_t factor = power < 0 ? 0 : UINT64_C(1) << (10 * power);

    if (power < 0 || thousandths == 0 || thousandths > (UINT64_C(1) << 62) / factor) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is not a size such as 4GiB or 512MiB", text);
    }
    /* factor = 1000 q + r keeps the product within 64 bits. */
    *ret = thousandths * (factor / 1000) + thousandths * (factor % 1000) / 1000;
    if (*ret == 0) {
        return csb__fail(err, CSB_EINVAL, "\"%s\" is less than a byte", text);
    }
    return 0;
}

int csb_size_parse(const char *text, uint64_t *ret, csb_error **err) {
    return csb__size_parse(text, ret, err);
}
