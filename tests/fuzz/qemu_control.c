/* SPDX-License-Identifier: MIT */
/* The lines that a guest's agent writes: only an answer to a request of ours is one. */
#include "engine/qemu/control.c"
#include "fuzz.h"

/* What is told at once is answered line by line, each for the one that it is of. */
static void judge_lines(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        CSB__AUTOERROR csb_error *e = NULL;
        const char *end = line + strlen(line);
        const char *said = NULL;
        int rc = judge_answer(line, 7, "mount share0", &said, &e);

        MUST(rc == 0 || (said && said >= line && said <= end));
        MUST(rc == 0 || strstr(line, "7 "));
        MUST((rc < 0) == (e != NULL));
        MUST(rc <= 0 || strstr(line, "ok"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct csb__env env = {.cancel_pipe = {-1, -1}, .deadline = -1};
    struct control c = {.env = &env, .fd = -1, .id = 3};
    size_t piece = fuzz_byte(&data, &size) + 1U;
    bool ok = false;

    judge_lines(data, size);
    for (size_t at = 0; at < size && !ok; at += piece) {
        csb__strbuf_add(&c.in, data + at, piece < size - at ? piece : size - at);
        ok = take_lines(&c);
        MUST(c.in.len <= LINE_LIMIT || ok);
    }
    MUST(!ok || memmem(data, size, "ok", 2));
    control_close(&c);
    return 0;
}
