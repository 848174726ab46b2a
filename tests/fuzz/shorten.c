/* SPDX-License-Identifier: MIT */
/* JSON that was cut is JSON still, on one line, and of no more than was asked for. The first byte:
 * how long a string may be. */
#include "fuzz.h"
#include "core/json_scan.h"
#include "shorten.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t max = fuzz_byte(&data, &size);
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *out = malloc(2 * size + 1);
    CSB__AUTOFREE char *small = malloc(max + 1);
    size_t n;

    if (!csb__json_scan(text, size, NULL, NULL)) {
        return 0;
    }
    n = shorten_json(text, size, max, small, max + 1);
    MUST(n <= max);
    n = shorten_json(text, size, max, out, 2 * size + 1);
    /* It fits unless there is much of what has to be escaped: six bytes instead of one. */
    MUST(n > 0 || memchr(text, 0x7f, size));
    if (n > 0) {
        MUST(out[n] == '\0' && strlen(out) == n);
        MUST(csb__json_scan(out, n, NULL, NULL) && fuzz_is_clean(out));
    }
    return 0;
}
