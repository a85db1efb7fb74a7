/* level: how fresh a read must be, and who may answer it then.
 *
 *     LINEARIZABLE   everything acknowledged before      the leader; a voter that asks it
 *     SESSION        what this session saw               a voter that has applied it, or waits
 *     BOUNDED        what is older than the bound        any replica that is not older
 *     EVENTUAL       what was written once               any replica */
#include <string.h>

#include "actors/router/hub.h"
#include "actors/router/session.h"

#include "runtime/poison.h"

/* As in schemas/public. */
enum { LEVEL_DEFAULT, LEVEL_LINEARIZABLE, LEVEL_SESSION, LEVEL_BOUNDED, LEVEL_EVENTUAL };

enum { STALENESS_MS = 5000 /* of a bounded read that names no bound */ };

struct word {
    const char *text;
    uint32_t level;
};
static const struct word words[] = {
    {"linearizable", LEVEL_LINEARIZABLE},
    {"strong", LEVEL_LINEARIZABLE},
    {"true", LEVEL_LINEARIZABLE},
    {"1", LEVEL_LINEARIZABLE},
    {"session", LEVEL_SESSION},
    {"bounded", LEVEL_BOUNDED},
    {"eventual", LEVEL_EVENTUAL},
    {"stale", LEVEL_EVENTUAL},
    {"false", LEVEL_EVENTUAL},
    {"0", LEVEL_EVENTUAL},
};

static uint32_t level_named(const char *text, size_t size) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == size && strncmp(words[i].text, text, size) == 0)
            return words[i].level;
    return LEVEL_DEFAULT;
}

/* One "name=level" at *text, which moves behind it; false: there is none, or it is wrong. */
struct pair {
    const char *name;
    size_t name_size;
    uint32_t level;
};

static bool next_pair(const char **text, struct pair *out) {
    const char *at = *text + strspn(*text, ", ");
    *text = at;
    size_t size = strcspn(at, ",");
    const char *sign = memchr(at, '=', size);
    if (size == 0 || !sign || sign == at) return false;
    size_t rest = size - (size_t)(sign - at) - 1;
    while (rest > 0 && sign[rest] == ' ')
        rest--;
    *out = (struct pair){
        .name = at, .name_size = (size_t)(sign - at), .level = level_named(sign + 1, rest)};
    if (out->level == LEVEL_DEFAULT) return false;
    *text = at + size;
    return true;
}

enum status router_levels_check(const char *levels, const char **wrong) {
    struct pair pair;
    while (next_pair(&levels, &pair)) {
    }
    if (*levels == '\0') return STATUS_OK;
    *wrong = levels;
    return STATUS_INVALID;
}

static uint32_t of_collection(const struct hub *self, const char *collection) {
    const char *at = self->options.levels;
    size_t size = strlen(collection);
    struct pair pair;
    while (at && next_pair(&at, &pair))
        if (pair.name_size == size && memcmp(pair.name, collection, size) == 0) return pair.level;
    return LEVEL_DEFAULT;
}

uint32_t level_of_search(const struct hub *self, const char *collection, uint32_t asked) {
    uint32_t level = asked;
    if (level == LEVEL_DEFAULT && self->options.levels && self->options.levels[0])
        level = of_collection(self, collection);
    if (level == LEVEL_DEFAULT)
        level = self->options.searches_linearizable ? LEVEL_LINEARIZABLE : LEVEL_SESSION;
    return level;
}

uint32_t level_of_get(uint32_t asked) {
    return asked == LEVEL_DEFAULT ? LEVEL_LINEARIZABLE : asked;
}

/* A point is cheap to read: asking the leader costs less than asking somebody who asks it. */
enum way level_way(uint32_t level, bool get) {
    if (level == LEVEL_LINEARIZABLE) return get ? WAY_LEADER : WAY_VOTER;
    return level == LEVEL_SESSION ? WAY_VOTER : WAY_ANY;
}

uint64_t level_index(uint32_t level, const char *session, const struct target *target) {
    if (level != LEVEL_LINEARIZABLE && level != LEVEL_SESSION) return 0;
    uint64_t seen = session_index(session, target->shard);
    return target->acked > seen ? target->acked : seen;
}

uint32_t level_staleness_ms(uint32_t level, uint32_t asked) {
    if (level != LEVEL_BOUNDED) return 0;
    return asked ? asked : STALENESS_MS;
}
