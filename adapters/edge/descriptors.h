/* descriptors: finds files and symbols in an encoded google.protobuf.FileDescriptorSet. protobuf-c
 * has no FileDescriptorProto at run time, so the bytes are walked. */
#ifndef EDGE_DESCRIPTORS_H
#define EDGE_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

struct descriptor_set {
    const void *data;
    size_t size;
};

/* One encoded FileDescriptorProto, borrowed from the set. */
struct descriptor_file {
    const unsigned char *data;
    size_t size;
};

bool descriptors_by_name(const struct descriptor_set *set,
                         const char *name,
                         size_t name_size,
                         struct descriptor_file *out);
/* Full name of a message, enum, service or method, without the leading dot. */
bool descriptors_by_symbol(const struct descriptor_set *set,
                           const char *symbol,
                           struct descriptor_file *out);
/* The file and all it imports, each once; at most n. Returns how many. */
size_t descriptors_with_imports(const struct descriptor_set *set,
                                const struct descriptor_file *file,
                                struct descriptor_file *out,
                                size_t n);

#endif
