/* Problems that do not stop a guest from booting, kept until the host asks. */
#include "guest.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_FILE CSB_RUN_DIR "/problems"
#define REPORT_MAX 3000

void report_problem(const char *format, ...) {
    char line[512];
    va_list ap;
    int fd;

    va_start(ap, format);
    vsnprintf(line, sizeof line - 1, format, ap);
    va_end(ap);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ') {
            *c = '?';
        }
    }
    fprintf(stderr, "csb-guest: %s\n", line);
    fd = open(REPORT_FILE, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0) {
        strcat(line, "\n");
        if (file_write_all(fd, line, strlen(line)) < 0) {
            fputs("csb-guest: " REPORT_FILE " cannot be written\n", stderr);
        }
        close(fd);
    }
}

char *report_read(void) {
    char *text = file_read_value(REPORT_FILE, REPORT_MAX);

    for (char *c = text; c && *c; c++) {
        if (*c == '\n') {
            *c = ';';
        }
    }
    return text;
}
