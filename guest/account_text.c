/*
 * The account database as text: bytes in, bytes out.
 *
 * The image's own accounts stay, except where they stand in the way: an entry of our user's name
 * is replaced (whatever its number was), and our line comes first, so that a number which the image
 * uses too (a host user with uid 100, say) is shown by our user's name.
 */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

/* Marks the entry as ours, so that a later start with another user or number removes it. */
#define GECOS "claude-sandbox user"

static bool name_valid(const char *name, size_t len) {
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";

    return len >= 1 && len <= 32 && strchr(first, name[0]) && strspn(name, rest) >= len;
}

static bool parse_id(const char **text, char end, unsigned *ret) {
    char *after;
    unsigned long value;

    if (**text < '0' || **text > '9') {
        return false;
    }
    value = strtoul(*text, &after, 10);
    /* 65534 is nobody, 65535 and -1 mean "none" in system calls. */
    if (*after != end || value > 4294967293UL || value == 65534 || value == 65535) {
        return false;
    }
    *ret = (unsigned)value;
    *text = after + 1;
    return true;
}

bool account_parse(const char *text, account *ret) {
    size_t len = strcspn(text, ":");
    const char *at = text + len + 1;
    unsigned uid, gid;

    if (text[len] != ':' || !name_valid(text, len)) {
        return false;
    }
    if (!parse_id(&at, ':', &uid) || !parse_id(&at, '\0', &gid) || uid == 0 || gid == 0) {
        return false;
    }
    memcpy(ret->name, text, len);
    ret->name[len] = '\0';
    ret->uid = uid;
    ret->gid = gid;
    ret->group[0] = '\0';
    return strcmp(ret->name, "root") != 0;
}

/* The N-th colon separated field of a line; its length by LEN. */
static const char *field(const char *line, unsigned n, size_t *len) {
    while (n > 0 && *line && *line != '\n') {
        n -= *line++ == ':';
    }
    *len = n == 0 ? strcspn(line, ":\n") : 0;
    return line;
}

static bool field_is(const char *line, unsigned n, const char *value) {
    size_t len;
    const char *at = field(line, n, &len);

    return len == strlen(value) && memcmp(at, value, len) == 0;
}

static bool field_is_id(const char *line, unsigned n, unsigned id) {
    char text[16];

    snprintf(text, sizeof text, "%u", id);
    return field_is(line, n, text);
}

static const char *next_line(const char *line) {
    line += strcspn(line, "\n");
    return *line ? line + 1 : line;
}

/* FIRST, then all lines of TEXT but the ones that DROP names. */
static char *rewrite(const char *first, const char *text, const account *who,
                     bool (*drop)(const char *line, const account *who)) {
    size_t len = strlen(first);
    char *out = malloc(len + strlen(text) + 2);

    if (!out) {
        return NULL;
    }
    memcpy(out, first, len);
    for (const char *line = text; *line; line = next_line(line)) {
        size_t n = strcspn(line, "\n");

        if (n > 0 && !drop(line, who)) {
            memcpy(out + len, line, n);
            len += n;
            out[len++] = '\n';
        }
    }
    out[len] = '\0';
    return out;
}

static bool drop_by_name(const char *line, const account *who) {
    return field_is(line, 0, who->name);
}

static bool drop_passwd(const char *line, const account *who) {
    return field_is(line, 0, who->name) || field_is(line, 4, GECOS);
}

static bool drop_nothing(const char *line, const account *who) {
    (void)line;
    (void)who;
    return false;
}

static bool is_wanted_passwd(const char *line, const account *who) {
    return field_is(line, 0, who->name) && field_is_id(line, 2, who->uid) &&
           field_is_id(line, 3, who->gid) && field_is(line, 4, GECOS);
}

char *account_passwd(const char *text, const account *who) {
    char line[200];

    for (const char *at = text; *at; at = next_line(at)) {
        if (is_wanted_passwd(at, who)) {
            return strdup(text); /* whoever has changed the shell keeps it */
        }
    }
    snprintf(line, sizeof line, "%s:x:%u:%u:" GECOS ":/home/%s:/bin/bash\n", who->name, who->uid,
             who->gid, who->name);
    return rewrite(line, text, who, drop_passwd);
}

char *account_shadow(const char *text, const account *who) {
    char line[80];

    for (const char *at = text; *at; at = next_line(at)) {
        size_t len;

        if (field_is(at, 0, who->name) && *field(at, 1, &len) != '!') {
            return strdup(text); /* a password that was set in the guest stays */
        }
    }
    /* "*" and not "!": without PAM, sshd takes "!" for a locked account and refuses its keys. */
    snprintf(line, sizeof line, "%s:*:19700:0:99999:7:::\n", who->name);
    return rewrite(line, text, who, drop_by_name);
}

char *account_group(const char *text, account *who) {
    char line[80];
    bool taken = false;

    for (const char *at = text; *at; at = next_line(at)) {
        if (field_is_id(at, 2, who->gid)) {
            return strdup(text); /* some group has this number: it is the user's, too */
        }
        taken = taken || field_is(at, 0, who->name);
    }
    snprintf(who->group, sizeof who->group, taken ? "%s-group" : "%s", who->name);
    snprintf(line, sizeof line, "%s:x:%u:\n", who->group, who->gid);
    return rewrite(line, text, who, drop_nothing);
}
