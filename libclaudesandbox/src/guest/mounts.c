/* SPDX-License-Identifier: MIT */
#include "guest/mounts.h"

#include <stdio.h>
#include <string.h>

struct line {
    char *path; /* decoded in place */
    const char *options;
    const char *type;
};

/* Octal escapes (\040 for a space), as proc(5) has them. */
static void decode(char *text) {
    char *out = text;

    for (const char *p = text; *p; p++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
            p[3] >= '0' && p[3] <= '7') {
            *out++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
}

/* "36 35 98:0 /root /path rw,noatime master:1 - type source options"; false for anything else. */
static bool parse_line(char *text, struct line *ret) {
    char *save = NULL;
    char *word = strtok_r(text, " ", &save);

    for (int field = 0; word && field < 5; field++, word = strtok_r(NULL, " ", &save)) {
        if (field == 4) {
            ret->path = word;
        }
    }
    ret->options = word;
    while (word && strcmp(word, "-") != 0) {
        word = strtok_r(NULL, " ", &save);
    }
    ret->type = word ? strtok_r(NULL, " ", &save) : NULL;
    if (!ret->type) {
        return false;
    }
    decode(ret->path);
    return true;
}

static bool is_share(const char *type) {
    static const char *const types[] = {"9p", "virtiofs", "fuse.sshfs", "sshfs", NULL};

    for (int i = 0; types[i]; i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_writable(const char *options) {
    return strncmp(options, "rw", 2) == 0 && (options[2] == ',' || options[2] == '\0');
}

/* The index of the mount that belongs at this path; n_mounts for none. */
static size_t find_mount(const struct csb__engine *engine, const struct csb__spec *spec,
                         const char *path, bool *at_its_place) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        CSB__AUTOFREE char *other = engine->mount_point ? engine->mount_point(spec, i) : NULL;

        *at_its_place = strcmp(spec->mounts[i].guest_path, path) == 0;
        if (*at_its_place || (other && strcmp(other, path) == 0)) {
            return i;
        }
    }
    return spec->n_mounts;
}

static int check_line(const struct line *l, const struct csb__engine *engine,
                      const struct csb__spec *spec, bool *seen, csb_error **err) {
    bool at_its_place = false;
    size_t i = find_mount(engine, spec, l->path, &at_its_place);

    if (i == spec->n_mounts) {
        return csb__fail(err, CSB_EPROTOCOL,
                         "the VM mounts a directory of the host that was not "
                         "asked for (%s at %s)",
                         l->type, l->path);
    }
    /* A mount that was to be read-only: that a guest shows it so is a courtesy, the host enforces
     * it; that it shows it writable is a sign that something is wrong. */
    if (is_writable(l->options) != spec->mounts[i].writable) {
        return csb__fail(err, CSB_EPROTOCOL, "the VM has %s mounted %s", l->path,
                         spec->mounts[i].writable ? "read-only" : "writable");
    }
    seen[i] = seen[i] || at_its_place;
    return 0;
}

int csb__mounts_check(const char *text, const struct csb__engine *engine,
                      const struct csb__spec *spec, csb_error **err) {
    CSB__AUTOFREE char *copy = strdup(text);
    bool seen[CSB__MOUNTS_MAX] = {false};
    char *save = NULL;
    int rc = 0;

    if (!copy) {
        return csb__fail_nomem(err);
    }
    for (char *row = strtok_r(copy, "\n", &save); row && rc == 0;
         row = strtok_r(NULL, "\n", &save)) {
        struct line l;

        if (parse_line(row, &l) && is_share(l.type)) {
            rc = check_line(&l, engine, spec, seen, err);
        }
    }
    for (size_t i = 0; rc == 0 && i < spec->n_mounts; i++) {
        if (!seen[i]) {
            rc = csb__fail(err, CSB_EPROTOCOL, "the VM has not mounted %s",
                           spec->mounts[i].guest_path);
        }
    }
    return rc;
}
