/* SPDX-License-Identifier: MIT */
#include "engine/lima/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/lima_proc.h"

#define STORE "_claude-sandbox"
#define PREFIX "../" STORE "/"
#define SUFFIX ".qcow2"
#define ID_LEN 16
/* QEMU opens them all. */
#define DEPTH_MAX 32

/* ---- files ----------------------------------------------------------------------------------- */

static bool is_id(const char *name) {
    return strlen(name) == ID_LEN + strlen(SUFFIX) && strspn(name, "0123456789abcdef") >= ID_LEN &&
           strcmp(name + ID_LEN, SUFFIX) == 0;
}

/* The file's name when it is one of ours, else NULL. */
static const char *layer_name(const char *backing) {
    const char *name = backing + strlen(PREFIX);

    return strncmp(backing, PREFIX, strlen(PREFIX)) == 0 && is_id(name) ? name : NULL;
}

static char *layer_path(const char *home, const char *name) {
    CSB__AUTOFREE char *store = csb__path_join(home, STORE);

    return store ? csb__path_join(store, name) : NULL;
}

static char *disk_path(const char *home, const char *machine) {
    CSB__AUTOFREE char *dir = csb__path_join(home, machine);

    return dir ? csb__path_join(dir, "disk") : NULL;
}

/* errno or 0. A file of another kind has nothing behind it. */
static int read_head(const char *path, struct csb__qcow2 *ret, bool *is_qcow2) {
    CSB__AUTOCLOSE int fd = csb__open(path, O_RDONLY, 0);
    CSB__AUTOFREE unsigned char *bytes = malloc(CSB__QCOW2_HEAD);
    ssize_t n;

    if (fd < 0 || !bytes) {
        return fd < 0 ? errno : ENOMEM;
    }
    n = pread(fd, bytes, CSB__QCOW2_HEAD, 0);
    if (n < 0) {
        return errno;
    }
    *ret = (struct csb__qcow2){0};
    *is_qcow2 = csb__qcow2_parse(bytes, (size_t)n, ret);
    return 0;
}

int csb__lima_layer_write(const char *path, const struct csb__qcow2 *disk, csb_error **err) {
    CSB__AUTOFREE unsigned char *bytes = malloc(CSB__QCOW2_OVERLAY);

    if (!bytes) {
        return csb__fail_nomem(err);
    }
    if (!csb__qcow2_overlay(disk->size, disk->backing, bytes)) {
        return csb__fail(err, CSB_ENOTSUP, "its disk has an odd size");
    }
    return csb__write_file(path, bytes, CSB__QCOW2_OVERLAY, 0600, err);
}

/* Still as csb__lima_layer_write() has made it: what it lies on is all there is in it. */
static bool is_untouched(const char *path, const struct csb__qcow2 *disk) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOFREE unsigned char *bytes = malloc(CSB__QCOW2_OVERLAY);
    struct stat st;

    return bytes && lstat(path, &st) == 0 && st.st_size == (off_t)CSB__QCOW2_OVERLAY &&
           csb__qcow2_overlay(disk->size, disk->backing, bytes) &&
           csb__read_file(path, CSB__QCOW2_OVERLAY, &text) == 0 && text.len == CSB__QCOW2_OVERLAY &&
           memcmp(text.data, bytes, text.len) == 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* The layers below a disk; more than DEPTH_MAX when one is missing or none of ours. */
static int depth_of(const char *home, const struct csb__qcow2 *disk) {
    struct csb__qcow2 below = *disk;
    int depth = 0;

    while (*below.backing && depth <= DEPTH_MAX) {
        const char *name = layer_name(below.backing);
        CSB__AUTOFREE char *path = name ? layer_path(home, name) : NULL;
        bool ok = false;

        if (!path || read_head(path, &below, &ok) != 0 || !ok) {
            return DEPTH_MAX + 1;
        }
        depth++;
    }
    return depth;
}

static int new_layer(const char *home, char name[ID_LEN + 16], char **path, csb_error **err) {
    CSB__AUTOFREE char *store = csb__path_join(home, STORE);
    char id[ID_LEN + 1];
    int rc = store ? csb__mkdirs(store, err) : csb__fail_nomem(err);

    if (rc == 0 && csb__random_hex(id, ID_LEN) != 0) {
        rc = csb__fail(err, CSB_ESYSTEM, "no random numbers");
    }
    if (rc != 0) {
        return rc;
    }
    id[ID_LEN] = '\0';
    snprintf(name, ID_LEN + 16, "%s" SUFFIX, id);
    *path = csb__path_join(store, name);
    return *path ? 0 : csb__fail_nomem(err);
}

/* One step and then another, and the base has its disk after each: until the second the file has two
 * names, and the new one is nobody's. */
static int swap(const char *disk, const char *draft, const char *layer, csb_error **err) {
    if (link(disk, layer) != 0) {
        return csb__fail(err, CSB_ENOTSUP, "its disk can't have another name: %s", strerror(errno));
    }
    if (rename(draft, disk) != 0) {
        int saved = errno;

        unlink(layer);
        return csb__fail_errno(err, saved, "can't replace %s", disk);
    }
    return 0;
}

/* Somebody's limactl, who knows no lock of ours, may have had the file opened meanwhile. */
static int check_quiet(const char *home, const char *base, const char *disk, const char *layer,
                       csb_error **err) {
    struct csb__lima_proc procs[CSB__LIMA_PROCS_MAX];

    if (csb__lima_procs(home, base, procs) == 0) {
        (void)chmod(layer, 0400);
        return 0;
    }
    (void)rename(layer, disk);
    return csb__fail(err, CSB_ESTATE, "%s was started while it was copied", base);
}

static int freeze(const char *home, const char *base, const char *disk, struct csb__qcow2 *d,
                  csb_error **err) {
    CSB__AUTOFREE char *draft = NULL;
    CSB__AUTOFREE char *layer = NULL;
    char name[ID_LEN + 16];
    int rc = new_layer(home, name, &layer, err);

    /* limactl leaves away what is called so. */
    if (rc == 0 && asprintf(&draft, "%s.tmp", disk) < 0) {
        draft = NULL;
        rc = csb__fail_nomem(err);
    }
    if (rc == 0) {
        snprintf(d->backing, sizeof(d->backing), PREFIX "%s", name);
        rc = csb__lima_layer_write(draft, d, err);
    }
    if (rc == 0) {
        rc = swap(disk, draft, layer, err);
    }
    if (rc != 0) {
        if (draft) {
            unlink(draft);
        }
        return rc;
    }
    return check_quiet(home, base, disk, layer, err);
}

int csb__lima_layer_of(const char *home, const char *base, uint64_t most, struct csb__qcow2 *ret,
                       csb_error **err) {
    CSB__AUTOFREE char *disk = disk_path(home, base);
    bool is_qcow2 = false;
    struct stat st;
    int depth;

    if (!disk) {
        return csb__fail_nomem(err);
    }
    if (lstat(disk, &st) != 0 || !S_ISREG(st.st_mode) || read_head(disk, ret, &is_qcow2) != 0 ||
        !is_qcow2 || !ret->plain) {
        return csb__fail(err, CSB_ENOTSUP, "its disk is no plain qcow2 file");
    }
    if (most != 0 && most < ret->size) {
        return csb__fail(err, CSB_ENOTSUP, "its disk is bigger");
    }
    depth = depth_of(home, ret);
    if (depth > 0 && depth <= DEPTH_MAX && is_untouched(disk, ret)) {
        return 0;
    }
    if (depth >= DEPTH_MAX) {
        return csb__fail(err, CSB_ENOTSUP, "its disk lies on too many others, or on a strange one");
    }
    return freeze(home, base, disk, ret, err);
}

/* ---- removing -------------------------------------------------------------------------------- */

struct layer {
    char name[ID_LEN + 16];
    char below[ID_LEN + 16];
    bool used;
};

struct layers {
    struct layer *items;
    size_t n;
    bool unsure; /* something can't be read: none goes */
};

static void mark(struct layers *all, const char *name) {
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->items[i].name, name) == 0 && !all->items[i].used) {
            all->items[i].used = true;
            mark(all, all->items[i].below);
        }
    }
}

static void find_layer(const char *home, const char *name, struct layers *all) {
    CSB__AUTOFREE char *path = layer_path(home, name);
    struct layer *items = realloc(all->items, (all->n + 1) * sizeof(*items));
    struct csb__qcow2 head = {0};
    const char *below;
    bool ok = false;

    all->items = items ? items : all->items;
    if (!items || !path || read_head(path, &head, &ok) != 0 || (*head.backing && !ok)) {
        all->unsure = true;
        return;
    }
    below = layer_name(head.backing);
    items[all->n] = (struct layer){.used = false};
    snprintf(items[all->n].name, sizeof(items->name), "%s", name);
    snprintf(items[all->n].below, sizeof(items->below), "%s", below ? below : "");
    all->n++;
}

static void mark_disk(const char *home, const char *machine, struct layers *all) {
    CSB__AUTOFREE char *path = disk_path(home, machine);
    struct csb__qcow2 head = {0};
    const char *name;
    bool ok = false;
    int rc = path ? read_head(path, &head, &ok) : ENOMEM;

    if (rc != 0) {
        all->unsure = all->unsure || (rc != ENOENT && rc != ENOTDIR);
        return;
    }
    name = layer_name(head.backing);
    if (name) {
        mark(all, name);
    }
}

static void each_entry(const char *home, const char *path, struct layers *all,
                       void (*fn)(const char *home, const char *name, struct layers *all)) {
    CSB__AUTOCLOSEDIR DIR *dir = path ? opendir(path) : NULL;
    struct dirent *entry;

    all->unsure = all->unsure || !dir;
    while (dir && (entry = readdir(dir))) {
        fn(home, entry->d_name, all);
    }
}

static void find_entry(const char *home, const char *name, struct layers *all) {
    if (is_id(name)) {
        find_layer(home, name, all);
    }
}

void csb__lima_layers_clean(const char *home) {
    CSB__AUTOFREE char *store = csb__path_join(home, STORE);
    struct layers all = {NULL, 0, false};

    if (!store || access(store, F_OK) != 0) {
        return;
    }
    each_entry(home, store, &all, find_entry);
    each_entry(home, home, &all, mark_disk);
    for (size_t i = 0; i < all.n && !all.unsure; i++) {
        CSB__AUTOFREE char *path = all.items[i].used ? NULL : layer_path(home, all.items[i].name);

        if (path) {
            unlink(path);
        }
    }
    free(all.items);
    rmdir(store);
}
