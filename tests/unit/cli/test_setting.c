/* The table of settings and how values are judged. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/address.h"
#include "cli/setting.h"
#include "cli/suggest.h"

static const struct setting *row_of_type(enum setting_type type) {
    static struct setting row;
    row = (struct setting){
        .name = "X", .type = type, .fallback = "1", .unit = type == SETTING_SIZE ? "MB" : "ms"};
    return &row;
}

static enum status parse(const struct setting *row, const char *text, struct setting_value *value) {
    struct buffer why;
    buffer_init(&why);
    enum status status = setting_parse(row, text, value, &why);
    cr_expect_eq(status == STATUS_OK, why.size == 0);
    buffer_free(&why);
    return status;
}

Test(setting, numbers_durations_and_sizes) {
    static const struct {
        enum setting_type type;
        const char *text;
        int ok;
        int64_t number;
    } rows[] = {
        {SETTING_INT, "12", 1, 12},
        {SETTING_INT, "-3", 1, -3},
        {SETTING_INT, "1.5", 0, 0},
        {SETTING_INT, "12x", 0, 0},
        {SETTING_INT, "", 0, 0},
        {SETTING_INT, "0x10", 0, 0},
        {SETTING_INT, "1e3", 0, 0},
        {SETTING_INT, "999999999999999999999", 0, 0},
        {SETTING_INT, "nan", 0, 0},
        {SETTING_DURATION, "250", 1, 250},
        {SETTING_DURATION, "250ms", 1, 250},
        {SETTING_DURATION, "5s", 1, 5000},
        {SETTING_DURATION, "1.5s", 1, 1500},
        {SETTING_DURATION, "2m", 1, 120000},
        {SETTING_DURATION, "24h", 1, 86400000},
        {SETTING_DURATION, "5 s", 1, 5000},
        {SETTING_DURATION, "5x", 0, 0},
        {SETTING_SIZE, "64", 1, 64 << 20},
        {SETTING_SIZE, "64MB", 1, 64 << 20},
        {SETTING_SIZE, "64kb", 1, 64 << 10},
        {SETTING_SIZE, "1GiB", 1, 1 << 30},
        {SETTING_SIZE, "7B", 1, 7},
        {SETTING_SIZE, "MB", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct setting_value value = {0};
        enum status status = parse(row_of_type(rows[i].type), rows[i].text, &value);
        cr_expect_eq(status == STATUS_OK, rows[i].ok, "%s", rows[i].text);
        if (rows[i].ok) cr_expect_eq(value.number, rows[i].number, "%s", rows[i].text);
    }
}

Test(setting, switches_and_addresses) {
    static const struct {
        enum setting_type type;
        const char *text;
        int ok;
    } rows[] = {
        {SETTING_BOOL, "1", 1},
        {SETTING_BOOL, "TRUE", 1},
        {SETTING_BOOL, "off", 1},
        {SETTING_BOOL, "maybe", 0},
        {SETTING_LISTEN, ":8081", 1},
        {SETTING_LISTEN, "127.0.0.1:0", 1},
        {SETTING_LISTEN, "[::1]:8081", 1},
        {SETTING_LISTEN, "::1:8081", 0},
        {SETTING_LISTEN, "host", 0},
        {SETTING_LISTEN, "host:", 0},
        {SETTING_LISTEN, "host:70000", 0},
        {SETTING_LISTEN, "host:80a", 0},
        {SETTING_LISTEN, "ho st:80", 0},
        {SETTING_LINK, "tcp://127.0.0.1:7001", 1},
        {SETTING_LINK, "localhost:7001", 1},
        {SETTING_LINK, "ipc:///tmp/x", 1},
        {SETTING_LINK, "ipc://", 0},
        {SETTING_LINK, "none", 1},
        {SETTING_LINK, "udp://x:1", 0},
        {SETTING_ADDRESS, "https://db.example:443", 1},
        {SETTING_ADDRESS, "db.example:443", 1},
        {SETTING_ADDRESS, "ftp://x:1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct setting_value value;
        enum status status = parse(row_of_type(rows[i].type), rows[i].text, &value);
        cr_expect_eq(status == STATUS_OK, rows[i].ok, "%s", rows[i].text);
    }
}

Test(setting, a_bad_value_is_named_with_its_range) {
    struct buffer why;
    buffer_init(&why);
    struct setting_value value;
    const struct setting *row = setting_find("VECTRON_DEFAULT_SHARDS", ROLE_PD);
    cr_assert_eq(setting_parse(row, "5000", &value, &why), STATUS_INVALID);
    cr_expect_str_eq((char *)why.data,
                     "VECTRON_DEFAULT_SHARDS: \"5000\" is not a whole number (1 to 1024)");
    buffer_clear(&why);
    cr_assert_eq(setting_parse(setting_find("VECTRON_DRAIN_MS", ROLE_UP), "1ms", &value, &why),
                 STATUS_INVALID);
    cr_expect_str_eq(
        (char *)why.data,
        "VECTRON_DRAIN_MS: \"1ms\" is not a duration such as 250ms, 5s or 2m (100ms to 600s)");
    buffer_free(&why);
}

/* Two rows of one name share no role; mapped rows have an effective target; defaults are valid. */
Test(setting, the_table_is_sound) {
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        cr_expect(row->name && row->fallback && row->group && row->effect && row->roles, "%s",
                  row->name);
        for (size_t j = 0; j < i; j++) {
            const struct setting *other = &setting_table[j];
            if (strcmp(other->name, row->name) == 0)
                cr_expect_eq(other->roles & row->roles, 0, "%s twice", row->name);
            if (row->flag && other->flag && strcmp(other->flag, row->flag) == 0)
                cr_expect_eq(other->roles & row->roles, 0, "--%s twice", row->flag);
        }
        struct setting_value value;
        if (row->kind != SETTING_ACCEPTED)
            cr_expect_eq(parse(row, row->fallback, &value), STATUS_OK, "%s", row->name);
        if (row->kind != SETTING_MAPPED) continue;
        for (const struct role_name *role = role_names; role->role; role++) {
            if (!(row->roles & role->role)) continue;
            const struct setting *target = setting_find(row->target, role->role);
            cr_expect(target && target->kind == SETTING_EFFECTIVE && target->type == row->type,
                      "%s in %s", row->name, role->name);
        }
    }
}

Test(setting, every_name_of_the_contract_is_known) {
    static const char *const names[] = {
        "VECTRON_GOMAXPROCS",
        "PPROF_HEAP_PATH",
        "GRPC_ADDR",
        "HTTP_ADDR",
        "GRPC_TLS_SERVER_NAME",
        "JWT_SECRET",
        "RERANKER_DISCOVERY_TTL_MS",
        "MANAGEMENT_AUTH_ALLOW_SDK",
        "SEARCH_CONSISTENCY_OVERRIDES",
        "RESOLVE_CACHE_TTL_MS",
        "RERANK_WARMUP_CONCURRENCY",
        "GRPC_MAX_STREAMS",
        "DISTRIBUTED_CACHE_MIN_IDLE_CONNS",
        "RAW_SPEED_MODE",
        "VECTRON_GW_VECTOR_FETCH_CONCURRENCY",
        "VECTRON_BENCHMARK_MODE",
        "GRPC_PORT",
        "HTTP_PORT",
        "ETCD_ENDPOINTS",
        "VECTRON_LOGDB_RECYCLE_LOGS",
        "PD_ADDRS",
        "VECTRON_SEARCH_ONLY_COLLECTIONS",
        "VECTRON_SEGMENT_INDEX_FLUSH_MS",
        "VECTRON_MMAP_INITIAL_MB",
        "VECTRON_WAL_POLL_MS",
        "PEBBLE_L0_STOP",
        "VECTRON_INDEX_HEAP_SOFT_MB",
        "VECTRON_HOT_INDEX_COLD_EF_SCALE",
        "VECTRON_DOT_CGO_MIN_DIM",
        "VECTRON_WORKER_SEARCH_CACHE_QUANT_BITS",
        "VECTRON_RAFT_PROPOSE_BACKOFF_MS",
        "RERANKER_ADVERTISE_ADDR",
        "RULE_STOP_WORDS",
        "CACHE_EVICTION_POLICY",
        "REDIS_KEY_PREFIX",
        "VECTRON_REPLICATION_FACTOR",
        "FEEDBACK_DB_PATH",
        "CORS_ALLOWED_ORIGINS",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect(setting_known(names[i]), "%s", names[i]);
    static const struct {
        const char *flag;
        unsigned role;
    } flags[] = {
        {"grpc-addr", ROLE_PD},      {"raft-addr", ROLE_PD},       {"node-id", ROLE_PD},
        {"cluster-id", ROLE_PD},     {"initial-members", ROLE_PD}, {"data-dir", ROLE_PD},
        {"grpc-addr", ROLE_WORKER},  {"raft-addr", ROLE_WORKER},   {"pd-addrs", ROLE_WORKER},
        {"node-id", ROLE_WORKER},    {"data-dir", ROLE_WORKER},    {"port", ROLE_RERANKER},
        {"strategy", ROLE_RERANKER}, {"cache", ROLE_RERANKER},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        cr_expect(setting_by_flag(flags[i].flag, flags[i].role), "--%s", flags[i].flag);
}

Test(setting, the_nearest_name_is_found) {
    cr_expect_str_eq(setting_nearest("VECTRON_DEFAULT_SHARD"), "VECTRON_DEFAULT_SHARDS");
    cr_expect_str_eq(setting_nearest("VECTRON_DATADIR"), "VECTRON_DATA_DIR");
    cr_expect_null(setting_nearest("VECTRON_SOMETHING_QUITE_DIFFERENT_HERE"));
    cr_expect_eq(suggest_distance("kitten", "sitting"), 3);
    cr_expect_eq(suggest_distance("ab", "ba"), 1);
    cr_expect_eq(suggest_distance("", "abc"), 3);
    cr_expect_eq(suggest_distance("ABC", "abc"), 0);
}

Test(setting, addresses_become_what_sockets_take) {
    char out[ADDRESS_MAX];
    address_listen(":8081", false, out);
    cr_expect_str_eq(out, "127.0.0.1:8081");
    address_listen(":8081", true, out);
    cr_expect_str_eq(out, "0.0.0.0:8081");
    address_listen("localhost:1", false, out);
    cr_expect_str_eq(out, "127.0.0.1:1");
    address_link("localhost:7001", false, out);
    cr_expect_str_eq(out, "tcp://127.0.0.1:7001");
    address_link("none", false, out);
    cr_expect_str_eq(out, "");
    address_links("localhost:1, tcp://pd2:2,ipc://x", out);
    cr_expect_str_eq(out, "tcp://127.0.0.1:1,tcp://pd2:2,ipc://x");
    static const char *const near[] = {
        "", ":1", "127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1", "ipc://x", "none"};
    static const char *const far[] = {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "localhost.example:1",
                                      "tcp://0.0.0.0:1"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        cr_expect(address_loopback(near[i]), "%s", near[i]);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        cr_expect_not(address_loopback(far[i]), "%s", far[i]);
}
