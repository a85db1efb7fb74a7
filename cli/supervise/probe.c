/* probe: see the header. */
#include "cli/supervise/probe.h"

#include <curl/curl.h>

enum { PROBE_MS = 2000 };

static size_t swallow(char *data, size_t size, size_t n, void *context) {
    (void)data, (void)context;
    return size * n;
}

bool probe_answers(const char *url) {
    CURL *curl = curl_easy_init();
    if (!curl) return false;
    long code = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PROBE_MS);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
    if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(curl);
    return code == 200;
}
