/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tmux.h"

#define HANDOVER_MAX ((uint32_t)8 << 20)

extern char **environ;

static int outer = -1; /* the connection to whoever called us into the session */

/* ---- bytes ----------------------------------------------------------------------------------- */

static bool put(int fd, const void *bytes, size_t len) {
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool take(int fd, void *bytes, size_t len) {
    char *p = bytes;

    while (len > 0) {
        ssize_t n = read(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool put_string(int fd, const char *text) {
    uint32_t len = (uint32_t)strlen(text);

    return put(fd, &len, sizeof(len)) && put(fd, text, len);
}

static char *take_string(int fd) {
    uint32_t len;
    char *text = take(fd, &len, sizeof(len)) && len <= HANDOVER_MAX ? malloc((size_t)len + 1)
                                                                    : NULL;

    if (text && !take(fd, text, len)) {
        free(text);
        text = NULL;
    }
    if (text) {
        text[len] = '\0';
    }
    return text;
}

static bool put_strings(int fd, char **strings, uint32_t n) {
    bool good = put(fd, &n, sizeof(n));

    for (uint32_t i = 0; good && i < n; i++) {
        good = put_string(fd, strings[i]);
    }
    return good;
}

/* Ends in NULL; lives as long as we do. */
static char **take_strings(int fd, uint32_t *n) {
    char **strings = take(fd, n, sizeof(*n)) && *n < 65536 ? calloc(*n + 1, sizeof(char *)) : NULL;

    for (uint32_t i = 0; strings && i < *n; i++) {
        strings[i] = take_string(fd);
        if (!strings[i]) {
            return NULL;
        }
    }
    return strings;
}

/* ---- who gives ------------------------------------------------------------------------------- */

/* A directory that only we can enter is what keeps others away from the socket. */
static bool make_dir(const char *path) {
    char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *slash = strrchr(path, '/');
    struct stat st;

    if (!slash || (size_t)(slash - path) >= sizeof(dir)) {
        return false;
    }
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = '\0';
    (void)mkdir(dir, 0700);
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 077);
}

static int open_socket(const char *path, struct sockaddr_un *address) {
    int fd;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        return -1;
    }
    strcpy(address->sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int cli_handover_listen(const char *path) {
    struct sockaddr_un address;
    int fd = make_dir(path) ? open_socket(path, &address) : -1;

    if (fd >= 0 &&
        (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int cli_handover_give(int listen_fd, int argc, char **argv) {
    int fd = accept(listen_fd, NULL, NULL);
    char *cwd = getcwd(NULL, 0);
    uint32_t n = 0;
    bool good;

    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    while (environ[n]) {
        n++;
    }
    good = fd >= 0 && put_string(fd, cwd ? cwd : "") && put_strings(fd, argv, (uint32_t)argc) &&
           put_strings(fd, environ, n);
    free(cwd);
    if (!good && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int cli_handover_status(int fd) {
    unsigned char status;

    ssize_t n = recv(fd, &status, 1, MSG_DONTWAIT);

    return n == 1 ? status : n == 0 ? EXIT_SANDBOX : -1;
}

/* ---- who takes ------------------------------------------------------------------------------- */

/* What tmux says of the terminal and of itself is true; the rest is as it was outside. */
static bool is_tmuxs(const char *entry) {
    static const char *const names[] = {
        "TMUX=", "TMUX_PANE=", "TERM=", "TERM_PROGRAM=", "TERM_PROGRAM_VERSION=", NULL};

    for (int i = 0; names[i]; i++) {
        if (strncmp(entry, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_environment(char **given, uint32_t n) {
    uint32_t own = 0;
    uint32_t count = 0;
    char **all;

    while (environ[own]) {
        own++;
    }
    all = calloc(own + n + 1, sizeof(char *));
    for (uint32_t i = 0; all && i < own; i++) {
        if (is_tmuxs(environ[i])) {
            all[count++] = environ[i];
        }
    }
    for (uint32_t i = 0; all && i < n; i++) {
        if (!is_tmuxs(given[i])) {
            all[count++] = given[i];
        }
    }
    if (all) {
        environ = all;
    }
    return all != NULL;
}

int cli_handover_take(const char *path, int *argc, char ***argv) {
    struct sockaddr_un address;
    int fd = open_socket(path, &address);
    char *cwd = NULL;
    char **words = NULL;
    char **given = NULL;
    uint32_t n_words = 0;
    uint32_t n_given = 0;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return cli_usage_error("%s is not for you to use", CLI_IN_TMUX);
    }
    cwd = take_string(fd);
    words = cwd ? take_strings(fd, &n_words) : NULL;
    given = words ? take_strings(fd, &n_given) : NULL;
    if (!given || n_words == 0 || !take_environment(given, n_given) || chdir(cwd) != 0) {
        cli_print_safe("can't be as it is outside of tmux");
        return EXIT_SANDBOX;
    }
    free(cwd);
    outer = fd;
    *argc = (int)n_words;
    *argv = words;
    return 0;
}

void cli_handover_end(int status) {
    unsigned char byte = (unsigned char)status;

    if (outer >= 0) {
        (void)send(outer, &byte, 1, MSG_DONTWAIT);
        close(outer);
        outer = -1;
    }
}
