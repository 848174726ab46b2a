/* SPDX-License-Identifier: MIT */
/* What limactl writes for people, and the command lines of processes. */
#include "fuzz.h"
#include "engine/lima/lima_proc.h"
#include "engine/lima/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    CSB__AUTOFREE char *message = csb__lima_fatal_message(text);
    csb_error *err = NULL;
    char word[64] = "";
    int major = -1;
    int minor = -1;
    bool agent = false;

    MUST(!message || (fuzz_is_clean(message) && *message && strlen(message) <= 500));
    if (fuzz_good(csb__lima_parse_version(text, &major, &minor, word, &err), err)) {
        MUST(major >= 0 && minor >= 0 && strlen(word) < 64 && fuzz_is_clean(word));
    }
    if (csb__lima_args_match((const char *)data, size, "/h/vm", &agent)) {
        MUST(memmem(data, size, "/h/vm/", 6) && memmem(data, size, "-pidfile", 9));
    }
    return 0;
}
