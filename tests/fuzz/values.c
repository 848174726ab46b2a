/* SPDX-License-Identifier: MIT */
/* Sizes, ports and times as they are typed, and what a guest asks of the microphone. */
#include "fuzz.h"
#include "audio.h"
#include "cli.h"
#include "model/size.h"

/* In the place of report.c, which would print. */
int cli_usage_error(const char *fmt, ...) {
    (void)fmt;
    return EXIT_USAGE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    csb_port ports[8];
    struct request request;
    uint64_t bytes = 0;
    int64_t ms = -1;
    size_t n = 0;
    csb_error *err = NULL;

    if (fuzz_good(csb__size_parse(text, &bytes, &err), err)) {
        MUST(bytes > 0 && bytes <= UINT64_C(1) << 62 && *text >= '0' && *text <= '9');
    }
    if (cli_parse_ports(text, ports, 8, &n) == -1) {
        MUST(n <= 8 &&
             (n == 0 ? strcmp(text, "none") == 0 : strspn(text, "0123456789:,") == strlen(text)));
        for (size_t i = 0; i < n; i++) {
            MUST(ports[i].host && ports[i].guest);
        }
    }
    if (cli_parse_duration("timeout", text, &ms) == -1) {
        MUST(ms >= 0 && ms <= INT64_C(1000000000) * 1000 && *text >= '0' && *text <= '9');
    }
    if (request_parse(text, &request)) {
        MUST(request.rate >= 8000 && request.rate <= 48000);
        MUST(request.channels == 1 || request.channels == 2);
    }
    return 0;
}
