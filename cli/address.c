/* address: "localhost" is written as 127.0.0.1, because ZeroMQ binds numbers only. */
#include "cli/address.h"

#include <stdio.h>
#include <string.h>

static const char *after_scheme(const char *address) {
    const char *scheme = strstr(address, "://");
    return scheme ? scheme + 3 : address;
}

bool address_loopback(const char *address) {
    if (*address == 0 || strcmp(address, "none") == 0) return true;
    if (strncmp(address, "ipc://", 6) == 0) return true;
    const char *host = after_scheme(address);
    return *host == ':' || strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0 ||
           strncmp(host, "[::1]:", 6) == 0;
}

bool address_open_link(const char *list) {
    for (const char *at = list; *at;) {
        char one[ADDRESS_MAX];
        at += strspn(at, ", ");
        size_t size = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", (int)size, at);
        at += size;
        if (!strchr(one, '@') && !address_loopback(one)) return true;
    }
    return false;
}

void address_listen(const char *text, bool insecure, char out[ADDRESS_MAX]) {
    const char *host = after_scheme(text);
    const char *any = insecure ? "0.0.0.0" : "127.0.0.1";
    if (*host == ':')
        snprintf(out, ADDRESS_MAX, "%s%s", any, host);
    else if (strncmp(host, "localhost:", 10) == 0)
        snprintf(out, ADDRESS_MAX, "127.0.0.1%s", host + 9);
    else
        snprintf(out, ADDRESS_MAX, "%s", host);
}

void address_link(const char *text, bool insecure, char out[ADDRESS_MAX]) {
    *out = 0;
    if (*text == 0 || strcmp(text, "none") == 0) return;
    if (strncmp(text, "ipc://", 6) == 0) {
        snprintf(out, ADDRESS_MAX, "%s", text);
        return;
    }
    char host[ADDRESS_MAX];
    address_listen(text, insecure, host);
    snprintf(out, ADDRESS_MAX, "tcp://%.*s", ADDRESS_MAX - 7, host);
}

void address_members(const char *list, char out[ADDRESS_MAX]) {
    *out = 0;
    for (const char *at = list; *at;) {
        char one[ADDRESS_MAX], link[ADDRESS_MAX];
        at += strspn(at, " ");
        size_t size = strcspn(at, ", "), id = strspn(at, "0123456789");
        if (id < size && at[id] == ':') id++;
        snprintf(one, sizeof one, "%.*s", (int)(size - id), at + id);
        address_link(one, false, link);
        size_t used = strlen(out);
        snprintf(out + used, ADDRESS_MAX - used, "%s%.*s%s", used ? "," : "", (int)id, at, link);
        at += size;
        at += strspn(at, ", ");
    }
}

void address_links(const char *list, char out[ADDRESS_MAX]) {
    *out = 0;
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        char one[ADDRESS_MAX], link[ADDRESS_MAX];
        at += strspn(at, " ");
        size = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", (int)size, at);
        at += size;
        at += strspn(at, ", ");
        address_link(one, false, link);
        size_t used = strlen(out);
        snprintf(out + used, ADDRESS_MAX - used, "%s%s", used ? "," : "", link);
    }
}
