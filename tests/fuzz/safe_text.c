/* SPDX-License-Identifier: MIT */
/* What comes out is UTF-8 that no terminal obeys, and what was so already is left as it is. */
#include "fuzz.h"
#include "safe_text.h"
#include "shorten.h"

static char *clean(const char *text, size_t len) {
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);

    MUST(f);
    safe_text_put(f, text, len);
    fclose(f);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *once = clean(text, size);
    CSB__AUTOFREE char *twice = clean(once, strlen(once));
    size_t n = shorten_utf8(once, size / 2);

    MUST(strcmp(once, twice) == 0);
    for (char *c = twice; *c; c++) {
        *c = *c == '\t' ? ' ' : *c;
    }
    MUST(fuzz_is_clean(twice));
    MUST(!strstr(once, "\xe2\x80\xae") && !strstr(once, "\xe2\x81\xa6"));
    twice[n] = '\0';
    MUST(n <= size / 2 && fuzz_is_clean(twice));
    return 0;
}
