/*
 * The verbs of the control port. The host asks "<id> <verb> [args]", and hears "<id> ok [text]" or
 * "<id> error <text>", whose first word is a code. What does not parse is answered with the id "-".
 */
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_WAIT_MS 10000

static bool poweroff_asked;

bool control_poweroff_asked(void) {
    return poweroff_asked;
}

/* A verb returns 0 or -1; TEXT is what follows "ok" or "error". */
typedef int verb_fn(const char *args, char *text, size_t size);

static int verb_ping(const char *args, char *text, size_t size) {
    (void)args;
    (void)text;
    (void)size;
    return 0;
}

/* Waits a little, so that the host does not have to ask all the time. */
static int verb_ready(const char *args, char *text, size_t size) {
    char *problems;

    (void)args;
    for (int i = 0; !network_listening(22); i++) {
        if (i == 10) {
            snprintf(text, size, "not-ready");
            return -1;
        }
        sleep_ms(20);
    }
    problems = report_read();
    snprintf(text, size, "%s", problems ? problems : "");
    free(problems);
    return 0;
}

static int verb_put(const char *args, char *text, size_t size) {
    char name[64];
    size_t len = strcspn(args, " ");

    if (len >= sizeof name || args[len] != ' ') {
        snprintf(text, size, "bad-request want NAME VALUE");
        return -1;
    }
    memcpy(name, args, len);
    name[len] = '\0';
    return adopt_put(name, args + len + 1, text, size);
}

static int verb_adopt(const char *args, char *text, size_t size) {
    return adopt_identity(args, text, size);
}

static int verb_forget(const char *args, char *text, size_t size) {
    (void)args;
    return adopt_forget(text, size);
}

/* Free memory in KiB, for a host that wants to take it back. */
static int verb_free_memory(const char *args, char *text, size_t size) {
    struct sysinfo info;

    (void)args;
    if (sysinfo(&info) < 0) {
        snprintf(text, size, "failed %s", strerror(errno));
        return -1;
    }
    snprintf(text, size, "%llu", (unsigned long long)info.freeram * info.mem_unit / 1024);
    return 0;
}

static int verb_grow(const char *args, char *text, size_t size) {
    (void)args;
    if (disk_grow() < 0) {
        snprintf(text, size, "failed %s", strerror(errno));
        return -1;
    }
    return 0;
}

static int verb_mount(const char *args, char *text, size_t size) {
    return share_mount(args, DEVICE_WAIT_MS, text, size);
}

static int verb_umount(const char *args, char *text, size_t size) {
    return share_umount(args, text, size);
}

/* "SECONDS" or "SECONDS.FRACTION", the fraction of one to nine digits. */
static bool parse_time(const char *args, struct timespec *ret) {
    char fraction[10] = "000000000";
    size_t whole = strspn(args, "0123456789");
    size_t digits = args[whole] == '.' ? strspn(args + whole + 1, "0123456789") : 0;

    if (whole < 1 || whole > 11 || digits > 9 || (args[whole] == '.' && digits == 0)) {
        return false;
    }
    if (args[whole + (digits > 0 ? digits + 1 : 0)] != '\0') {
        return false;
    }
    if (digits > 0) {
        memcpy(fraction, args + whole + 1, digits);
    }
    ret->tv_sec = (time_t)strtoll(args, NULL, 10);
    ret->tv_nsec = strtol(fraction, NULL, 10);
    return true;
}

static int verb_time(const char *args, char *text, size_t size) {
    struct timespec ts;

    if (!parse_time(args, &ts)) {
        snprintf(text, size, "bad-request want SECONDS.NANOSECONDS");
        return -1;
    }
    if (clock_settime(CLOCK_REALTIME, &ts) < 0) {
        snprintf(text, size, "failed %s", strerror(errno));
        return -1;
    }
    return 0;
}

static int verb_sync(const char *args, char *text, size_t size) {
    (void)args;
    (void)text;
    (void)size;
    sync();
    return 0;
}

/* Done by the agent when the answer is out: the host should not hear of it by a closed port. */
static int verb_poweroff(const char *args, char *text, size_t size) {
    (void)args;
    (void)text;
    (void)size;
    poweroff_asked = true;
    return 0;
}

static const struct {
    const char *name;
    bool takes_args;
    verb_fn *run;
} verbs[] = {
    {"ping", false, verb_ping},
    {"ready", false, verb_ready},
    {"put", true, verb_put},
    {"adopt", true, verb_adopt},
    {"forget", false, verb_forget},
    {"grow", false, verb_grow},
    {"free-memory", false, verb_free_memory},
    {"mount", true, verb_mount},
    {"umount", true, verb_umount},
    {"time", true, verb_time},
    {"sync", false, verb_sync},
    {"poweroff", false, verb_poweroff},
};

static int run_verb(const char *name, const char *args, char *text, size_t size) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(name, verbs[i].name) != 0) {
            continue;
        }
        if ((*args != '\0') != verbs[i].takes_args) {
            snprintf(text, size, "bad-request arguments of %s", verbs[i].name);
            return -1;
        }
        return verbs[i].run(args, text, size);
    }
    snprintf(text, size, "unknown-verb");
    return -1;
}

static bool id_valid(const char *id) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(id);

    return len >= 1 && len <= 32 && strspn(id, allowed) == len;
}

static char *cut_word(char *text) {
    char *space = strchr(text, ' ');

    if (!space) {
        return text + strlen(text);
    }
    *space = '\0';
    return space + 1;
}

void control_answer(char *line, char *reply, size_t size) {
    char text[CSB_LINE_MAX - 64] = "";
    char *verb = cut_word(line);
    char *args = cut_word(verb);
    int r;

    if (!id_valid(line)) {
        snprintf(reply, size, "- error bad-request id");
        return;
    }
    r = run_verb(verb, args, text, sizeof text);
    if (r == 0) {
        snprintf(reply, size, *text ? "%s ok %s" : "%s ok", line, text);
    } else {
        snprintf(reply, size, "%s error %s", line, text);
    }
}
