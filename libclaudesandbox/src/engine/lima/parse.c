/* SPDX-License-Identifier: MIT */
#include "engine/lima/parse.h"

#include <limits.h>
#include <string.h>

#include "core/json.h"
#include "engine/lima/args.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define ERRORS_MAX 2048

static uint64_t positive(const json_t *json, const char *key) {
    int64_t value = csb__json_int(json, key, 0);

    return value > 0 ? (uint64_t)value : 0;
}

/* Lima's errors quote the file they are about, over several lines. */
static char *join_errors(const json_t *array) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;
    size_t i;
    const json_t *item;

    json_array_foreach(array, i, item) {
        const char *text = json_string_value(item);

        if (text && *text && sb.len < ERRORS_MAX) {
            size_t len = strcspn(text, "\n");

            csb__strbuf_puts(&sb, sb.len ? "; " : "");
            csb__strbuf_add(&sb, text, len < ERRORS_MAX ? len : ERRORS_MAX);
        }
    }
    return sb.len ? csb__strbuf_detach(&sb) : NULL;
}

static int take_record(const json_t *json, struct csb__lima_record *r, csb_error **err) {
    const char *name = csb__json_string(json, "name", "");
    int64_t cpus = csb__json_int(json, "cpus", 0);

    if (*name == '\0' || strchr(name, '/')) {
        return csb__fail(err, CSB_EPROTOCOL, "no name");
    }
    r->name = strdup(name);
    r->status = strdup(csb__json_string(json, "status", ""));
    r->vm_type = strdup(csb__json_string(json, "vmType", ""));
    if (!r->name || !r->status || !r->vm_type) {
        return csb__fail_nomem(err);
    }
    r->errors = join_errors(json_object_get(json, "errors"));
    r->cpus = cpus > 0 && cpus <= INT_MAX ? (int)cpus : 0;
    r->memory = positive(json, "memory");
    r->disk = positive(json, "disk");
    return 0;
}

static int take_line(struct csb__lima_list *list, const char *line, size_t len, csb_error **err) {
    CSB__AUTOJSON *json = NULL;
    struct csb__lima_record *items;
    int rc;

    if (list->n >= CSB__LIMA_RECORDS_MAX || len > LINE_MAX_BYTES) {
        return csb__fail(err, CSB_EPROTOCOL, "too much of it");
    }
    rc = csb__json_parse(line, len, &json, err);
    if (rc != 0) {
        return rc;
    }
    items = realloc(list->items, (list->n + 1) * sizeof(*items));
    if (!items) {
        return csb__fail_nomem(err);
    }
    list->items = items;
    items[list->n] = (struct csb__lima_record){0};
    return take_record(json, &items[list->n++], err);
}

int csb__lima_parse_list(const char *text, size_t len, struct csb__lima_list *ret,
                         csb_error **err) {
    CSB__AUTOLIMALIST list = {NULL, 0};
    size_t number = 1;

    for (const char *end = text + len; text < end; number++) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((nl ? nl : end) - text);
        int rc = n > 0 ? take_line(&list, text, n, err) : 0;

        if (rc != 0) {
            csb__error_prepend(err, "line %zu of what limactl lists", number);
            return rc;
        }
        text += n + (nl ? 1 : 0);
    }
    *ret = list;
    list = (struct csb__lima_list){NULL, 0};
    return 0;
}

const struct csb__lima_record *csb__lima_list_find(const struct csb__lima_list *list,
                                                   const char *name) {
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

void csb__lima_list_finish(struct csb__lima_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        free(list->items[i].status);
        free(list->items[i].vm_type);
        free(list->items[i].errors);
    }
    free(list->items);
    *list = (struct csb__lima_list){NULL, 0};
}

/* The last line that is complete and speaks of a status: each one repeats all that still holds
 * (pkg/hostagent/hostagent.go: currentStatus). */
static int parse_event(const char *line, size_t len) {
    CSB__AUTOJSON *json = NULL;
    const json_t *status;

    if (csb__json_parse(line, len, &json, NULL) != 0) {
        return CSB__LIMA_NO_EVENTS;
    }
    status = json_object_get(json, "status");
    if (!json_is_object(status)) {
        return CSB__LIMA_NO_EVENTS;
    }
    if (json_is_true(json_object_get(status, "exiting"))) {
        return CSB__LIMA_EXITING;
    }
    return json_is_true(json_object_get(status, "running")) ? CSB__LIMA_READY : CSB__LIMA_BOOTING;
}

int csb__lima_parse_events(const char *text, size_t len) {
    int state = CSB__LIMA_NO_EVENTS;

    for (const char *end = text + len; text < end && state == CSB__LIMA_NO_EVENTS;) {
        const char *start = end - 1;

        while (start > text && start[-1] != '\n') {
            start--;
        }
        state = parse_event(start, (size_t)(end - start));
        end = start;
    }
    return state;
}

static int differs(csb_error **err, const char *what) {
    csb__fail(err, CSB_EPROTOCOL, "the VM would not be as asked: %s", what);
    csb__error_set_hint(err, "look into _config/override.yaml and _config/default.yaml in "
                             "LIMA_HOME, which Lima adds to every VM");
    return CSB_EPROTOCOL;
}

static int check_mount(const json_t *actual, const struct csb__mount *m, size_t index,
                       csb_error **err) {
    size_t size = strlen(m->guest_path) + 64;
    CSB__AUTOFREE char *point = malloc(size);
    size_t i;
    const json_t *item;

    if (!point) {
        return csb__fail_nomem(err);
    }
    csb__lima_mount_point(m, index, point, size);
    json_array_foreach(actual, i, item) {
        if (strcmp(csb__json_string(item, "mountPoint", ""), point) == 0 &&
            strcmp(csb__json_string(item, "location", ""), m->host_path) == 0 &&
            json_is_true(json_object_get(item, "writable")) == m->writable) {
            return 0;
        }
    }
    differs(err, "a directory is not shared");
    csb__error_prepend(err, "%s", m->host_path);
    return CSB_EPROTOCOL;
}

static bool is_trusted_mount_type(const char *type) {
#ifdef __APPLE__
    if (strcmp(type, "virtiofs") == 0) {
        return true;
    }
#endif
    return strcmp(type, "9p") == 0;
}

int csb__lima_check_config(const char *text, size_t len, const struct csb__spec *spec,
                           csb_error **err) {
    CSB__AUTOJSON *json = NULL;
    const json_t *mounts;
    int rc = csb__json_parse(text, len, &json, err);

    if (rc != 0) {
        csb__error_prepend(err, "the VM's configuration");
        return rc;
    }
    mounts = json_object_get(json, "mounts");
    if (json_array_size(mounts) != spec->n_mounts) {
        return differs(err, "it shares more or fewer directories");
    }
    for (size_t i = 0; i < spec->n_mounts; i++) {
        rc = check_mount(mounts, &spec->mounts[i], i, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (!is_trusted_mount_type(csb__json_string(json, "mountType", ""))) {
        return differs(err, "its mountType is one that a guest can break out of or write through");
    }
    if (json_is_true(json_object_get(json, "plain"))) {
        return differs(err, "plain: true leaves out the shared directories");
    }
    if (json_is_true(json_object_get(json_object_get(json, "ssh"), "forwardAgent"))) {
        return differs(err, "ssh.forwardAgent gives it your keys");
    }
    return 0;
}
