/* SPDX-License-Identifier: MIT */
/* YAML, since users write the settings of their VMs in it already, it has comments, and its parser is
 * there and knows the lines. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#ifdef __APPLE__
#define SOUND_MESSAGE "Ping"
#define SOUND_DONE "Glass"
#define SOUND_QUESTION "Ping"
#define SOUND_ERROR "Basso"
#else
/* Of the freedesktop.org sound naming specification. */
#define SOUND_MESSAGE "message-new-instant"
#define SOUND_DONE "complete"
#define SOUND_QUESTION "dialog-question"
#define SOUND_ERROR "dialog-error"
#endif

static const struct {
    const char *name;
    struct config_event by_default;
} events[N_EVENTS] = {
    [EVENT_ELICITATION] = {"Elicitation", {false, URGENCY_NORMAL, SOUND_QUESTION}},
    [EVENT_NOTIFICATION] = {"Notification", {true, URGENCY_NORMAL, SOUND_MESSAGE}},
    [EVENT_PERMISSION_REQUEST] = {"PermissionRequest", {true, URGENCY_NORMAL, SOUND_QUESTION}},
    [EVENT_SESSION_END] = {"SessionEnd", {false, URGENCY_LOW, ""}},
    [EVENT_SESSION_START] = {"SessionStart", {false, URGENCY_LOW, ""}},
    [EVENT_STOP] = {"Stop", {true, URGENCY_NORMAL, SOUND_DONE}},
    [EVENT_STOP_FAILURE] = {"StopFailure", {true, URGENCY_CRITICAL, SOUND_ERROR}},
    [EVENT_SUBAGENT_STOP] = {"SubagentStop", {false, URGENCY_LOW, ""}},
    [EVENT_TASK_COMPLETED] = {"TaskCompleted", {false, URGENCY_NORMAL, SOUND_DONE}},
};

void config_defaults(struct config *ret) {
    *ret = (struct config){
        .quiet_from = -1,
        .quiet_to = -1,
        .quiet_critical = true,
        .answer = true,
        .log_field = 256,
        .log_size = (int64_t)8 << 20,
        .log_files = 14,
    };
    for (int i = 0; i < N_EVENTS; i++) {
        ret->events[i] = events[i].by_default;
    }
}

int config_find_event(const char *name) {
    for (int i = 0; i < N_EVENTS; i++) {
        if (strcmp(events[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

bool config_is_quiet(const struct config *config, int minute, int urgency) {
    int from = config->quiet_from;
    int to = config->quiet_to;

    if (from < 0 || (urgency == URGENCY_CRITICAL && config->quiet_critical)) {
        return false;
    }
    return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
    yaml_document_t *doc;
    struct config *config;
    struct config_event *event; /* whose settings are read */
    char *why;
    size_t size;
};

/* Always false. */
static bool refuse(const struct reader *r, const yaml_node_t *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(const struct reader *r, const yaml_node_t *node, const char *fmt, ...) {
    int n = snprintf(r->why, r->size, "line %zu: ", node->start_mark.line + 1);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->why + n, r->size - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

/* Without what a file could hold between its letters: it is compared and shown. */
static const char *text_of(const yaml_node_t *node) {
    const char *text = node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
                                                      : NULL;

    return text && strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool read_bool(const struct reader *r, const yaml_node_t *node, bool *ret) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    const char *text = text_of(node);

    for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return true;
        }
    }
    return refuse(r, node, "this is neither \"yes\" nor \"no\"");
}

static bool read_number(const struct reader *r, const yaml_node_t *node, long min, long max,
                        long *ret) {
    const char *text = text_of(node);
    char *end = NULL;
    long value = text && *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;

    if (!end || *end || value < min || value > max) {
        return refuse(r, node, "this is no number from %ld to %ld", min, max);
    }
    *ret = value;
    return true;
}

/* "22:30" */
static bool read_time(const struct reader *r, const yaml_node_t *node, int *ret) {
    const char *text = text_of(node);
    int hour = 0;
    int minute = 0;
    int end = 0;

    if (!text || strspn(text, "0123456789:") != strlen(text) || strlen(text) > 5 ||
        sscanf(text, "%d:%2d%n", &hour, &minute, &end) != 2 || text[end] || hour > 23 ||
        minute > 59 || hour < 0 || minute < 0) {
        return refuse(r, node, "this is no time of day, as \"22:30\" is one");
    }
    *ret = hour * 60 + minute;
    return true;
}

struct setting {
    const char *name; /* NULL ends the list */
    bool (*read)(struct reader *r, yaml_node_t *node);
};

static yaml_node_t *node_at(const struct reader *r, int index) {
    return yaml_document_get_node(r->doc, index);
}

static bool refuse_name(const struct reader *r, const yaml_node_t *key,
                        const struct setting *settings) {
    char names[256] = "";
    size_t len = 0;
    const char *text = text_of(key);

    for (; settings->name && len < sizeof(names); settings++) {
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
                                settings->name);
    }
    return refuse(r, key, "there is no \"%.40s\" here, but: %s", text ? text : "", names);
}

static bool read_settings(struct reader *r, const yaml_node_t *node,
                          const struct setting *settings) {
    unsigned seen = 0;

    if (node->type != YAML_MAPPING_NODE) {
        return refuse(r, node, "here belong settings, as \"name: value\"");
    }
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_at(r, p->key);
        const char *name = text_of(key);
        size_t i = 0;

        while (settings[i].name && !(name && strcmp(name, settings[i].name) == 0)) {
            i++;
        }
        if (!settings[i].name) {
            return refuse_name(r, key, settings);
        }
        if (seen & 1U << i) {
            return refuse(r, key, "\"%s\" is here for the second time", name);
        }
        seen |= 1U << i;
        if (!settings[i].read(r, node_at(r, p->value))) {
            return false;
        }
    }
    return true;
}

static bool read_notify(struct reader *r, yaml_node_t *node) {
    return read_bool(r, node, &r->event->notify);
}

/* A name, and no path: who knows the user's sounds is the desktop. */
static bool read_sound(struct reader *r, yaml_node_t *node) {
    const char *text = text_of(node);

    if (!text || !*text || strlen(text) >= CONFIG_SOUND_MAX ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. ") !=
            strlen(text)) {
        return refuse(r, node, "this is no name of a sound, and not \"none\"");
    }
    snprintf(r->event->sound, CONFIG_SOUND_MAX, "%s", strcmp(text, "none") == 0 ? "" : text);
    return true;
}

static bool read_urgency(struct reader *r, yaml_node_t *node) {
    static const char *const words[] = {"low", "normal", "critical"};
    const char *text = text_of(node);

    for (int i = 0; text && i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            r->event->urgency = i;
            return true;
        }
    }
    return refuse(r, node, "an urgency is \"low\", \"normal\" or \"critical\"");
}

static const struct setting event_settings[] = {
    {"notify", read_notify}, {"sound", read_sound}, {"urgency", read_urgency}, {NULL, NULL}};

static bool refuse_event(const struct reader *r, const yaml_node_t *key) {
    struct setting names[N_EVENTS + 1] = {{NULL, NULL}};

    for (int i = 0; i < N_EVENTS; i++) {
        names[i].name = events[i].name;
    }
    return refuse_name(r, key, names);
}

/* "Stop: no", or all of its settings. */
static bool read_events(struct reader *r, yaml_node_t *node) {
    if (node->type != YAML_MAPPING_NODE) {
        return refuse(r, node, "here belong events, as \"Stop: no\"");
    }
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_at(r, p->key);
        yaml_node_t *value = node_at(r, p->value);
        const char *name = text_of(key);
        int id = name ? config_find_event(name) : -1;

        if (id < 0) {
            return refuse_event(r, key);
        }
        r->event = &r->config->events[id];
        /* Who sets how it is shown wants it to be shown. */
        r->event->notify = true;
        if (value->type == YAML_MAPPING_NODE ? !read_settings(r, value, event_settings)
                                             : !read_notify(r, value)) {
            return false;
        }
    }
    return true;
}

static bool read_from(struct reader *r, yaml_node_t *node) {
    return read_time(r, node, &r->config->quiet_from);
}

static bool read_to(struct reader *r, yaml_node_t *node) {
    return read_time(r, node, &r->config->quiet_to);
}

static bool read_critical(struct reader *r, yaml_node_t *node) {
    return read_bool(r, node, &r->config->quiet_critical);
}

static bool read_quiet(struct reader *r, yaml_node_t *node) {
    static const struct setting settings[] = {
        {"from", read_from}, {"to", read_to}, {"critical", read_critical}, {NULL, NULL}};

    if (!read_settings(r, node, settings)) {
        return false;
    }
    if (r->config->quiet_from < 0 || r->config->quiet_to < 0) {
        return refuse(r, node, "quiet hours need both \"from\" and \"to\"");
    }
    return true;
}

static bool read_unless_focused(struct reader *r, yaml_node_t *node) {
    return read_bool(r, node, &r->config->unless_focused);
}

static bool read_answer(struct reader *r, yaml_node_t *node) {
    return read_bool(r, node, &r->config->answer);
}

static bool read_bodies(struct reader *r, yaml_node_t *node) {
    return read_bool(r, node, &r->config->log_bodies);
}

static bool read_field(struct reader *r, yaml_node_t *node) {
    long value = 0;

    if (!read_number(r, node, 16, 65536, &value)) {
        return false;
    }
    r->config->log_field = (size_t)value;
    return true;
}

static bool read_size(struct reader *r, yaml_node_t *node) {
    long value = 0;

    if (!read_number(r, node, 1, 1024, &value)) {
        return false;
    }
    r->config->log_size = (int64_t)value << 20;
    return true;
}

static bool read_files(struct reader *r, yaml_node_t *node) {
    long value = 0;

    if (!read_number(r, node, 2, 1000, &value)) {
        return false;
    }
    r->config->log_files = (int)value;
    return true;
}

static bool read_log(struct reader *r, yaml_node_t *node) {
    static const struct setting settings[] = {{"bodies", read_bodies},
                                              {"field-bytes", read_field},
                                              {"file-mib", read_size},
                                              {"files", read_files},
                                              {NULL, NULL}};

    return read_settings(r, node, settings);
}

static const struct setting outermost[] = {
    {"events", read_events}, {"quiet-hours", read_quiet}, {"unless-focused", read_unless_focused},
    {"answer", read_answer}, {"log", read_log},           {NULL, NULL}};

/* A file in which all is commented out has no root. */
static bool read_document(yaml_parser_t *parser, struct reader *r) {
    yaml_document_t doc;
    const yaml_node_t *root;
    bool good;

    if (!yaml_parser_load(parser, &doc)) {
        snprintf(r->why, r->size, "line %zu: this is no YAML: %s", parser->problem_mark.line + 1,
                 parser->problem ? parser->problem : "out of memory");
        return false;
    }
    r->doc = &doc;
    root = yaml_document_get_root_node(&doc);
    good = !root || read_settings(r, root, outermost);
    r->doc = NULL;
    yaml_document_delete(&doc);
    return good;
}

bool config_parse(const char *text, size_t len, struct config *ret, char *why, size_t size) {
    struct config config;
    struct reader r = {.config = &config, .why = why, .size = size};
    yaml_parser_t parser;
    bool good;

    config_defaults(&config);
    *why = '\0';
    if (!yaml_parser_initialize(&parser)) {
        snprintf(why, size, "out of memory");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    good = read_document(&parser, &r);
    yaml_parser_delete(&parser);
    if (good) {
        *ret = config;
    }
    return good;
}
