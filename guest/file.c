/* Small files, read and replaced as a whole. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Reads to the end of FD or to MAX + 1 bytes; BUF has room for MAX + 2. */
static ssize_t read_up_to(int fd, char *buf, size_t max) {
    size_t len = 0;

    while (len <= max) {
        ssize_t n = read(fd, buf + len, max + 1 - len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    if (len > max) {
        errno = E2BIG;
        return -1;
    }
    buf[len] = '\0';
    return (ssize_t)len;
}

char *file_read(const char *path, size_t max, size_t *len) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *buf = NULL;
    ssize_t n;

    if (fd < 0) {
        return NULL;
    }
    buf = malloc(max + 2);
    n = buf ? read_up_to(fd, buf, max) : -1;
    close(fd);
    if (n < 0) {
        free(buf);
        return NULL;
    }
    if (len) {
        *len = (size_t)n;
    }
    return buf;
}

char *file_read_value(const char *path, size_t max) {
    size_t len;
    char *text = file_read(path, max, &len);

    while (text && len > 0 && strchr(" \t\r\n", text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

/* Writes the new file FRESH, with owner and mode of OLD when there is one. */
static int write_fresh(const char *fresh, const char *old, const char *data, size_t len,
                       mode_t mode, bool durable) {
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st = {.st_mode = mode};
    bool known = stat(old, &st) == 0;

    if (fd < 0) {
        return -1;
    }
    if (file_write_all(fd, data, len) < 0 || (known && fchown(fd, st.st_uid, st.st_gid) < 0) ||
        fchmod(fd, st.st_mode & 07777) < 0 || (durable && fsync(fd) < 0)) {
        close(fd);
        return -1;
    }
    return close(fd);
}

static int replace(const char *path, const char *data, size_t len, mode_t mode, bool durable) {
    char fresh[4096];

    if ((size_t)snprintf(fresh, sizeof fresh, "%s.csb-new", path) >= sizeof fresh) {
        errno = ENAMETOOLONG;
        return -1;
    }
    unlink(fresh); /* left by a power cut */
    if (write_fresh(fresh, path, data, len, mode, durable) < 0 || rename(fresh, path) < 0) {
        int saved = errno;

        unlink(fresh);
        errno = saved;
        return -1;
    }
    return 0;
}

int file_replace(const char *path, const char *data, size_t len, mode_t mode) {
    return replace(path, data, len, mode, true);
}

static bool says(const char *path, const char *data, size_t len) {
    size_t old_len;
    char *old = file_read(path, len, &old_len);
    bool same = old && old_len == len && memcmp(old, data, len) == 0;

    free(old);
    return same;
}

int file_put(const char *path, const char *data, size_t len, mode_t mode) {
    return says(path, data, len) ? 0 : replace(path, data, len, mode, false);
}

int file_update(const char *path, const char *data, size_t len, mode_t mode) {
    return says(path, data, len) ? 0 : file_replace(path, data, len, mode);
}

int file_wipe(const char *path) {
    static const char zeros[4096];
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    off_t left;
    int r;

    if (fd < 0) {
        return -1;
    }
    r = fstat(fd, &st);
    left = r == 0 ? st.st_size : 0;
    while (r == 0 && left > 0) {
        size_t n = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;

        r = file_write_all(fd, zeros, n);
        left -= (off_t)n;
    }
    close(fd);
    return r == 0 ? unlink(path) : -1;
}
