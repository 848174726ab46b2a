/* SPDX-License-Identifier: MIT */
#include "engine/lima/instance_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/posix.h"
#include "engine/lima/parse.h"

#define SSH_CONFIG_MAX ((size_t)64 << 10)
#define EVENTS_TAIL ((size_t)64 << 10)
#define CONSOLE_TAIL ((size_t)4 << 10)
#define LOG_TAIL ((size_t)3 << 10)
#define AGENT_LOG_TAIL ((size_t)32 << 10)
#define EARLY "claude-sandbox.early"
#define DEBUG_LINE "{\"level\":\"debug\""

bool csb__lima_dir_exists(const char *dir) {
    struct stat st;

    if (lstat(dir, &st) == 0) {
        return S_ISDIR(st.st_mode);
    }
    return errno != ENOENT && errno != ENOTDIR;
}

bool csb__lima_dir_protected(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, "protected");
    struct stat st;

    return path && lstat(path, &st) == 0;
}

bool csb__lima_has_overrides(const char *home) {
    static const char *const names[] = {"_config/default.yaml", "_config/override.yaml", NULL};
    bool found = false;

    for (int i = 0; names[i] && !found; i++) {
        CSB__AUTOFREE char *path = csb__path_join(home, names[i]);

        found = !path || access(path, F_OK) == 0 || errno != ENOENT;
    }
    return found;
}

/* The host agent writes its pid down when it begins, and removes the file at its end. */
int64_t csb__lima_dir_started(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, "ha.pid");
    struct stat st;

    return path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_mtime : 0;
}

/* pkg/instance/hostname/hostname.go */
char *csb__lima_host_alias(const char *name) {
    char *alias = NULL;

    if (asprintf(&alias, "lima-%s", name) < 0) {
        return NULL;
    }
    for (char *c = alias; *c; c++) {
        *c = *c == '.' || *c == '_' ? '-' : *c;
    }
    return alias;
}

static bool has_line(const char *text, const char *prefix, const char *rest) {
    size_t n = strlen(prefix);
    size_t m = strlen(rest);

    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        if (strncmp(text, prefix, n) == 0 && strncmp(text + n, rest, m) == 0 &&
            (text[n + m] == '\n' || text[n + m] == '\0')) {
            return true;
        }
    }
    return false;
}

int csb__lima_door(const char *dir, const char *name, struct csb__door *ret, csb_error **err) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    struct csb__door door = {csb__path_join(dir, "ssh.config"), csb__lima_host_alias(name),
                             csb__path_join(dir, "ssh.sock")};
    bool ours;

    if (!door.ssh_config || !door.ssh_host || !door.control_path) {
        free(door.ssh_config);
        free(door.ssh_host);
        free(door.control_path);
        return csb__fail_nomem(err);
    }
    ours = csb__read_file(door.ssh_config, SSH_CONFIG_MAX, &text) == 0 &&
           has_line(csb__strbuf_text(&text), "Host ", door.ssh_host);
    if (!ours) {
        *door.ssh_config = *door.ssh_host = *door.control_path = '\0';
    }
    *ret = door;
    return 0;
}

bool csb__lima_dir_note_early(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, EARLY);

    return path && csb__write_file(path, "", 0, 0600, NULL) == 0;
}

/* Since the host agent began. */
static bool is_early(const char *dir) {
    CSB__AUTOFREE char *path = csb__path_join(dir, EARLY);
    struct stat st;

    return path && lstat(path, &st) == 0 && (int64_t)st.st_mtime >= csb__lima_dir_started(dir);
}

int csb__lima_boot_state(const char *dir) {
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOFREE char *path = csb__path_join(dir, "ha.stdout.log");
    int state;

    if (path) {
        csb__read_tail(path, EVENTS_TAIL, &text);
    }
    state = csb__lima_parse_events(csb__strbuf_text(&text), text.len);
    /* It is made anew by each start, before there is anything to say. */
    if (state == CSB__LIMA_NO_EVENTS && path && access(path, F_OK) == 0) {
        state = CSB__LIMA_BOOTING;
    }
    return state == CSB__LIMA_BOOTING && is_early(dir) ? CSB__LIMA_READY : state;
}

static void read_tail(const char *dir, const char *name, size_t max, struct csb__strbuf *out) {
    CSB__AUTOFREE char *path = csb__path_join(dir, name);

    if (path) {
        csb__read_tail(path, max, out);
    }
}

static void add_part(const char *name, const struct csb__strbuf *text, struct csb__strbuf *out) {
    if (text->len > 0) {
        csb__strbuf_printf(out, "%s--- the end of %s ---\n", out->len ? "\n" : "", name);
        csb__strbuf_add(out, text->data, text->len);
    }
}

/* A host agent tells every ten seconds that the guest's clock is right. */
static void add_agent_log(const char *dir, struct csb__strbuf *out) {
    CSB__AUTOSTRBUF all = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *line;
    const char *end;

    read_tail(dir, "ha.stderr.log", AGENT_LOG_TAIL, &all);
    for (line = csb__strbuf_text(&all); *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        if (strncmp(line, DEBUG_LINE, strlen(DEBUG_LINE)) != 0) {
            csb__strbuf_add(&text, line, (size_t)(end - line));
        }
    }
    csb__strbuf_keep_tail(&text, LOG_TAIL);
    add_part("ha.stderr.log", &text, out);
}

/* Which of them a guest writes on depends on the architecture (filenames.go). */
void csb__lima_dir_console(const char *dir, struct csb__strbuf *out) {
    static const char *const consoles[] = {"serialv.log", "serialp.log", "serial.log", NULL};

    for (int i = 0; consoles[i]; i++) {
        CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

        read_tail(dir, consoles[i], CONSOLE_TAIL, &text);
        add_part(consoles[i], &text, out);
    }
    add_agent_log(dir, out);
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_trace(const char *name) {
    return ends_with(name, ".pid") || ends_with(name, ".sock") || strcmp(name, EARLY) == 0;
}

/* Of the base: its console and its port must not be taken for the clone's. */
static bool is_of_a_run(const char *name) {
    return strcmp(name, "ssh.config") == 0 || strncmp(name, "ha.std", 6) == 0 ||
           (strncmp(name, "serial", 6) == 0 && ends_with(name, ".log"));
}

static void unlink_where(const char *path, bool (*want)(const char *name)) {
    CSB__AUTOCLOSEDIR DIR *dir = NULL;
    int fd = csb__open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct dirent *entry;

    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !dir) {
        close(fd);
    }
    while (dir && (entry = readdir(dir))) {
        if (want(entry->d_name)) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
}

void csb__lima_dir_clear_traces(const char *dir) {
    unlink_where(dir, is_trace);
}

void csb__lima_dir_forget_runs(const char *dir) {
    unlink_where(dir, is_of_a_run);
}

int csb__lima_dir_move(const char *from, const char *to, csb_error **err) {
    CSB__AUTOCLOSEDIR DIR *dir = opendir(from);
    CSB__AUTOCLOSE int target = csb__open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct dirent *entry;

    if (!dir || target < 0) {
        return csb__fail_errno(err, errno, "can't open %s", dir ? to : from);
    }
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "protected") == 0 ||
            is_trace(name)) {
            continue;
        }
        if (faccessat(target, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            return csb__fail(err, CSB_EEXISTS, "there is a %s in %s already", name, to);
        }
        if (renameat(dirfd(dir), name, target, name) != 0) {
            return csb__fail_errno(err, errno, "can't move %s/%s", from, name);
        }
    }
    return csb__remove_tree(from, err);
}
