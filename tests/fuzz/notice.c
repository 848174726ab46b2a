/* SPDX-License-Identifier: MIT */
/* Whatever a guest says, a desktop is shown clean text of a known length. */
#include "fuzz.h"
#include "hooks/event.h"
#include "notice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CSB__AUTOFREE char *text = fuzz_text(data, size);
    csb_event e = {0};
    struct config config;
    struct notice n;

    if (csb__event_parse("claude-sandbox-x", text, size, &e, NULL) != 0) {
        return 0;
    }
    e.project = csb_event_cwd(&e); /* not so in life, where it is the host's: a harder test */
    config_defaults(&config);
    if (notice_for_event(&e, &config, &n)) {
        MUST(fuzz_is_clean(n.title) && fuzz_is_clean(n.body));
        MUST(*n.title && *n.body);
        MUST(strlen(n.body) < NOTICE_BODY_MAX && strlen(n.title) < NOTICE_TITLE_MAX);
    }
    csb__event_finish(&e);
    return 0;
}
