/* thesaurus: written as people write; stemmed at the first use by the same rules as the texts. */
#include "cli/thesaurus.h"

#include <pthread.h>
#include <string.h>

#include "cli/words.h"

static const char *const groups[] = {
    "terminal console ncurses curses tty textmode tui commandline",
    "music audio sound song mp3 ogg flac tune",
    "photo image picture photograph photography",
    "video movie film mpeg",
    "compress archive zip unzip pack gzip deflate",
    "edit modify retouch manipulate",
    "browse browser www",
    "mail email imap smtp pop3",
    "chat messenger irc jabber xmpp",
    "backup snapshot restore",
    "encrypt decrypt cipher cryptography encryption",
    "password passphrase credential",
    "draw paint sketch painting drawing",
    "spreadsheet calc gnumeric",
    "calculate calculator arithmetic",
    "convert transcode transform conversion",
    "download fetch wget downloader",
    "erase wipe shred delete remove",
    "partition disk filesystem fdisk",
    "monitor watch observe monitoring",
    "network lan ethernet",
    "scan scanner ocr",
    "print printer cups printing",
    "puzzle sudoku crossword",
    "astronomy planetarium star telescope",
    "map gps openstreetmap navigation",
    "weather forecast meteo",
    "dictionary thesaurus vocabulary",
    "translate translation localization",
    "compile compiler gcc",
    "debug debugger gdb",
    "firewall iptables nftables",
    "virtual virtualization hypervisor qemu kvm",
    "container docker lxc podman",
    "schedule calendar appointment agenda",
    "task todo",
    "note notebook notetaking",
    "pdf postscript",
    "ebook epub",
    "record capture recorder",
    "kid child children educational",
    "spell spelling spellcheck spellchecker",
    "duplicate dedupe identical",
    "statistics statistical plot",
    "diagram flowchart chart",
    "3d modeling render renderer",
    "finance accounting money bookkeeping",
    "recipe cooking cook",
    "typing keyboard typist",
    "phone sms telephony voip",
};
enum { GROUPS = sizeof groups / sizeof *groups, ENTRIES_MAX = 300, SLOTS = 1024 };

struct entry {
    struct word word;
    size_t group; /* 0: a free slot */
};
static struct entry slots[SLOTS]; /* open addressing, by hash of the stem */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct entry *slot_of(const char *word, size_t size) {
    for (uint64_t at = words_hash(word, size, 0x7e5a);; at++) {
        struct entry *slot = &slots[at % SLOTS];
        bool same = slot->word.size == size && memcmp(slot->word.text, word, size) == 0;
        if (slot->group == 0 || same) return slot;
    }
}

static void fill(void) {
    size_t n = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        const char *at = groups[i];
        struct word word;
        while (n < ENTRIES_MAX && words_next(&at, &word)) {
            struct entry *slot = slot_of(word.text, word.size);
            if (slot->group) continue; /* two words of a list with one stem */
            *slot = (struct entry){word, i + 1};
            n++;
        }
    }
}

size_t thesaurus_group(const char *word) {
    pthread_once(&once, fill);
    return slot_of(word, strlen(word))->group;
}
