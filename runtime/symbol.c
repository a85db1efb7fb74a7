/* symbol: names of functions by address: of the program from the .symtab of its own file, sorted;
 * of libraries from what they export (dladdr), else the library's name. The file is ours, but it is
 * read as if it were not: every offset is checked. */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/profile_state.h"

struct symbol {
    uintptr_t start, end;
    const char *name; /* borrowed from the map */
};

struct symbols {
    const unsigned char *map; /* owned */
    size_t size;
    struct symbol *rows; /* owned; by start */
    size_t n;
};

static int by_start(const void *a, const void *b) {
    uintptr_t x = ((const struct symbol *)a)->start, y = ((const struct symbol *)b)->start;
    return (x > y) - (x < y);
}

/* Where the program was loaded: the first object is it. */
static int first_base(struct dl_phdr_info *info, size_t size, void *out) {
    (void)size;
    *(uintptr_t *)out = info->dlpi_addr;
    return 1;
}

static bool within(const struct symbols *symbols, uint64_t at, uint64_t size) {
    return at <= symbols->size && size <= symbols->size - at;
}

static const ElfW(Shdr) * section(const struct symbols *symbols, size_t nth) {
    const ElfW(Ehdr) *head = (const void *)symbols->map;
    uint64_t at = head->e_shoff + nth * sizeof(ElfW(Shdr));
    if (nth >= head->e_shnum || at % sizeof(uint64_t) != 0) return NULL;
    if (!within(symbols, at, sizeof(ElfW(Shdr)))) return NULL;
    const ElfW(Shdr) *found = (const void *)(symbols->map + at);
    return within(symbols, found->sh_offset, found->sh_type == SHT_NOBITS ? 0 : found->sh_size)
               ? found
               : NULL;
}

static void read_table(struct symbols *symbols,
                       const ElfW(Shdr) * table,
                       const ElfW(Shdr) * strings,
                       uintptr_t base) {
    const ElfW(Sym) *all = (const void *)(symbols->map + table->sh_offset);
    size_t n = table->sh_size / sizeof *all;
    const char *text = (const char *)symbols->map + strings->sh_offset;
    if (strings->sh_size == 0 || text[strings->sh_size - 1] != '\0') return;
    symbols->rows = mem_alloc(n * sizeof *symbols->rows);
    for (size_t i = 0; symbols->rows && i < n; i++) {
        if (ELF64_ST_TYPE(all[i].st_info) != STT_FUNC || all[i].st_size == 0) continue;
        if (all[i].st_name >= strings->sh_size) continue;
        uintptr_t start = base + all[i].st_value;
        symbols->rows[symbols->n++] =
            (struct symbol){start, start + all[i].st_size, text + all[i].st_name};
    }
    if (symbols->n) qsort(symbols->rows, symbols->n, sizeof *symbols->rows, by_start);
}

static void read_file(struct symbols *symbols) {
    const ElfW(Ehdr) *head = (const void *)symbols->map;
    uintptr_t base = 0;
    if (symbols->size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return;
    if (head->e_shentsize != sizeof(ElfW(Shdr))) return;
    dl_iterate_phdr(first_base, &base);
    if (head->e_type != ET_DYN) base = 0;
    for (size_t i = 0; i < head->e_shnum; i++) {
        const ElfW(Shdr) *table = section(symbols, i);
        if (!table || table->sh_type != SHT_SYMTAB || table->sh_offset % 8 != 0) continue;
        const ElfW(Shdr) *strings = section(symbols, table->sh_link);
        if (strings && strings->sh_type == SHT_STRTAB) read_table(symbols, table, strings, base);
        return;
    }
}

struct symbols *symbols_open(void) {
    struct stat stat;
    struct symbols *symbols = mem_zero(1, sizeof *symbols);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (symbols && file >= 0 && fstat(file, &stat) == 0 && stat.st_size > 0) {
        void *map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (map != MAP_FAILED) {
            symbols->map = map;
            symbols->size = (size_t)stat.st_size;
            read_file(symbols);
        }
    }
    if (file >= 0) close(file);
    return symbols;
}

void symbols_close(struct symbols *symbols) {
    if (!symbols) return;
    if (symbols->map) munmap((void *)(uintptr_t)symbols->map, symbols->size);
    mem_free(symbols->rows);
    mem_free(symbols);
}

/* NULL: it is not the program's. */
static const char *find(const struct symbols *symbols, uintptr_t address) {
    size_t low = 0, high = symbols ? symbols->n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->rows[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < symbols->rows[low - 1].end ? symbols->rows[low - 1].name : NULL;
}

bool symbols_name(const struct symbols *symbols, uintptr_t address, char name[SYMBOL_MAX]) {
    Dl_info info = {0};
    const char *found = find(symbols, address);
    if (!found && dladdr((const void *)address, &info)) found = info.dli_sname;
    if (!found && !info.dli_fname) return false;
    if (found) {
        snprintf(name, SYMBOL_MAX, "%.*s", (int)strcspn(found, "."), found);
    } else {
        const char *file = strrchr(info.dli_fname, '/');
        snprintf(name, SYMBOL_MAX, "%s", file ? file + 1 : info.dli_fname);
    }
    return true;
}
