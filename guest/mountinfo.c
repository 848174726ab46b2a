/* What is mounted where, as the kernel says it. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

/* Undoes the kernel's \ooo in place. */
static void unescape(char *text) {
    char *out = text;

    for (; *text; text++) {
        if (text[0] == '\\' && text[1] && text[2] && text[3]) {
            *out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 3;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

/* "36 35 98:0 /root /mnt options [tags] - type source superoptions" */
static bool parse(char *line, const char **at, const char **type, const char **source) {
    char *state = NULL, *dash = strstr(line, " - ");
    char *where = NULL, *word;

    if (!dash) {
        return false;
    }
    *dash = '\0';
    word = strtok_r(line, " ", &state);
    for (int i = 0; word && i < 4; i++) {
        word = where = strtok_r(NULL, " ", &state);
    }
    *at = where;
    *type = strtok_r(dash + 3, " ", &state);
    *source = strtok_r(NULL, " ", &state);
    if (!word || !*type || !*source) {
        return false;
    }
    unescape(where);
    return true;
}

bool mountinfo_find(const char *path, char *source, size_t source_size, char *type,
                    size_t type_size) {
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (f && getline(&line, &room, f) > 0) {
        const char *at, *its_type, *its_source;

        if (parse(line, &at, &its_type, &its_source) && strcmp(at, path) == 0) {
            found = true;
            snprintf(source, source_size, "%s", its_source);
            snprintf(type, type_size, "%s", its_type);
        }
    }
    free(line);
    if (f) {
        fclose(f);
    }
    return found;
}
