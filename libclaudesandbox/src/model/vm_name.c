/* SPDX-License-Identifier: MIT */
#include "model/vm_name.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HASH_DIGITS 8
#define SLUG_MAX 20

static bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

bool csb__vm_name_valid(const char *name) {
    size_t len = strlen(name);

    if (len == 0 || len > CSB__NAME_MAX || !is_alnum(name[0]) || !is_alnum(name[len - 1]) ||
        ends_with(name, ".yml") || ends_with(name, ".yaml")) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (!is_alnum(name[i]) && !(strchr("._-", name[i]) && is_alnum(name[i - 1]))) {
            return false;
        }
    }
    return true;
}

/* FNV-1a, 64 bits. Not a defence against somebody who looks for collisions: records hold the
 * whole path, and a machine is never used for another one. */
static uint64_t hash(const char *text) {
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    }
    return h;
}

void csb__hash8(const char *text, char out[9]) {
    uint64_t h = hash(text);

    snprintf(out, 9, "%08" PRIx32, (uint32_t)(h ^ (h >> 32)));
}

void csb__hash16(const char *text, char out[17]) {
    snprintf(out, 17, "%016" PRIx64, hash(text));
}

/* ASCII letters and digits stay, in lower case; anything between them becomes one dash. */
static void slugify(const char *text, char *out, size_t max) {
    size_t len = 0;

    for (; *text && len < max; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

        if (is_lower_alnum(c)) {
            out[len++] = c;
        } else if (len > 0 && out[len - 1] != '-') {
            out[len++] = '-';
        }
    }
    while (len > 0 && out[len - 1] == '-') {
        len--;
    }
    out[len] = '\0';
    if (len == 0) {
        snprintf(out, max + 1, "%s", "project");
    }
}

int csb__vm_name_for_project(const char *path, size_t max, char out[CSB__NAME_MAX + 1],
                             csb_error **err) {
    const size_t fixed = strlen(CSB__NAME_PREFIX) + 1 + HASH_DIGITS;
    const char *slash = strrchr(path, '/');
    char slug[SLUG_MAX + 1];
    char digits[HASH_DIGITS + 1];
    size_t room;

    if (max <= fixed) {
        csb__fail(err, CSB_EINVAL, "the state directory's path is too long for sockets in it");
        csb__error_set_hint(err, "set CLAUDE_SANDBOX_HOME to a shorter path");
        return CSB_EINVAL;
    }
    room = max - fixed < SLUG_MAX ? max - fixed : SLUG_MAX;
    slugify(slash ? slash + 1 : path, slug, room);
    csb__hash8(path, digits);
    snprintf(out, CSB__NAME_MAX + 1, "%s%s-%s", CSB__NAME_PREFIX, slug, digits);
    return 0;
}
