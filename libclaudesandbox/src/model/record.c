/* SPDX-License-Identifier: MIT */
#include "model/record.h"

#include <claudesandbox/vm.h>

#include <string.h>

#include "core/json.h"
#include "model/vm_name.h"

#define SCHEMA 1

static json_t *format_mounts(const struct csb__spec *spec) {
    json_t *array = json_array();

    for (size_t i = 0; array && i < spec->n_mounts; i++) {
        const struct csb__mount *m = &spec->mounts[i];

        if (json_array_append_new(array, json_pack("{s:s, s:s, s:b}", "host", m->host_path, "guest",
                                                   m->guest_path, "writable", m->writable)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *format_ports(const struct csb__spec *spec) {
    json_t *array = json_array();

    for (size_t i = 0; array && i < spec->n_ports; i++) {
        if (json_array_append_new(
                array, json_pack("[i, i]", spec->ports[i].host, spec->ports[i].guest)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* NULL where there are none, which leaves the member away. */
static json_t *format_changes(const struct csb__changes *c) {
    return csb__changes_any(c)
               ? json_pack("{s:i, s:I, s:I, s:s*, s:i}", "cpus", c->cpus, "memory",
                           (json_int_t)c->memory, "disk", (json_int_t)c->disk, "settings_dir",
                           c->settings_dir, "settings_mode", c->settings_mode)
               : NULL;
}

char *csb__record_format(const struct csb__record *r) {
    const struct csb__spec *s = &r->spec;
    CSB__AUTOJSON *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:b, s:b, s:s*, s:s*, s:i, s:I, s:I, s:o*, s:o*, s:o*}",
        "schema", SCHEMA, "name", s->name, "engine", r->engine, "engine_home", r->engine_home,
        "created", (json_int_t)r->created, "complete", r->complete, "protected", r->is_protected,
        "project_dir", s->project_dir, "settings_dir", s->settings_dir, "cpus", s->cpus, "memory",
        (json_int_t)s->memory, "disk", (json_int_t)s->disk, "mounts", format_mounts(s), "ports",
        format_ports(s), "changes", format_changes(&r->changes));

    return json && json_object_get(json, "mounts") && json_object_get(json, "ports") &&
                   csb__changes_any(&r->changes) == (json_object_get(json, "changes") != NULL)
               ? csb__json_text(json, JSON_INDENT(1))
               : NULL;
}

/* An optional string. */
static int take_string(const json_t *json, const char *key, char **ret, csb_error **err) {
    const json_t *value = json_object_get(json, key);

    if (!value) {
        return 0;
    }
    if (!json_is_string(value)) {
        return csb__fail(err, CSB_EPROTOCOL, "%s is not a text", key);
    }
    *ret = strdup(json_string_value(value));
    return *ret ? 0 : csb__fail_nomem(err);
}

/* A list that we would not have written; or there was no memory for it. */
static int fail_list(int rc, const char *what, csb_error **err) {
    return rc == CSB_ENOMEM ? csb__fail_nomem(err) : csb__fail(err, CSB_EPROTOCOL, "%s", what);
}

static int parse_mounts(const json_t *array, struct csb__spec *spec, csb_error **err) {
    size_t i;
    const json_t *m;

    json_array_foreach(array, i, m) {
        const char *host = csb__json_string(m, "host", NULL);
        const char *guest = csb__json_string(m, "guest", NULL);
        int rc = csb__mount_check_guest(guest ? guest : "", NULL);

        if (!host || *host != '/' || !json_is_boolean(json_object_get(m, "writable"))) {
            return csb__fail(err, CSB_EPROTOCOL, "bad mount");
        }
        if (rc == 0) {
            rc = csb__spec_add_mount(spec, host, guest,
                                     json_is_true(json_object_get(m, "writable")), NULL);
        }
        if (rc != 0) {
            return fail_list(rc, "bad mount", err);
        }
    }
    return 0;
}

static int parse_ports(const json_t *array, struct csb__spec *spec, csb_error **err) {
    struct csb__port ports[CSB__PORTS_MAX];
    size_t n = json_array_size(array);
    size_t i;
    const json_t *pair;
    int rc;

    if (n > CSB__PORTS_MAX) {
        return csb__fail(err, CSB_EPROTOCOL, "bad ports");
    }
    json_array_foreach(array, i, pair) {
        json_int_t host = json_integer_value(json_array_get(pair, 0));
        json_int_t guest = json_integer_value(json_array_get(pair, 1));

        if (host < 1 || host > 65535 || guest < 1 || guest > 65535) {
            return csb__fail(err, CSB_EPROTOCOL, "bad ports");
        }
        ports[i].host = (uint16_t)host;
        ports[i].guest = (uint16_t)guest;
    }
    rc = csb__spec_set_ports(spec, ports, n, NULL);
    return rc == 0 ? 0 : fail_list(rc, "bad ports", err);
}

static int parse_changes(const json_t *json, struct csb__changes *c, csb_error **err) {
    int64_t cpus = csb__json_int(json, "cpus", 0);
    int64_t memory = csb__json_int(json, "memory", 0);
    int64_t disk = csb__json_int(json, "disk", 0);
    int64_t mode = csb__json_int(json, "settings_mode", 0);
    int rc;

    if (!json) {
        return 0;
    }
    if (!json_is_object(json) || cpus < 0 || cpus > 256 || memory < 0 || disk < 0 || mode < 0 ||
        mode > CSB_SETTINGS_RO) {
        return csb__fail(err, CSB_EPROTOCOL, "bad changes");
    }
    rc = take_string(json, "settings_dir", &c->settings_dir, err);
    if (rc == 0 && c->settings_dir && *c->settings_dir != '/') {
        rc = csb__fail(err, CSB_EPROTOCOL, "bad changes");
    }
    if (rc != 0) {
        return rc;
    }
    c->cpus = (int)cpus;
    c->memory = (uint64_t)memory;
    c->disk = (uint64_t)disk;
    c->settings_mode = (int)mode;
    return 0;
}

/* The numbers, and that the rest is of its type: what is doubtful is not guessed about. */
static bool take_values(const json_t *json, struct csb__record *r) {
    int64_t cpus = csb__json_int(json, "cpus", -1);
    int64_t memory = csb__json_int(json, "memory", -1);
    int64_t disk = csb__json_int(json, "disk", -1);

    r->spec.cpus = (int)cpus;
    r->spec.memory = (uint64_t)memory;
    r->spec.disk = (uint64_t)disk;
    r->created = csb__json_int(json, "created", -1);
    r->complete = json_is_true(json_object_get(json, "complete"));
    r->is_protected = json_is_true(json_object_get(json, "protected"));
    return cpus >= 0 && cpus <= 256 && memory >= 0 && disk >= 0 && r->created >= 0 &&
           json_is_boolean(json_object_get(json, "complete")) &&
           json_is_array(json_object_get(json, "mounts"));
}

static int take_strings(const json_t *json, struct csb__record *r, csb_error **err) {
    const struct {
        const char *key;
        char **ret;
    } all[] = {{"name", &r->spec.name},
               {"engine", &r->engine},
               {"engine_home", &r->engine_home},
               {"project_dir", &r->spec.project_dir},
               {"settings_dir", &r->spec.settings_dir}};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        int rc = take_string(json, all[i].key, all[i].ret, err);

        if (rc != 0) {
            return rc;
        }
    }
    if (!r->spec.name || !r->engine || !r->engine_home || !csb__vm_name_valid(r->spec.name)) {
        return csb__fail(err, CSB_EPROTOCOL, "a name or path is missing or wrong");
    }
    return 0;
}

int csb__record_parse(const char *text, size_t len, struct csb__record *ret, csb_error **err) {
    CSB__AUTORECORD r = {0};
    CSB__AUTOJSON *json = NULL;
    int rc = csb__json_parse(text, len, &json, err);

    if (rc != 0) {
        return rc;
    }
    if (csb__json_int(json, "schema", 0) != SCHEMA) {
        return csb__fail(err, CSB_EPROTOCOL, "written by another version of claude-sandbox");
    }
    if (!take_values(json, &r)) {
        return csb__fail(err, CSB_EPROTOCOL, "a value is missing or wrong");
    }
    rc = take_strings(json, &r, err);
    if (rc == 0) {
        rc = parse_mounts(json_object_get(json, "mounts"), &r.spec, err);
    }
    if (rc == 0) {
        rc = parse_ports(json_object_get(json, "ports"), &r.spec, err);
    }
    if (rc == 0) {
        rc = parse_changes(json_object_get(json, "changes"), &r.changes, err);
    }
    if (rc == 0) {
        *ret = r;
        r = (struct csb__record){0};
    }
    return rc;
}

void csb__record_finish(struct csb__record *record) {
    csb__spec_finish(&record->spec);
    csb__changes_finish(&record->changes);
    free(record->engine);
    free(record->engine_home);
    *record = (struct csb__record){0};
}
