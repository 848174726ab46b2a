/* SPDX-License-Identifier: MIT */
#include "engine/lima/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/path.h"

/* Our time limits decide, not limactl's ten minutes: it leaves the VM running when they end. */
#define START_TIMEOUT "1h"

/*
 * Lima writes a guest path unquoted into a YAML flow sequence of cloud-init's user data, and from
 * there it goes into fstab: with a space the mount is silently missing, with "[" or " #" nothing of
 * the user data is read, with a comma the path is cut. "{{" is a template, whatever the value.
 */
static bool survives_fstab(const char *path) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "/._-+@~";

    return path[strspn(path, safe)] == '\0';
}

bool csb__lima_mount_point(const struct csb__mount *m, size_t index, char *out, size_t size) {
    /* What is mounted among ours by its own name could meet one of ours. */
    bool same = survives_fstab(m->guest_path) &&
                !csb__path_is_within(m->guest_path, CSB__LIMA_MOUNTS_DIR);

    if (same) {
        snprintf(out, size, "%s", m->guest_path);
    } else {
        snprintf(out, size, CSB__LIMA_MOUNTS_DIR "/%zu", index);
    }
    return !same;
}

/* QEMU takes a comma in -virtfs path= for the next option (Lima does not double it), and Lima runs
 * "{{" in a location and in any of QEMU's arguments as a template. */
int csb__lima_check_mounts(const struct csb__spec *spec, csb_error **err) {
    for (size_t i = 0; i < spec->n_mounts; i++) {
        const char *path = spec->mounts[i].host_path;
        const char *bad = strchr(path, ',') ? "," : strstr(path, "{{") ? "{{" : NULL;

        if (bad) {
            csb__fail(err, CSB_EINVAL,
                      "%s can't be shared with a Lima VM: \"%s\" means something "
                      "else to it",
                      path, bad);
            csb__error_set_hint(err, "rename the directory");
            return CSB_EINVAL;
        }
    }
    return 0;
}

static char *base64(const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)text;
    size_t len = strlen(text);
    char *out = malloc((len + 2) / 3 * 4 + 1);
    char *to = out;

    for (; out && len > 0; p += 3, len -= len < 3 ? len : 3) {
        unsigned bits = (unsigned)p[0] << 16 | (len > 1 ? (unsigned)p[1] << 8 : 0) |
                        (len > 2 ? (unsigned)p[2] : 0);

        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = len > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = len > 2 ? digits[bits & 63] : '=';
    }
    if (out) {
        *to = '\0';
    }
    return out;
}

/* A value as yq reads it unharmed: its string literals are not JSON's ("\u" stays, "\(" is run),
 * while base64 has nothing to escape. Takes the reference; NULL means memory ran out. */
static void assign(struct csb__strbuf *sb, const char *path, json_t *value) {
    CSB__AUTOJSON *json = value;
    CSB__AUTOFREE char *text = json ? csb__json_text(json, JSON_COMPACT) : NULL;
    CSB__AUTOFREE char *code = text ? base64(text) : NULL;

    if (!code) {
        sb->failed = true;
        return;
    }
    csb__strbuf_printf(sb, "%s%s = (\"%s\" | @base64d | @jsond)", sb->len ? " | " : "", path, code);
}

json_t *csb__lima_mounts_json(const struct csb__spec *spec) {
    CSB__AUTOJSON *array = json_array();

    for (size_t i = 0; array && i < spec->n_mounts; i++) {
        const struct csb__mount *m = &spec->mounts[i];
        size_t size = strlen(m->guest_path) + 64;
        CSB__AUTOFREE char *point = malloc(size);

        if (!point) {
            return NULL;
        }
        csb__lima_mount_point(m, i, point, size);
        /* A read-only mount is cached with fscache otherwise, and never sees a change again. */
        if (json_array_append_new(array, json_pack("{s:s, s:s, s:b, s:{s:s}}", "location",
                                                   m->host_path, "mountPoint", point, "writable",
                                                   m->writable, "9p", "cache", "mmap")) != 0) {
            return NULL;
        }
    }
    return CSB__STEAL(array);
}

/* Nothing that a guest listens on is opened on the host. guestIPMustBeZero must be said, else the
 * rule misses listeners on 127.0.0.1 and Lima's own last rule forwards them. */
json_t *csb__lima_forwards_json(void) {
    return json_pack("[{s:s, s:b, s:s, s:b}]", "guestIP", "0.0.0.0", "guestIPMustBeZero", 0,
                     "proto", "any", "ignore", 1);
}

void csb__lima_size(uint64_t bytes, char out[CSB__LIMA_SIZE_MAX]) {
    if (bytes % (UINT64_C(1) << 30) == 0) {
        snprintf(out, CSB__LIMA_SIZE_MAX, "%" PRIu64 "GiB", bytes >> 30);
    } else if (bytes % (UINT64_C(1) << 20) == 0) {
        snprintf(out, CSB__LIMA_SIZE_MAX, "%" PRIu64 "MiB", bytes >> 20);
    } else {
        snprintf(out, CSB__LIMA_SIZE_MAX, "%" PRIu64, bytes);
    }
}

static void set_size(struct csb__strbuf *sb, const char *path, uint64_t bytes) {
    char text[CSB__LIMA_SIZE_MAX];

    if (bytes != 0) {
        csb__lima_size(bytes, text);
        csb__strbuf_printf(sb, " | %s = \"%s\"", path, text);
    }
}

/* Never reverse-sshfs: through it a guest can read what is not shared. 9p enforces read-only on
 * the host where QEMU's virtiofs leaves it to the guest; vz has virtiofs only, and enforces it. */
#ifdef __APPLE__
#define MOUNT_TYPE                                                                                 \
    " | .mountType = \"virtiofs\" | with(select(.vmType == \"qemu\"); .mountType = \"9p\")"
#else
#define MOUNT_TYPE " | .mountType = \"9p\""
#endif

/* plain would drop the mounts; copyToHost lets a guest write on the host; a fixed port is taken as
 * soon as a base has a second copy; containerd is downloaded unless refused. */
const struct csb__lima_setting csb__lima_settings[] = {
    {"mountInotify", "false"},
    {"plain", "false"},
    {"copyToHost", "[]"},
    {"ssh.localPort", "0"},
    {"ssh.loadDotSSHPubKeys", "false"},
    {"ssh.forwardAgent", "false"},
    {"ssh.forwardX11", "false"},
    {"ssh.forwardX11Trusted", "false"},
    {"containerd.system", "false"},
    {"containerd.user", "false"},
    {"propagateProxyEnv", "false"},
    {"audio.device", "\"\""},
    {"video.display", "\"none\""},
    {NULL, NULL},
};

char *csb__lima_expression(const struct csb__spec *spec) {
    CSB__AUTOSTRBUF sb = CSB__STRBUF_INIT;

    assign(&sb, ".mounts", csb__lima_mounts_json(spec));
    assign(&sb, ".portForwards", csb__lima_forwards_json());
    csb__strbuf_puts(&sb, MOUNT_TYPE);
    for (const struct csb__lima_setting *s = csb__lima_settings; s->path; s++) {
        csb__strbuf_printf(&sb, " | .%s = %s", s->path, s->value);
    }
    if (spec->cpus != 0) {
        csb__strbuf_printf(&sb, " | .cpus = %d", spec->cpus);
    }
    set_size(&sb, ".memory", spec->memory);
    set_size(&sb, ".disk", spec->disk);
    return csb__strbuf_detach(&sb);
}

/* limactl would ask, open an editor and draw on a terminal. */
void csb__lima_verb_args(struct csb__strv *args, const char *verb, const char *name) {
    const char *const words[] = {verb, "--tty=false", name, NULL};

    csb__strv_add_all(args, words);
}

void csb__lima_create_args(struct csb__strv *args, const struct csb__spec *spec,
                           const char *expression, const char *template_path) {
    const char *const words[] = {"create", "--tty=false", "--name",      spec->name,
                                 "--set",  expression,    template_path, NULL};

    csb__strv_add_all(args, words);
}

/* One --set only: limactl evaluates them in an order of its own. */
void csb__lima_clone_args(struct csb__strv *args, const struct csb__spec *spec,
                          const char *expression, const char *base) {
    const char *const words[] = {"clone", "--tty=false", "--set", expression,
                                 base,    spec->name,    NULL};

    csb__strv_add_all(args, words);
}

void csb__lima_edit_args(struct csb__strv *args, const struct csb__spec *spec,
                         const char *expression) {
    const char *const words[] = {"edit", "--tty=false", "--set", expression, spec->name, NULL};

    csb__strv_add_all(args, words);
}

void csb__lima_rename_args(struct csb__strv *args, const char *name, const char *new_name) {
    const char *const words[] = {"rename", "--tty=false", name, new_name, NULL};

    csb__strv_add_all(args, words);
}

void csb__lima_start_args(struct csb__strv *args, const char *name) {
    const char *const words[] = {"start", "--tty=false", "--timeout", START_TIMEOUT, name, NULL};

    csb__strv_add_all(args, words);
}

/* Not --json: that loses the errors, and all output when one machine's is over 64 KiB
 * (cmd/limactl/list.go: bufio.Scanner; pkg/store/instance.go: FormatData). */
void csb__lima_list_args(struct csb__strv *args, const char *const *names, size_t n) {
    static const char format[] =
        "{\"name\":{{json .Name}},\"status\":{{json .Status}},\"dir\":{{json .Dir}},"
        "\"vmType\":{{json .VMType}},\"arch\":{{json .Arch}},\"cpus\":{{.CPUs}},"
        "\"memory\":{{.Memory}},\"disk\":{{.Disk}},\"sshLocalPort\":{{.SSHLocalPort}},"
        "\"sshConfigFile\":{{json .SSHConfigFile}},\"hostAgentPID\":{{.HostAgentPID}},"
        "\"driverPID\":{{.DriverPID}},\"protected\":{{.Protected}},"
        "\"limaVersion\":{{json .LimaVersion}},\"errors\":[{{range $i,$e := .Errors}}"
        "{{if $i}},{{end}}{{json $e.Error}}{{end}}]}";

    csb__strv_add(args, "list");
    csb__strv_add(args, "--format");
    csb__strv_add(args, format);
    for (size_t i = 0; i < n; i++) {
        csb__strv_add(args, names[i]);
    }
}

/* What Lima made of the machine's file, its own defaults and the user's overrides; "null" when the
 * file can't be read. */
void csb__lima_config_args(struct csb__strv *args, const char *name) {
    const char *const words[] = {"list", "--format", "{{json .Config}}", name, NULL};

    csb__strv_add_all(args, words);
}
