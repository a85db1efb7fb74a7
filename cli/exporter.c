/* exporter: two batches: one gathers while the other is on its way.
 *
 *     SysTrace ─▶ gathering ──1 s, or full──▶ posting ──200──▶ Done to the collector
 *                    │                          │  └─refused─▶ Failed: lost
 *                    └─ no room: BUSY, lost     └─ no answer, 429, 502, 503, 504: again, later
 *
 * The post waits on the blocking pool, which has a thread more for it (process.c). */
#include "cli/exporter.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "cli/command.h"
#include "cli/otlp.h"
#include "runtime/assert.h"
#include "runtime/log.h"
#include "runtime/memory.h"

enum {
    GATHER_US = 1000000,
    PROMISES_MAX = 1024,
    RETRY_FIRST_US = 1000000, /* doubled each time */
    RETRY_MAX_US = 16000000,
    GIVE_UP_US = 60000000,
    CONNECT_MS = 2000,
    POST_MS = 5000,
    TELL_EVERY_US = 60000000, /* the same trouble is logged once in that time */
    RETRY_AFTER_MAX_S = 30,
};

struct exporter_settings {
    char *url;                  /* owned */
    char *service;              /* owned */
    char *instance;             /* owned */
    struct curl_slist *headers; /* owned */
    bool started_curl;
    bool gzip;
};

struct batch {
    struct otlp_batch spans;
    struct promise promises[PROMISES_MAX];
    size_t n_promises;
};

/* What the pool works on. */
struct post {
    const struct exporter_settings *settings; /* borrowed */
    CURL *curl;                               /* owned, kept: its connection is used again */
    struct buffer body;                       /* the request, encoded once */
    struct buffer packed;                     /* the same as gzip, where that is wanted */
    struct buffer answer;
    long code; /* HTTP; 0: no answer */
    curl_off_t retry_after_s;
    char words[CURL_ERROR_SIZE];
};

struct exporter {
    const struct exporter_settings *settings; /* borrowed */
    struct batch *gathering, *posting; /* owned; posting->n_promises 0: nothing is on its way */
    struct post *post;                 /* owned: by the pool while it works */
    bool waking;                       /* a timer will look whether there is something to post */
    bool busy;                         /* on its way */
    uint64_t since_us, pause_us;
    uint64_t told_us; /* when trouble was logged */
};

#define EXPORTER_ACCEPTS(X) X(struct exporter, SysTrace, sys_trace, on_trace)
ACTOR_HANDLERS(exporter_handlers, EXPORTER_ACCEPTS);

/* --- the post, on the pool
 * ------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t size, size_t n, void *context) {
    enum { ANSWER_MAX = 64 * 1024 };
    struct post *post = context;
    if (post->answer.size + size * n <= ANSWER_MAX) buffer_append(&post->answer, data, size * n);
    return size * n;
}

/* Once a batch, however often it is posted. False: no memory. */
static bool pack(struct post *post) {
    enum { GZIP_WINDOW = 15 + 16, MEM_LEVEL = 8 };
    z_stream stream = {.next_in = post->body.data, .avail_in = (uInt)post->body.size};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t room = deflateBound(&stream, stream.avail_in);
    stream.next_out = buffer_reserve(&post->packed, room);
    stream.avail_out = stream.next_out ? (uInt)room : 0;
    bool done = stream.next_out && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (done) post->packed.size = stream.total_out;
    deflateEnd(&stream);
    return done;
}

static CURL *new_curl(struct post *post) {
    CURL *curl = curl_easy_init();
    if (!curl) return NULL;
    curl_easy_setopt(curl, CURLOPT_URL, post->settings->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, post->settings->headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->words);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)POST_MS);
    return curl;
}

static enum status work(void *context) {
    struct post *post = context;
    post->code = 0;
    post->retry_after_s = 0;
    post->words[0] = '\0';
    buffer_clear(&post->answer);
    if (!post->curl) post->curl = new_curl(post);
    if (!post->curl) return STATUS_NO_MEMORY;
    if (post->settings->gzip && post->packed.size == 0 && !pack(post)) return STATUS_NO_MEMORY;
    const struct buffer *sent = post->settings->gzip ? &post->packed : &post->body;
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, sent->data);
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sent->size);
    CURLcode code = curl_easy_perform(post->curl);
    if (code != CURLE_OK) {
        if (!*post->words)
            snprintf(post->words, sizeof post->words, "%s", curl_easy_strerror(code));
        return STATUS_LOST_PEER;
    }
    curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &post->code);
    curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &post->retry_after_s);
    return STATUS_OK;
}

static void free_post(void *context) {
    struct post *post = context;
    if (!post) return;
    if (post->curl) curl_easy_cleanup(post->curl);
    buffer_free(&post->body);
    buffer_free(&post->packed);
    buffer_free(&post->answer);
    mem_free(post);
}

/* --- the actor
 * ------------------------------------------------------------------------------------ */

static void start_post(void *actor, void *context, struct turn *turn);

static void tell(struct exporter *self, struct turn *turn, const char *words) {
    uint64_t now = turn_now_us(turn);
    if (self->told_us && now - self->told_us < TELL_EVERY_US) return;
    self->told_us = now;
    log_error("spans do not reach %s: %s", self->settings->url, words);
}

static void wake(struct exporter *self, struct turn *turn, uint64_t us) {
    if (self->waking) return;
    self->waking = true;
    turn_timer(turn, us, start_post, NULL);
}

/* The batch is over: its traces arrived (OK) or are lost. */
static void end_batch(struct exporter *self, enum status status, struct turn *turn) {
    struct batch *batch = self->posting;
    SysTrace nothing = SYS_TRACE__INIT;
    for (size_t i = 0; i < batch->n_promises; i++)
        if (status == STATUS_OK)
            turn_resolve(turn, &batch->promises[i], &nothing.base);
        else
            turn_reject(turn, &batch->promises[i], status, "the receiver did not take it");
    batch->n_promises = 0;
    otlp_reset(&batch->spans);
    self->busy = false;
    if (self->gathering->n_promises > 0) wake(self, turn, GATHER_US);
}

/* Some were refused although the answer was 200: said once in a while, counted as arrived. */
static void look_at_answer(struct exporter *self, struct turn *turn) {
    const struct buffer *answer = &self->post->answer;
    OtlpExported *exported = otlp_exported__unpack(NULL, answer->size, answer->data);
    if (exported && exported->partial_success && exported->partial_success->rejected_spans > 0)
        tell(self, turn, exported->partial_success->error_message);
    if (exported) otlp_exported__free_unpacked(exported, NULL);
}

static bool passes(long code) {
    return code == 0 || code == 429 || code == 502 || code == 503 || code == 504;
}

static void again(struct exporter *self, struct turn *turn) {
    char words[CURL_ERROR_SIZE + 32];
    const struct post *post = self->post;
    snprintf(words, sizeof words, "HTTP status %ld", post->code);
    tell(self, turn, post->code ? words : post->words);
    uint64_t pause = self->pause_us / 2 + turn_random(turn) % self->pause_us;
    curl_off_t wanted = post->retry_after_s;
    if (wanted > RETRY_AFTER_MAX_S) wanted = RETRY_AFTER_MAX_S;
    if (wanted > 0 && pause < (uint64_t)wanted * 1000000) pause = (uint64_t)wanted * 1000000;
    self->pause_us *= 2;
    if (self->pause_us > RETRY_MAX_US) self->pause_us = RETRY_MAX_US;
    wake(self, turn, pause);
}

static void posted(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)outcome;
    struct exporter *self = actor;
    self->post = context;
    long code = self->post->code;
    if (code >= 200 && code < 300) {
        look_at_answer(self, turn);
        end_batch(self, STATUS_OK, turn);
    } else if (passes(code) && turn_now_us(turn) - self->since_us < GIVE_UP_US) {
        again(self, turn);
    } else {
        char words[64];
        snprintf(words, sizeof words, "HTTP status %ld", code);
        tell(self, turn, code ? words : self->post->words);
        end_batch(self, STATUS_LOST_PEER, turn);
    }
}

/* Turns what was gathered into the batch on its way. */
static bool next_batch(struct exporter *self, struct turn *turn) {
    struct batch *full = self->gathering;
    struct otlp_resource resource = {self->settings->service, self->settings->instance,
                                     VECTRON_VERSION};
    if (full->n_promises == 0) return false;
    self->gathering = self->posting;
    self->posting = full;
    self->busy = true;
    self->since_us = turn_now_us(turn);
    self->pause_us = RETRY_FIRST_US;
    buffer_clear(&self->post->body);
    buffer_clear(&self->post->packed);
    self->post->body.failed = false;
    otlp_write(&full->spans, &resource, &self->post->body);
    if (!self->post->body.failed) return true;
    end_batch(self, STATUS_NO_MEMORY, turn);
    return false;
}

static void start_post(void *actor, void *context, struct turn *turn) {
    (void)context;
    struct exporter *self = actor;
    self->waking = false;
    if (!self->post) return; /* on its way: posted goes on */
    if (!self->busy && !next_batch(self, turn)) return;
    struct post *post = self->post;
    self->post = NULL;
    turn_block(
        turn, &(struct block){.work = work, .done = posted, .abandon = free_post, .context = post});
}

static enum status on_trace(struct exporter *self, const SysTrace *trace, struct turn *turn) {
    struct batch *batch = self->gathering;
    if (batch->n_promises == PROMISES_MAX || !otlp_add(&batch->spans, trace))
        return turn_fail(turn, STATUS_BUSY, "too much waits for the receiver");
    batch->promises[batch->n_promises++] = turn_defer(turn);
    if (!self->busy) wake(self, turn, GATHER_US);
    return STATUS_OK;
}

static enum status exporter_open(void *actor, const void *options, struct turn *turn) {
    struct exporter *self = actor;
    self->settings = options;
    self->gathering = mem_zero(1, sizeof *self->gathering);
    self->posting = mem_zero(1, sizeof *self->posting);
    self->post = mem_zero(1, sizeof *self->post);
    if (!self->gathering || !self->posting || !self->post)
        return turn_fail(turn, STATUS_NO_MEMORY, "no memory for spans on their way");
    otlp_init(&self->gathering->spans);
    otlp_init(&self->posting->spans);
    self->post->settings = options;
    return STATUS_OK;
}

static void exporter_close(void *actor) {
    struct exporter *self = actor;
    struct batch *batches[] = {self->gathering, self->posting};
    for (size_t i = 0; i < 2; i++) {
        if (batches[i]) otlp_free(&batches[i]->spans);
        mem_free(batches[i]);
    }
    free_post(self->post);
}

static const struct actor_type exporter_type = {
    .kind = "exporter",
    .size = sizeof(struct exporter),
    .handlers = exporter_handlers,
    .open = exporter_open,
    .close = exporter_close,
    .lane = LANE_IO,
    .light = true,
    .quiet = true,
};

/* --- settings
 * ------------------------------------------------------------------------------------- */

/* "name=value,name=value" → "name: value" each. False: that is not what it is. */
static bool add_headers(struct exporter_settings *settings, const char *list) {
    while (*list) {
        char line[1024];
        size_t size = strcspn(list, ",");
        const char *equals = memchr(list, '=', size);
        if (!equals || equals == list || size >= sizeof line - 2) return false;
        snprintf(line, sizeof line, "%.*s: %.*s", (int)(equals - list), list,
                 (int)(size - (size_t)(equals - list) - 1), equals + 1);
        if (strpbrk(line, "\r\n")) return false;
        settings->headers = curl_slist_append(settings->headers, line);
        list += size + (list[size] == ',');
    }
    return true;
}

static bool add_url(struct exporter_settings *settings, const char *endpoint) {
    struct buffer url;
    size_t size = strlen(endpoint);
    if (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0) return false;
    while (size > 0 && endpoint[size - 1] == '/')
        size--;
    buffer_init(&url);
    buffer_printf(&url, "%.*s/v1/traces", (int)size, endpoint);
    settings->url = url.failed ? NULL : mem_string((char *)url.data);
    buffer_free(&url);
    return settings->url != NULL;
}

int exporter_read(const struct config *config,
                  const char *instance,
                  struct exporter_settings **out) {
    const char *endpoint = config_text(config, "OTEL_EXPORTER_OTLP_ENDPOINT");
    *out = NULL;
    if (!*endpoint) return EXIT_OK;
    struct exporter_settings *settings = mem_zero(1, sizeof *settings);
    if (!settings) return command_fail("out of memory");
    *out = settings;
    settings->started_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    settings->service = mem_string(config_text(config, "OTEL_SERVICE_NAME"));
    settings->instance = mem_string(instance);
    settings->headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    if (!settings->service || !settings->instance || !settings->headers)
        return command_fail("out of memory");
    settings->gzip = strcasecmp(config_text(config, "OTEL_EXPORTER_OTLP_COMPRESSION"), "gzip") == 0;
    if (settings->gzip)
        settings->headers = curl_slist_append(settings->headers, "Content-Encoding: gzip");
    if (!add_url(settings, endpoint))
        return command_fail("OTEL_EXPORTER_OTLP_ENDPOINT: %s is not http:// or https://", endpoint);
    if (!add_headers(settings, config_text(config, "OTEL_EXPORTER_OTLP_HEADERS")))
        return command_fail("OTEL_EXPORTER_OTLP_HEADERS: it is not name=value,name=value");
    return EXIT_OK;
}

void exporter_free(struct exporter_settings *settings) {
    if (!settings) return;
    curl_slist_free_all(settings->headers);
    mem_free(settings->url);
    mem_free(settings->service);
    mem_free(settings->instance);
    if (settings->started_curl) curl_global_cleanup();
    mem_free(settings);
}

int exporter_start(struct node *node, const struct exporter_settings *settings) {
    actor_handle handle;
    if (!settings) return EXIT_OK;
    struct spawn spawn = {
        .type = &exporter_type, .name = "exporter", .options = settings, .intensity = 10};
    if (node_spawn(node, &spawn, &handle) == STATUS_OK) return EXIT_OK;
    return command_fail("%s", node_error());
}
