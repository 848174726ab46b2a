/* SPDX-License-Identifier: MIT */
/* What a guest's own program is told by the host and by its kernel. */
#include "../../guest/mountinfo.c"
#include "../../guest/guest.h"
#include "fuzz.h"

static void check_account(const char *text) {
    account who = {0};

    if (account_parse(text, &who)) {
        CSB__AUTOFREE char *passwd = account_passwd(text, &who);
        CSB__AUTOFREE char *shadow = account_shadow(text, &who);
        CSB__AUTOFREE char *group = account_group(text, &who);

        MUST(who.uid != 0 && who.gid != 0 && strcmp(who.name, "root") != 0);
        MUST(passwd && shadow && group && strstr(passwd, who.name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    char *decoded = malloc(size + 1);
    const char *at;
    const char *type;
    const char *source;

    check_account(text);
    if (path_decode(text, decoded, size / 2 + 1)) {
        MUST(strlen(decoded) <= size / 2);
        MUST(!path_mountable(decoded) || (*decoded == '/' && !strstr(decoded, "/../")));
    }
    free(decoded);
    MUST(!identity_hostname_valid(text) || (strlen(text) <= 64 && fuzz_is_clean(text)));
    if (parse(text, &at, &type, &source)) {
        MUST(at && *type && *source);
    }
    return 0;
}
