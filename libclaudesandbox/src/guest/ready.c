/* SPDX-License-Identifier: MIT */
#include "guest/ready.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <claudesandbox/version.h>

#include "core/path.h"
#include "core/posix.h"
#include "guest/setup.h"
#include "guest/socket.h"

#define NOTE_MAX 1024
#ifdef __APPLE__
#define CHANGED(st) ((st).st_ctimespec)
#else
#define CHANGED(st) ((st).st_ctim)
#endif

static char *note_path(const struct csb__door *door) {
    char *path = NULL;

    return asprintf(&path, "%s.ready", door->control_path) < 0 ? NULL : path;
}

/* The names among the settings that are there, as bits. */
static unsigned settings_there(const struct csb__spec *spec) {
    unsigned found = 0;

    for (int i = 0; spec->settings_dir && csb__setup_settings[i]; i++) {
        CSB__AUTOFREE char *path = csb__path_join(spec->settings_dir, csb__setup_settings[i]);

        found |= path && access(path, F_OK) == 0 ? 1U << i : 0;
    }
    return found;
}

/* Which connection it is, by the file that its master made, and all else that the note depends on. */
static bool describe(const struct csb__door *door, const struct csb__spec *spec,
                     struct csb__strbuf *out) {
    struct stat st;

    if (stat(door->control_path, &st) != 0) {
        return false;
    }
    csb__strbuf_printf(out, "%s %llu %llu %lld.%09ld %x\n", CSB_VERSION_STRING,
                       (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                       (long long)CHANGED(st).tv_sec, (long)CHANGED(st).tv_nsec,
                       settings_there(spec));
    return !out->failed;
}

bool csb__ready_load(const struct csb__door *door, const struct csb__spec *spec,
                     char **hooks_socket) {
    CSB__AUTOFREE char *path = note_path(door);
    CSB__AUTOSTRBUF expected = CSB__STRBUF_INIT;
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    CSB__AUTOCLOSE int fd = -1;
    char *hooks;

    if (!path || csb__read_file(path, NOTE_MAX, &text) != 0 || !describe(door, spec, &expected) ||
        strncmp(csb__strbuf_text(&text), csb__strbuf_text(&expected), expected.len) != 0) {
        return false;
    }
    fd = csb__unix_connect(door->control_path);
    hooks = text.data + expected.len;
    hooks[strcspn(hooks, "\n")] = '\0';
    *hooks_socket = *hooks ? strdup(hooks) : NULL;
    return fd >= 0 && (!*hooks || *hooks_socket);
}

bool csb__ready_is_noted(const struct csb__door *door) {
    CSB__AUTOFREE char *path = note_path(door);

    return path && access(path, F_OK) == 0;
}

/* The third line, by a note of ours: another version's keeper may be told other things. */
char *csb__ready_keeper(const struct csb__door *door) {
    CSB__AUTOFREE char *path = note_path(door);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;
    const char *line = NULL;

    if (path && csb__read_file(path, NOTE_MAX, &text) == 0 &&
        strncmp(csb__strbuf_text(&text), CSB_VERSION_STRING " ", strlen(CSB_VERSION_STRING) + 1) ==
            0) {
        line = strchr(csb__strbuf_text(&text), '\n');
        line = line ? strchr(line + 1, '\n') : NULL;
    }
    return line && line[1] == '/' ? strndup(line + 1, strcspn(line + 1, "\n")) : NULL;
}

void csb__ready_save(const struct csb__door *door, const struct csb__spec *spec,
                     const char *hooks_socket, const char *keeper) {
    CSB__AUTOFREE char *path = note_path(door);
    CSB__AUTOSTRBUF text = CSB__STRBUF_INIT;

    if (path && describe(door, spec, &text)) {
        csb__strbuf_printf(&text, "%s\n%s\n", hooks_socket ? hooks_socket : "",
                           keeper ? keeper : "");
        if (!text.failed) {
            (void)csb__write_file(path, csb__strbuf_text(&text), text.len, 0600, NULL);
        }
    }
}
