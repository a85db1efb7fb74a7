/* setting_table: the rows. Ours come first, grouped by what they steer; then the original's, most
 * of which tune machinery that does not exist here: they are accepted, and the loader says why
 * once. */
#include "cli/setting.h"

#define SERVERS (ROLE_UP | ROLE_PD | ROLE_WORKER | ROLE_GATEWAY)
#define EDGES   (ROLE_UP | ROLE_GATEWAY)
#define STORES  (ROLE_UP | ROLE_WORKER)
#define LOGS    (ROLE_UP | ROLE_WORKER | ROLE_PD)
#define ANYONE  (SERVERS | ROLE_AUTH | ROLE_RERANKER)
#define KILO    1024.0
#define MEGA    (KILO * 1024)
#define GIGA    (MEGA * 1024)

/* A row of the original's that changes nothing here. */
#define NONE(NAME, TYPE, FALLBACK, ROLES, GROUP, WHY) \
    { \
        .name = NAME, .type = TYPE, .fallback = FALLBACK, .roles = ROLES, \
        .kind = SETTING_ACCEPTED, .group = GROUP, .effect = WHY \
    }
#define MAPPED(NAME, TYPE, FALLBACK, ROLES, GROUP, TARGET, UNIT, EFFECT) \
    { \
        .name = NAME, .type = TYPE, .fallback = FALLBACK, .roles = ROLES, .kind = SETTING_MAPPED, \
        .target = TARGET, .unit = UNIT, .group = GROUP, .effect = EFFECT \
    }

#define PROFILE        "profiling is done from outside: `perf record -p`, or `vectron stats`"
#define LATER_AUTH     "authentication comes in a later version; tokens are accepted and ignored"
#define LATER_RERANK   "reranking comes in a later version; results keep the order of their distances"
#define LATER_CACHE    "there is no search cache in this version: every search reads the index"
#define LATER_FEEDBACK "feedback comes in a later version; SubmitFeedback answers UNIMPLEMENTED"
#define LATER_REPLICAS "one replica per shard in this version; replication comes later"
#define LATER_PD_GRPC \
    "the placement driver is spoken to over its link; its gRPC service comes later"
#define LATER_WORKER_GRPC "workers are spoken to over their link; their gRPC service comes later"
#define NO_LOGDB \
    "Raft logs live in one RocksDB per process, synced in groups; nothing to size by hand"
#define NO_SEGMENTS "there are no segments: new points are scanned exactly until the graph has them"
#define NO_PEBBLE   "storage is RocksDB, tuned by VECTRON_CACHE_MB and VECTRON_WRITE_BUFFER_MB"
#define NO_STALE    "an acknowledged write is visible at once; there is nothing to wait for"
#define NO_QUANT    "vectors are kept as float32"
#define NO_STREAM   "replicas are fed by the Raft log; there is no second stream of index updates"
#define NO_UNSAFE   "an acknowledged write is always synced; this cannot be switched off"
#define NO_CGO      "distances are computed in C with SIMD, chosen at start for this processor"
#define NO_LIMITER  "bounded mailboxes refuse what is too much; there are no pools to size by hand"
#define NO_LOGS     "errors are always logged and requests never; `vectron stats` has the counters"
#define NO_ROUTES   "routes are corrected by the answers of the shards; they do not expire by time"
#define NO_HTTP_HOP "gateway and shards exchange msgpack frames over ZeroMQ, not gRPC"
#define NO_RAFT_RETRY \
    "the router repeats a write inside its deadline with backoff, safely (it is numbered)"

/* clang-format off */
const struct setting setting_table[] = {
    /* --- ours --- */
    {.name = "VECTRON_DATA_DIR", .flag = "data-dir", .type = SETTING_STRING, .fallback = "./vectron-data",
     .roles = ROLE_UP | ROLE_CLIENT, .group = "Process",
     .effect = "Folder of everything kept: log, points, index, links. One process at a time; made when missing."},
    {.name = "VECTRON_DATA_DIR", .flag = "data-dir", .type = SETTING_STRING, .fallback = "./vectron-data/pd",
     .roles = ROLE_PD, .group = "Process", .effect = "Folder of the placement driver's log. One process at a time."},
    {.name = "VECTRON_DATA_DIR", .flag = "data-dir", .type = SETTING_STRING, .fallback = "./vectron-data/worker",
     .roles = ROLE_WORKER, .group = "Process", .effect = "Folder of this worker's log, points and index. One process at a time."},
    {.name = "VECTRON_DATA_DIR", .flag = "data-dir", .type = SETTING_STRING, .fallback = "./vectron-data/gateway",
     .roles = ROLE_GATEWAY, .group = "Process", .effect = "Folder of the local link for tools; a gateway keeps no data."},
    {.name = "VECTRON_INSECURE", .flag = "insecure", .type = SETTING_BOOL, .fallback = "0", .roles = SERVERS, .group = "Process",
     .effect = "Allows listeners that are not loopback although authentication is not there, and links without keys to other machines; \":8081\" then means every interface. Warned at start."},
    {.name = "VECTRON_INSECURE", .flag = "insecure", .type = SETTING_BOOL, .fallback = "0", .roles = ROLE_CLIENT, .group = "Process",
     .effect = "Allows a link without keys to another machine."},
    {.name = "VECTRON_STRICT_CONFIG", .type = SETTING_BOOL, .fallback = "0", .roles = SERVERS | ROLE_CLIENT, .group = "Process",
     .effect = "An unknown VECTRON_* name ends the start instead of being warned about."},
    {.name = "VECTRON_ENV_FILE", .type = SETTING_STRING, .fallback = "", .roles = ANYONE | ROLE_CLIENT, .group = "Process",
     .effect = "A file of settings read after the role's own files; what is already set stays."},
    {.name = "VECTRON_ENV_OVERRIDE", .type = SETTING_BOOL, .fallback = "0", .roles = ANYONE | ROLE_CLIENT, .group = "Process",
     .effect = "Files win over the environment, and a later file over an earlier one."},
    {.name = "VECTRON_LOG_LEVEL", .type = SETTING_ENUM, .choices = "error info trace", .fallback = "info", .roles = SERVERS, .group = "Process",
     .effect = "What is written to stderr: error (someone must act), info, trace."},
    {.name = "VECTRON_LOG_JSON", .type = SETTING_BOOL, .fallback = "0", .roles = SERVERS, .group = "Process",
     .effect = "Log lines are JSON objects with the same fields."},
    {.name = "VECTRON_DRAIN_MS", .type = SETTING_DURATION, .unit = "ms", .fallback = "30000", .low = 100, .high = 600e3,
     .roles = EDGES, .group = "Process", .effect = "After SIGTERM calls under way may finish for this long; then they are cut."},

    {.name = "VECTRON_MEMORY_LIMIT", .type = SETTING_SIZE, .unit = "MB", .fallback = "0", .low = 0, .high = 1024 * GIGA, .roles = STORES | ROLE_GATEWAY, .group = "Process",
     .effect = "When this process uses more, new points and large bodies are refused (RESOURCE_EXHAUSTED, 429); reads and deletes go on. 0 = 85 % of the machine's memory, or of the control group's; at most 95 %."},

    {.name = "VECTRON_IO_LANES", .type = SETTING_INT, .fallback = "0", .low = 0, .high = 256, .roles = SERVERS, .group = "Threads",
     .effect = "Threads of edge, router, shards. 0 = max(1, cores / 4)."},
    {.name = "VECTRON_COMPUTE_LANES", .type = SETTING_INT, .fallback = "0", .low = 0, .high = 1024, .roles = SERVERS, .group = "Threads",
     .effect = "Threads that search, link the graph and parse large bodies. 0 = one per core."},
    {.name = "VECTRON_BLOCKING_THREADS", .type = SETTING_INT, .fallback = "0", .low = 0, .high = 256, .roles = SERVERS, .group = "Threads",
     .effect = "Threads that wait for the disk. 0 = 4."},
    {.name = "VECTRON_SPIN", .type = SETTING_BOOL, .fallback = "0", .roles = SERVERS, .group = "Threads",
     .effect = "Lanes look for messages up to 50 us before they sleep, while messages come and cores are free: lower latency, more CPU."},
    MAPPED("VECTRON_GOMAXPROCS", SETTING_INT, "0", SERVERS, "Threads", "VECTRON_COMPUTE_LANES", NULL, "The original's thread count."),

    {.name = "VECTRON_SYS_BODIES", .type = SETTING_ENUM, .fallback = "off", .choices = "off redacted whole", .roles = SERVERS, .group = "Introspection",
     .effect = "Whether tools may see bodies of messages: redacted shows numbers, and text only where the schema says so; whole also allows `vectron record`, which writes everything."},
    {.name = "VECTRON_SYS_ACTIONS", .type = SETTING_ENUM, .fallback = "off", .choices = "off on test", .roles = SERVERS, .group = "Introspection",
     .effect = "Whether tools may act on actors: on allows restart, passivate, migrate and sending dead letters again; test also pause, step and resume."},

    {.name = "VECTRON_TRACE_SAMPLE", .type = SETTING_REAL, .fallback = "0.01", .low = 0, .high = 1, .roles = SERVERS, .group = "Tracing",
     .effect = "Share of requests whose trace is kept whatever becomes of it. Requests that come with a traceparent say so themselves; what fails, is late or slow is kept always."},
    {.name = "VECTRON_TRACE_SLOW_MS", .type = SETTING_DURATION, .unit = "ms", .fallback = "0", .low = 0, .high = 3600e3, .roles = SERVERS, .group = "Tracing",
     .effect = "Requests that take longer are slow. 0 = longer than 99 of 100 of their kind."},
    {.name = "VECTRON_TRACE_RING", .type = SETTING_INT, .fallback = "16384", .low = 0, .high = 4194304, .roles = SERVERS, .group = "Tracing",
     .effect = "Turns that each lane remembers, 64 bytes each: the flight recorder and the source of all traces. 0 = none."},
    {.name = "OTEL_EXPORTER_OTLP_ENDPOINT", .type = SETTING_STRING, .fallback = "", .roles = SERVERS, .group = "Tracing",
     .effect = "Base URL of an OTLP/HTTP receiver (`http://127.0.0.1:4318`): kept traces are posted to its /v1/traces. Empty = nowhere."},
    {.name = "OTEL_EXPORTER_OTLP_HEADERS", .type = SETTING_STRING, .fallback = "", .secret = true, .roles = SERVERS, .group = "Tracing",
     .effect = "Headers for the receiver: name=value,name=value."},
    {.name = "OTEL_SERVICE_NAME", .type = SETTING_STRING, .fallback = "vectron", .roles = SERVERS, .group = "Tracing",
     .effect = "service.name of exported spans."},

    {.name = "VECTRON_LINK", .flag = "link", .type = SETTING_LINK, .fallback = "", .roles = ROLE_UP | ROLE_GATEWAY, .group = "Link",
     .effect = "Where tools reach this process. Empty = ipc://DATA_DIR/link.ipc."},
    {.name = "VECTRON_LINK", .flag = "raft-addr", .type = SETTING_LINK, .fallback = "127.0.0.1:7001", .roles = ROLE_PD, .group = "Link",
     .effect = "Where workers, gateways and tools reach the placement driver (--raft-addr of the original)."},
    {.name = "VECTRON_LINK", .flag = "raft-addr", .type = SETTING_LINK, .fallback = "127.0.0.1:9191", .roles = ROLE_WORKER, .group = "Link",
     .effect = "Where gateways, peers and tools reach this worker (--raft-addr of the original). Told to the placement driver: it must be reachable from the others."},
    {.name = "VECTRON_LINK", .flag = "link", .type = SETTING_LINK, .fallback = "", .roles = ROLE_CLIENT, .group = "Link",
     .effect = "Process that `vectron stats` asks. Empty = ipc://DATA_DIR/link.ipc."},
    {.name = "PD_ADDRS", .flag = "pd-addrs", .type = SETTING_LIST, .fallback = "127.0.0.1:7001", .roles = ROLE_WORKER, .group = "Link",
     .effect = "Link addresses (--raft-addr) of the placement driver, comma separated; NAME@HOST:PORT when it has keys."},
    {.name = "PLACEMENT_DRIVER", .flag = "pd-addrs", .type = SETTING_LIST, .fallback = "127.0.0.1:7001", .roles = ROLE_GATEWAY, .group = "Link",
     .effect = "Link addresses (--raft-addr) of the placement driver, comma separated; NAME@HOST:PORT when it has keys."},
    {.name = "VECTRON_KEY_FILE", .flag = "key-file", .type = SETTING_STRING, .fallback = "", .roles = SERVERS | ROLE_CLIENT, .group = "Link",
     .effect = "This node's own key pair for links (`vectron admin keygen NAME`): tcp links are then encrypted and let only known nodes in. Goes with VECTRON_ALLOWED_KEYS."},
    {.name = "VECTRON_ALLOWED_KEYS", .flag = "allowed-keys", .type = SETTING_STRING, .fallback = "", .roles = SERVERS | ROLE_CLIENT, .group = "Link",
     .effect = "Nodes this one talks to: a file of lines `NAME PUBLIC-KEY`, or a folder of such *.pub files. Read again on SIGHUP."},
    MAPPED("PD_ADDRS", SETTING_LIST, "", ROLE_GATEWAY, "Link", "PLACEMENT_DRIVER", NULL, "The worker's name for it, so that one file serves both."),
    MAPPED("PLACEMENT_DRIVER", SETTING_LIST, "", ROLE_WORKER, "Link", "PD_ADDRS", NULL, "The gateway's name for it, so that one file serves both."),

    {.name = "GRPC_ADDR", .flag = "grpc-addr", .type = SETTING_LISTEN, .fallback = ":8081", .roles = EDGES, .group = "Listeners",
     .effect = "Listener for gRPC (HTTP and JSON work on it too). A port alone means loopback unless VECTRON_INSECURE=1."},
    {.name = "HTTP_ADDR", .flag = "http-addr", .type = SETTING_LISTEN, .fallback = ":8080", .roles = EDGES, .group = "Listeners",
     .effect = "Listener for HTTP (gRPC works on it too). Empty = none."},
    {.name = "GRPC_TLS_ENABLED", .type = SETTING_BOOL, .fallback = "false", .roles = EDGES, .group = "Listeners",
     .effect = "TLS on GRPC_ADDR. Without certificate and key the start fails (the original went on in plain text)."},
    {.name = "GRPC_TLS_CERT_FILE", .type = SETTING_STRING, .fallback = "", .roles = EDGES, .group = "Listeners",
     .effect = "PEM certificate chain; read again on SIGHUP."},
    {.name = "GRPC_TLS_KEY_FILE", .type = SETTING_STRING, .fallback = "", .roles = EDGES, .group = "Listeners", .effect = "PEM private key; read again on SIGHUP."},
    {.name = "HTTP_TLS_ENABLED", .type = SETTING_BOOL, .fallback = "false", .roles = EDGES, .group = "Listeners", .effect = "TLS on HTTP_ADDR, as above."},
    {.name = "HTTP_TLS_CERT_FILE", .type = SETTING_STRING, .fallback = "", .roles = EDGES, .group = "Listeners",
     .effect = "PEM certificate chain; read again on SIGHUP."},
    {.name = "HTTP_TLS_KEY_FILE", .type = SETTING_STRING, .fallback = "", .roles = EDGES, .group = "Listeners", .effect = "PEM private key; read again on SIGHUP."},
    {.name = "CORS_ALLOWED_ORIGINS", .type = SETTING_LIST, .fallback = "", .roles = EDGES, .group = "Listeners",
     .effect = "Origins that browsers may call from, matched and echoed. Empty or * = all."},
    {.name = "VECTRON_EDGES", .type = SETTING_INT, .fallback = "0", .low = 0, .high = 64, .roles = EDGES, .group = "Listeners",
     .effect = "Event loops that share the listeners. 0 = one per I/O lane."},

    {.name = "GRPC_MAX_STREAMS", .type = SETTING_INT, .fallback = "4096", .low = 1, .high = 1e6, .roles = EDGES, .group = "Limits",
     .effect = "Concurrent calls of one HTTP/2 connection."},
    {.name = "VECTRON_MAX_CONNECTIONS", .type = SETTING_INT, .fallback = "10000", .low = 1, .high = 1e6, .roles = EDGES, .group = "Limits",
     .effect = "Connections of one event loop; beyond it clients wait in the kernel's queue."},
    {.name = "VECTRON_MAX_CALLS", .type = SETTING_INT, .fallback = "65536", .low = 1, .high = 1e7, .roles = EDGES, .group = "Limits",
     .effect = "Calls under way in one event loop; beyond it they are refused (RESOURCE_EXHAUSTED, 429)."},
    {.name = "VECTRON_BODY_BUDGET_MB", .type = SETTING_SIZE, .unit = "MB", .fallback = "0", .low = 0, .high = 1024 * GIGA, .roles = EDGES, .group = "Limits",
     .effect = "Memory for request bodies and replies of the process; what does not fit is refused at its length prefix. 0 = min(1 GiB, memory / 4)."},
    {.name = "VECTRON_IDLE_MS", .type = SETTING_DURATION, .unit = "ms", .fallback = "120000", .low = 1000, .high = 86400e3, .roles = EDGES, .group = "Limits",
     .effect = "An HTTP/1.1 connection may say nothing for this long between two requests."},
    {.name = "VECTRON_BODY_MS", .type = SETTING_DURATION, .unit = "ms", .fallback = "30000", .low = 1000, .high = 86400e3, .roles = EDGES, .group = "Limits",
     .effect = "A request body may take this long, and a second more for every 8 KiB."},

    {.name = "VECTRON_DEFAULT_SHARDS", .type = SETTING_INT, .fallback = "1", .low = 1, .high = 1024, .roles = ROLE_UP, .group = "Collections",
     .effect = "Shards of a collection whose creation names none."},
    {.name = "VECTRON_DEFAULT_SHARDS", .type = SETTING_INT, .fallback = "16", .low = 1, .high = 1024, .roles = ROLE_PD, .group = "Collections",
     .effect = "Shards of a collection whose creation names none."},
    {.name = "VECTRON_CACHE_MB", .type = SETTING_SIZE, .unit = "MB", .fallback = "0", .low = 0, .high = 1024 * GIGA, .roles = STORES, .group = "Storage",
     .effect = "Read cache of the point store (payloads, vectors). 0 = 32 MB."},
    {.name = "VECTRON_WRITE_BUFFER_MB", .type = SETTING_SIZE, .unit = "MB", .fallback = "0", .low = 0, .high = 4 * GIGA, .roles = STORES, .group = "Storage",
     .effect = "Memtable of the point store. 0 = 16 MB."},
    MAPPED("PEBBLE_CACHE_MB", SETTING_SIZE, "512", STORES, "Storage", "VECTRON_CACHE_MB", "MB", "The original's read cache."),
    MAPPED("PEBBLE_MEMTABLE_MB", SETTING_SIZE, "128", STORES, "Storage", "VECTRON_WRITE_BUFFER_MB", "MB", "The original's memtable."),
    {.name = "VECTRON_REGION", .type = SETTING_STRING, .fallback = "", .roles = STORES, .group = "Placement", .effect = "Region of this worker, told to the placement driver."},
    {.name = "VECTRON_ZONE", .type = SETTING_STRING, .fallback = "", .roles = STORES, .group = "Placement", .effect = "Zone of this worker."},
    {.name = "VECTRON_RACK", .type = SETTING_STRING, .fallback = "", .roles = STORES, .group = "Placement", .effect = "Rack of this worker."},
    {.name = "VECTRON_SEARCHERS", .type = SETTING_INT, .fallback = "0", .low = 0, .high = 1024, .roles = STORES, .group = "Threads",
     .effect = "Searcher actors. 0 = one per compute lane."},

    {.name = "VECTRON_ADDRESS", .flag = "address", .type = SETTING_ADDRESS, .fallback = "127.0.0.1:8081", .roles = ROLE_CLIENT, .group = "Client",
     .effect = "gRPC address of the server; https://host:port speaks TLS."},
    {.name = "VECTRON_TOKEN", .flag = "token", .type = SETTING_STRING, .fallback = "", .secret = true, .roles = ROLE_CLIENT, .group = "Client",
     .effect = "Sent as `authorization: Bearer TOKEN`."},
    {.name = "VECTRON_CA_FILE", .flag = "ca", .type = SETTING_STRING, .fallback = "", .roles = ROLE_CLIENT, .group = "Client",
     .effect = "PEM certificates that a TLS server's certificate is checked against. Empty = the system's."},
    {.name = "VECTRON_TIMEOUT_MS", .flag = "timeout", .type = SETTING_DURATION, .unit = "ms", .fallback = "60000", .low = 1, .high = 86400e3, .roles = ROLE_CLIENT,
     .group = "Client", .effect = "Deadline of one call."},

    /* --- the original's, all services (contract 11.2) --- */
    NONE("PPROF_MUTEX_FRACTION", SETTING_INT, "0", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_BLOCK_RATE", SETTING_INT, "0", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_CPU_PATH", SETTING_STRING, "", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_CPU_SECONDS", SETTING_INT, "15", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_MUTEX_PATH", SETTING_STRING, "", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_MUTEX_SECONDS", SETTING_INT, "15", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_BLOCK_PATH", SETTING_STRING, "", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_BLOCK_SECONDS", SETTING_INT, "15", SERVERS, "Profiling", PROFILE),
    NONE("PPROF_HEAP_PATH", SETTING_STRING, "", STORES, "Profiling", PROFILE),

    /* --- gateway (11.3) --- */
    NONE("GRPC_TLS_SERVER_NAME", SETTING_STRING, "", EDGES, "Gateway", "a listener has the names of its certificate"),
    {.name = "JWT_SECRET", .type = SETTING_STRING, .fallback = "", .secret = true, .roles = EDGES | ROLE_AUTH, .kind = SETTING_ACCEPTED, .group = "Authentication", .effect = LATER_AUTH},
    NONE("AUTH_SERVICE_ADDR", SETTING_STRING, "auth:50051", EDGES, "Authentication", LATER_AUTH),
    NONE("MANAGEMENT_AUTH_ENABLED", SETTING_BOOL, "true", EDGES, "Authentication", "the management routes come in a later version"),
    NONE("MANAGEMENT_AUTH_ALLOW_SDK", SETTING_BOOL, "false", EDGES, "Authentication", "the management routes come in a later version"),
    NONE("VECTRON_BENCHMARK_MODE", SETTING_BOOL, "0", EDGES, "Authentication", "there is no authentication or rate limit to switch off yet"),
    NONE("RATE_LIMIT_RPS", SETTING_INT, "100", EDGES, "Authentication", "rates are limited per user, and users come with authentication in a later version"),
    NONE("RERANKER_SERVICE_ADDR", SETTING_STRING, "localhost:50051", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANKER_DISCOVERY_ENABLED", SETTING_BOOL, "false", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANKER_DISCOVERY_TTL_MS", SETTING_INT, "5000", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_ENABLED", SETTING_BOOL, "false", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_MODE", SETTING_STRING, "rule", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_TIMEOUT_MS", SETTING_INT, "75", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_COLLECTIONS", SETTING_LIST, "", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_TOP_N_OVERRIDES", SETTING_LIST, "", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_TIMEOUT_OVERRIDES", SETTING_LIST, "", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_WARMUP_ENABLED", SETTING_BOOL, "false", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_WARMUP_TTL_MS", SETTING_INT, "30000", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_WARMUP_MAX_SIZE", SETTING_INT, "2000", EDGES, "Reranking", LATER_RERANK),
    NONE("RERANK_WARMUP_CONCURRENCY", SETTING_INT, "2", EDGES, "Reranking", LATER_RERANK),
    NONE("FEEDBACK_DB_PATH", SETTING_STRING, "./data/feedback.db", EDGES, "Feedback", LATER_FEEDBACK),
    NONE("SEARCH_LINEARIZABLE", SETTING_BOOL, "false", EDGES, "Search", "with one replica per shard every read is linearizable already"),
    NONE("SEARCH_CONSISTENCY_OVERRIDES", SETTING_LIST, "", EDGES, "Search", "with one replica per shard every read is linearizable already"),
    NONE("SEARCH_FANOUT_ENABLED", SETTING_BOOL, "false", EDGES, "Search", "a search always looks at every shard of its collection"),
    NONE("SEARCH_CACHE_ENABLED", SETTING_BOOL, "false", EDGES, "Search", LATER_CACHE),
    NONE("SEARCH_CACHE_TTL_MS", SETTING_INT, "0", EDGES, "Search", LATER_CACHE),
    NONE("SEARCH_CACHE_MAX_SIZE", SETTING_INT, "0", EDGES, "Search", LATER_CACHE),
    {.name = "DISTRIBUTED_CACHE_ADDR", .type = SETTING_STRING, .fallback = "", .roles = EDGES, .kind = SETTING_ACCEPTED, .group = "Search", .effect = LATER_CACHE},
    {.name = "DISTRIBUTED_CACHE_PASSWORD", .type = SETTING_STRING, .fallback = "", .secret = true, .roles = EDGES, .kind = SETTING_ACCEPTED, .group = "Search", .effect = LATER_CACHE},
    NONE("DISTRIBUTED_CACHE_DB", SETTING_INT, "0", EDGES, "Search", LATER_CACHE),
    NONE("DISTRIBUTED_CACHE_TTL_MS", SETTING_INT, "5000", EDGES, "Search", LATER_CACHE),
    NONE("DISTRIBUTED_CACHE_TIMEOUT_MS", SETTING_INT, "8", EDGES, "Search", LATER_CACHE),
    NONE("DISTRIBUTED_CACHE_SEARCH_ENABLED", SETTING_BOOL, "true", EDGES, "Search", LATER_CACHE),
    NONE("DISTRIBUTED_CACHE_POOL_SIZE", SETTING_INT, "0", EDGES, "Search", LATER_CACHE),
    NONE("DISTRIBUTED_CACHE_MIN_IDLE_CONNS", SETTING_INT, "0", EDGES, "Search", LATER_CACHE),
    NONE("ROUTING_CACHE_TTL_MS", SETTING_INT, "30000", EDGES, "Gateway", NO_ROUTES),
    NONE("WORKER_LIST_CACHE_TTL_MS", SETTING_INT, "30000", EDGES, "Gateway", NO_ROUTES),
    NONE("RESOLVE_CACHE_TTL_MS", SETTING_INT, "30000", EDGES, "Gateway", NO_ROUTES),
    NONE("WORKER_ROLE_CACHE_TTL_MS", SETTING_INT, "5000", EDGES, "Gateway", NO_ROUTES),
    NONE("PREFER_SEARCH_ONLY_WORKERS", SETTING_BOOL, "false", EDGES, "Gateway", LATER_REPLICAS),
    NONE("GRPC_ENABLE_COMPRESSION", SETTING_BOOL, "false", EDGES, "Gateway", NO_HTTP_HOP "; clients that send gzip and accept it get it back"),
    NONE("GRPC_MAX_RECV_MB", SETTING_INT, "256", EDGES, "Limits", "messages of up to 256 MiB are taken, within VECTRON_BODY_BUDGET_MB"),
    NONE("GRPC_MAX_SEND_MB", SETTING_INT, "256", EDGES, "Limits", "replies of up to 256 MiB are sent, within VECTRON_BODY_BUDGET_MB"),
    NONE("GATEWAY_DEBUG_LOGS", SETTING_BOOL, "false", EDGES, "Logs", NO_LOGS),
    NONE("GATEWAY_LOG_SAMPLE_EVERY", SETTING_INT, "100", EDGES, "Logs", NO_LOGS),
    NONE("VECTRON_GATEWAY_LOG_SAMPLE_N", SETTING_INT, "1", EDGES, "Logs", NO_LOGS),
    NONE("RAW_SPEED_MODE", SETTING_BOOL, "false", EDGES, "Gateway", "there is nothing left to switch off: no compression, caches, batcher, rate limit or request log"),
    NONE("VECTRON_GW_ROUTE_CONCURRENCY", SETTING_INT, "0", EDGES, "Gateway", NO_LIMITER),
    NONE("VECTRON_GW_SEND_CONCURRENCY", SETTING_INT, "0", EDGES, "Gateway", NO_LIMITER),
    NONE("VECTRON_GW_SEARCH_CONCURRENCY", SETTING_INT, "0", EDGES, "Gateway", NO_LIMITER),
    NONE("VECTRON_GW_VECTOR_FETCH_CONCURRENCY", SETTING_INT, "0", EDGES, "Gateway", NO_LIMITER),

    /* --- auth (11.4) --- */
    NONE("GRPC_PORT", SETTING_STRING, ":8081", ROLE_AUTH | ROLE_UP, "Authentication", LATER_AUTH),
    NONE("HTTP_PORT", SETTING_STRING, ":8082", ROLE_AUTH | ROLE_UP, "Authentication", LATER_AUTH),
    NONE("ETCD_ENDPOINTS", SETTING_LIST, "localhost:2379", ROLE_AUTH | ROLE_UP, "Authentication", "etcd is not used; " LATER_AUTH),
    NONE("GRPC_TLS_ENABLED", SETTING_BOOL, "false", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("GRPC_TLS_CERT_FILE", SETTING_STRING, "", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("GRPC_TLS_KEY_FILE", SETTING_STRING, "", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("HTTP_TLS_ENABLED", SETTING_BOOL, "false", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("HTTP_TLS_CERT_FILE", SETTING_STRING, "", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("HTTP_TLS_KEY_FILE", SETTING_STRING, "", ROLE_AUTH, "Authentication", LATER_AUTH),
    NONE("CORS_ALLOWED_ORIGINS", SETTING_LIST, "http://localhost:10011,http://127.0.0.1:10011", ROLE_AUTH, "Authentication", LATER_AUTH),

    /* --- placement driver (11.5, flags 14) --- */
    {.name = "VECTRON_PD_GRPC_ADDR", .flag = "grpc-addr", .type = SETTING_ADDRESS, .fallback = "localhost:6001", .roles = ROLE_PD, .kind = SETTING_ACCEPTED,
     .group = "Placement driver", .effect = LATER_PD_GRPC},
    {.name = "VECTRON_NODE_ID", .flag = "node-id", .type = SETTING_INT, .fallback = "1", .low = 1, .high = 1e15, .roles = ROLE_PD | ROLE_WORKER, .kind = SETTING_ACCEPTED,
     .group = "Placement driver", .effect = "a process is known by the identity kept in its data folder"},
    {.name = "VECTRON_CLUSTER_ID", .flag = "cluster-id", .type = SETTING_INT, .fallback = "1", .low = 0, .high = 1e15, .roles = ROLE_PD, .kind = SETTING_ACCEPTED,
     .group = "Placement driver", .effect = "the placement driver makes its cluster's identity at the first start"},
    {.name = "VECTRON_INITIAL_MEMBERS", .flag = "initial-members", .type = SETTING_LIST, .fallback = "", .roles = ROLE_PD, .kind = SETTING_ACCEPTED,
     .group = "Placement driver", .effect = "one placement driver in this version; its replication comes later"},
    {.name = "VECTRON_REPLICATION_FACTOR", .type = SETTING_INT, .fallback = "1", .low = 1, .high = 5, .roles = ROLE_PD | ROLE_UP, .kind = SETTING_ACCEPTED,
     .group = "Placement driver", .effect = LATER_REPLICAS},
    NONE("VECTRON_LOGDB_PROFILE", SETTING_STRING, "small", LOGS, "Raft log", NO_LOGDB),
    NONE("VECTRON_LOGDB_WRITE_BUFFER_MB", SETTING_INT, "", LOGS, "Raft log", NO_LOGDB),
    NONE("VECTRON_LOGDB_MAX_WRITE_BUFFERS", SETTING_INT, "", LOGS, "Raft log", NO_LOGDB),
    NONE("VECTRON_LOGDB_KEEP_LOGS", SETTING_INT, "", LOGS, "Raft log", NO_LOGDB),
    NONE("VECTRON_LOGDB_RECYCLE_LOGS", SETTING_INT, "", LOGS, "Raft log", NO_LOGDB),

    /* --- worker (11.6, flags 14) --- */
    {.name = "VECTRON_WORKER_GRPC_ADDR", .flag = "grpc-addr", .type = SETTING_ADDRESS, .fallback = "localhost:9090", .roles = ROLE_WORKER, .kind = SETTING_ACCEPTED,
     .group = "Worker", .effect = LATER_WORKER_GRPC},
    NONE("VECTRON_SEARCH_ONLY", SETTING_BOOL, "0", STORES, "Worker", LATER_REPLICAS),
    NONE("VECTRON_SEARCH_ONLY_COLLECTIONS", SETTING_LIST, "", STORES, "Worker", LATER_REPLICAS),
    NONE("VECTRON_SEGMENT_INDEX_ENABLED", SETTING_BOOL, "true", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_ASYNC_INDEX", SETTING_BOOL, "true", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_INDEX_QUEUE_SIZE", SETTING_INT, "20000", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_INDEX_BATCH_SIZE", SETTING_INT, "2048", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_INDEX_FLUSH_MS", SETTING_INT, "200", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_SEARCH_WAIT_MS", SETTING_INT, "50", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_MAX_FANOUT", SETTING_INT, "8", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_MIN_FANOUT", SETTING_INT, "2", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_SEARCH_MAX_FANOUT", SETTING_INT, "8", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SEGMENT_SEARCH_MIN_FANOUT", SETTING_INT, "2", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_SHARED_PEBBLE", SETTING_BOOL, "true", STORES, "Worker: storage", "a process always has one store for all its shards"),
    NONE("VECTRON_KEEP_FLOAT_VECTORS", SETTING_BOOL, "0", STORES, "Worker: index", NO_QUANT),
    NONE("VECTRON_VECTOR_COMPRESSION", SETTING_BOOL, "0", STORES, "Worker: index", NO_QUANT ": what is written is what is read"),
    NONE("VECTRON_MMAP_VECTORS_ENABLED", SETTING_BOOL, "", STORES, "Worker: index", "vectors are kept in the index file's memory"),
    NONE("VECTRON_MMAP_INITIAL_MB", SETTING_INT, "4", STORES, "Worker: index", "vectors are kept in the index file's memory"),
    NONE("VECTRON_WAL_STREAM_ENABLED", SETTING_BOOL, "0", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_WAL_STREAM_BATCH_MAX", SETTING_INT, "256", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_WAL_STREAM_FLUSH_MS", SETTING_INT, "25", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_WAL_STREAM_BACKFILL_SLEEP_MS", SETTING_INT, "0", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_WAL_STREAM_SUB_BUF", SETTING_INT, "4096", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_WAL_POLL_MS", SETTING_INT, "500", STORES, "Worker: replication", NO_STREAM),
    NONE("VECTRON_HNSW_SNAPSHOT_CHUNK_KB", SETTING_INT, "256", STORES, "Worker: replication", LATER_REPLICAS),
    NONE("VECTRON_WRITE_SPEED_MODE", SETTING_BOOL, "0", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_CLEANUP_SHARD_DATA", SETTING_BOOL, "true", STORES, "Worker: storage", "the data of a deleted collection always goes"),
    NONE("VECTRON_DURABILITY_PROFILE", SETTING_STRING, "", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_BACKGROUND_SYNC_MS", SETTING_INT, "250", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_BACKGROUND_SYNC_MAX_MS", SETTING_INT, "1000", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_BACKGROUND_SYNC_DIRTY_MIN", SETTING_INT, "0", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_EARLY_FLUSH_BATCH", SETTING_INT, "128", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_DISABLE_DISK_PREALLOC", SETTING_BOOL, "0", STORES, "Worker: storage", NO_PEBBLE),
    NONE("PEBBLE_MEMTABLE_STOP", SETTING_INT, "4", STORES, "Worker: storage", NO_PEBBLE),
    NONE("PEBBLE_L0_COMPACT", SETTING_INT, "8", STORES, "Worker: storage", NO_PEBBLE),
    NONE("PEBBLE_L0_STOP", SETTING_INT, "24", STORES, "Worker: storage", NO_PEBBLE),
    NONE("VECTRON_PEBBLE_DISABLE_WAL", SETTING_BOOL, "0", STORES, "Worker: storage", NO_UNSAFE),
    NONE("VECTRON_INGEST_MODE", SETTING_BOOL, "0", STORES, "Worker: index", NO_STALE),
    NONE("VECTRON_SEARCH_WAIT_INDEX_MS", SETTING_INT, "0", STORES, "Worker: index", NO_STALE),
    NONE("VECTRON_INDEX_BATCH_SIZE", SETTING_INT, "4096", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_INDEX_QUEUE_SIZE", SETTING_INT, "200000", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_INDEX_FLUSH_MS", SETTING_INT, "200", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_INDEX_AUTO_TUNE", SETTING_BOOL, "0", STORES, "Worker: index", NO_SEGMENTS),
    NONE("VECTRON_INDEX_PENDING_SOFT_LIMIT", SETTING_INT, "4096", STORES, "Worker: index", "writers are held back when 20,000 points wait for the graph"),
    NONE("VECTRON_INDEX_HEAP_SOFT_MB", SETTING_INT, "768", STORES, "Worker: index", "writers are held back when 20,000 points wait for the graph"),
    NONE("VECTRON_HOT_INDEX_ENABLED", SETTING_BOOL, "0", STORES, "Worker: index", "one index per shard answers every search"),
    NONE("VECTRON_HOT_INDEX_MAX", SETTING_INT, "30000", STORES, "Worker: index", "one index per shard answers every search"),
    NONE("VECTRON_HOT_INDEX_COLD_EF_SCALE", SETTING_REAL, "0.6", STORES, "Worker: index", "one index per shard answers every search"),
    NONE("VECTRON_HNSW_NEIGHBOR_CAP", SETTING_INT, "0", STORES, "Worker: index", "ef of a search bounds its work; see `--ef`"),
    NONE("VECTRON_DOT_CGO_BATCH", SETTING_BOOL, "0", STORES, "Worker: index", NO_CGO),
    NONE("VECTRON_DOT_CGO_BATCH_MIN", SETTING_INT, "64", STORES, "Worker: index", NO_CGO),
    NONE("VECTRON_DOT_CGO_MIN_DIM", SETTING_INT, "128", STORES, "Worker: index", NO_CGO),
    NONE("VECTRON_WORKER_SEARCH_CACHE_TTL_MS", SETTING_INT, "200", STORES, "Worker: search", LATER_CACHE),
    NONE("VECTRON_WORKER_SEARCH_CACHE_MAX", SETTING_INT, "0", STORES, "Worker: search", LATER_CACHE),
    NONE("VECTRON_WORKER_SEARCH_CACHE_QUANT_BITS", SETTING_INT, "0", STORES, "Worker: search", LATER_CACHE),
    NONE("VECTRON_WORKER_DEDUPE_BROADCAST", SETTING_BOOL, "0", STORES, "Worker: search", "results are merged by id always"),
    NONE("VECTRON_WORKER_BATCHSEARCH_CONCURRENCY", SETTING_INT, "0", STORES, "Worker: search", NO_LIMITER),
    NONE("VECTRON_WORKER_SEARCH_CONCURRENCY", SETTING_INT, "0", STORES, "Worker: search", NO_LIMITER),
    NONE("VECTRON_WORKER_FAST_STALE_READ", SETTING_BOOL, "false", STORES, "Worker: search", "with one replica per shard a linearizable read costs nothing"),
    NONE("VECTRON_RAFT_PROPOSE_RETRIES", SETTING_INT, "3", STORES, "Worker: replication", NO_RAFT_RETRY),
    NONE("VECTRON_RAFT_PROPOSE_BACKOFF_MS", SETTING_INT, "25", STORES, "Worker: replication", NO_RAFT_RETRY),
    NONE("VECTRON_RAFT_PROPOSE_TIMEOUT_MS", SETTING_INT, "15000", STORES, "Worker: replication", NO_RAFT_RETRY),
    NONE("VECTRON_PD_WORKER_CACHE_MS", SETTING_INT, "5000", STORES, "Worker", NO_ROUTES),
    NONE("GRPC_MAX_RECV_MB", SETTING_INT, "256", ROLE_WORKER, "Worker", LATER_WORKER_GRPC),
    NONE("GRPC_MAX_SEND_MB", SETTING_INT, "256", ROLE_WORKER, "Worker", LATER_WORKER_GRPC),
    NONE("GRPC_MAX_STREAMS", SETTING_INT, "20448", ROLE_WORKER, "Worker", LATER_WORKER_GRPC),
    NONE("STORAGE_DEBUG_LOGS", SETTING_BOOL, "0", STORES, "Logs", NO_LOGS),
    NONE("STORAGE_LOG_SAMPLE_EVERY", SETTING_INT, "100", STORES, "Logs", NO_LOGS),
    NONE("VECTRON_DEBUG_LOGS", SETTING_BOOL, "0", SERVERS, "Logs", NO_LOGS),
    NONE("WORKER_LOG_SAMPLE_EVERY", SETTING_INT, "100", STORES, "Logs", NO_LOGS),

    /* --- reranker (11.7, 8.4, flags 14) --- */
    {.name = "RERANKER_PORT", .flag = "port", .type = SETTING_STRING, .fallback = "50051", .roles = ROLE_RERANKER, .kind = SETTING_ACCEPTED, .group = "Reranking", .effect = LATER_RERANK},
    {.name = "RERANKER_STRATEGY", .flag = "strategy", .type = SETTING_STRING, .fallback = "rule", .roles = ROLE_RERANKER, .kind = SETTING_ACCEPTED, .group = "Reranking", .effect = LATER_RERANK},
    {.name = "CACHE_BACKEND", .flag = "cache", .type = SETTING_STRING, .fallback = "memory", .roles = ROLE_RERANKER, .kind = SETTING_ACCEPTED, .group = "Reranking", .effect = LATER_RERANK},
    NONE("RERANKER_PD_ADDRS", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("PD_ADDRS", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("PLACEMENT_DRIVER", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RERANKER_ADVERTISE_ADDR", SETTING_STRING, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RERANKER_HOST", SETTING_STRING, "localhost", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_EXACT_MATCH_BOOST", SETTING_REAL, "0.3", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_TITLE_BOOST", SETTING_REAL, "0.2", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_FUZZY_BOOST", SETTING_REAL, "0.05", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_RECENCY_WEIGHT", SETTING_REAL, "0.05", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_RECENCY_DAYS", SETTING_INT, "30", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_HALF_LIFE_DAYS", SETTING_INT, "7", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_ORIGINAL_WEIGHT", SETTING_REAL, "0.5", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_BM25_WEIGHT", SETTING_REAL, "0.25", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_KEYWORD_WEIGHT", SETTING_REAL, "0.15", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_COVERAGE_WEIGHT", SETTING_REAL, "0.05", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_METADATA_BOOSTS", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_METADATA_PENALTIES", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_STOP_WORDS", SETTING_LIST, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_CASE_SENSITIVE", SETTING_BOOL, "false", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_CONFIG_PATH", SETTING_STRING, "", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("RULE_FUZZY_MATCH_BOOST", SETTING_REAL, "", ROLE_RERANKER, "Reranking", "the original does not read it either"),
    NONE("RULE_RECENCY_BOOST", SETTING_REAL, "", ROLE_RERANKER, "Reranking", "the original does not read it either"),
    NONE("RULE_TFIDF_WEIGHT", SETTING_REAL, "", ROLE_RERANKER, "Reranking", "the original does not read it either"),
    NONE("CACHE_MAX_SIZE", SETTING_INT, "10000", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_DEFAULT_TTL", SETTING_DURATION, "24h", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_CLEANUP_INTERVAL", SETTING_DURATION, "5m", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_EVICTION_POLICY", SETTING_STRING, "lru", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_STATS_ENABLED", SETTING_BOOL, "true", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_MAX_MEMORY_MB", SETTING_INT, "100", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("CACHE_BACKGROUND_CLEANUP", SETTING_BOOL, "true", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_ADDRESS", SETTING_STRING, "localhost:6379", ROLE_RERANKER, "Reranking", LATER_RERANK),
    {.name = "REDIS_PASSWORD", .type = SETTING_STRING, .fallback = "", .secret = true, .roles = ROLE_RERANKER, .kind = SETTING_ACCEPTED, .group = "Reranking", .effect = LATER_RERANK},
    NONE("REDIS_DATABASE", SETTING_INT, "0", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_POOL_SIZE", SETTING_INT, "10", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_DIAL_TIMEOUT", SETTING_DURATION, "5s", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_READ_TIMEOUT", SETTING_DURATION, "3s", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_WRITE_TIMEOUT", SETTING_DURATION, "3s", ROLE_RERANKER, "Reranking", LATER_RERANK),
    NONE("REDIS_KEY_PREFIX", SETTING_STRING, "reranker:", ROLE_RERANKER, "Reranking", LATER_RERANK),
};
/* clang-format on */

const size_t setting_count = sizeof setting_table / sizeof *setting_table;
