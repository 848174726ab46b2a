/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/path.h"
#include "core/utf8.h"

char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);

    MUST(text);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

uint8_t fuzz_byte(const uint8_t **data, size_t *size) {
    if (*size == 0) {
        return 0;
    }
    (*size)--;
    return *(*data)++;
}

static char dir[64];

static void remove_dir(void) {
    csb__remove_tree(dir, NULL);
}

const char *fuzz_dir(void) {
    if (!*dir) {
        snprintf(dir, sizeof(dir), "%s/csb-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        MUST(mkdtemp(dir));
        atexit(remove_dir);
    }
    return dir;
}

void fuzz_write(const char *name, const void *data, size_t size) {
    CSB__AUTOFREE char *path = csb__path_join(fuzz_dir(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

bool fuzz_is_clean(const char *text) {
    size_t left = strlen(text);

    for (size_t n; left > 0; text += n, left -= n) {
        const unsigned char *p = (const unsigned char *)text;

        n = csb__utf8_length(text, left);
        if (n == 0 || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
            return false;
        }
    }
    return true;
}

bool fuzz_good(int rc, csb_error *err) {
    MUST(rc <= 0 && csb_error_code(err) == rc);
    MUST((rc == 0) == (*csb_error_message(err) == '\0'));
    MUST(rc != CSB_ENOMEM);
    MUST(fuzz_is_clean(csb_error_message(err)) && fuzz_is_clean(csb_error_hint(err)));
    csb_error_free(err);
    return rc == 0;
}
