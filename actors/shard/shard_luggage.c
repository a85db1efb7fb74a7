/* shard_luggage: packed before anything is read or cleared, so that a replay finds what this life
 * found. Nobody else writes there meanwhile: the lives before have ended. */
#include "actors/shard/shard_luggage.h"

#include <string.h>

#include "runtime/poison.h"

enum { PATH_SIZE = 4096 };

static ProtobufCBinaryData bytes_of(struct bytes bytes) {
    return (ProtobufCBinaryData){bytes.size, (uint8_t *)(uintptr_t)bytes.data};
}

void shard_luggage_pack(const struct shard_options *options,
                        uint64_t points,
                        struct luggage *luggage) {
    LuggageShard shard = LUGGAGE_SHARD__INIT;
    LuggagePiece piece = LUGGAGE_PIECE__INIT;
    struct buffer columns;
    char path[PATH_SIZE];
    buffer_init(&columns);
    piece.shard = &shard;
    shard.shard = options->shard;
    shard.store_id = options->store_id;
    shard.epoch = options->epoch;
    shard.dimension = options->dimension;
    shard.metric = (char *)(uintptr_t)index_metric_name(options->metric);
    shard.born = options->born;
    shard.founder = options->founder;
    shard.founders = bytes_of(options->founders);
    if (options->address) shard.address = (char *)(uintptr_t)options->address;
    shard.tail_max = options->tail_max;
    shard.flush_ms = options->flush_ms;
    shard.save_changes = options->save_changes;
    shard.files = options->index_dir != NULL;
    shard.data_id = points;
    if (payload_columns_write(&options->columns, &columns) != STATUS_OK)
        luggage->status = STATUS_NO_MEMORY;
    shard.columns = (ProtobufCBinaryData){columns.size, columns.data};
    luggage_add(luggage, &piece);
    luggage_add_log(luggage, options->log, options->store_id);
    luggage_add_points(luggage, options->points, points);
    if (options->index_dir) {
        shard_index_path(options->index_dir, options->store_id, path, sizeof path);
        luggage_add_file(luggage, LUGGAGE_INDEX, path);
        shard_columns_path(options->index_dir, options->store_id, path, sizeof path);
        luggage_add_file(luggage, LUGGAGE_COLUMNS, path);
    }
    buffer_free(&columns);
}

bool shard_luggage_options(const LuggageShard *from, struct shard_options *out) {
    *out = (struct shard_options){.shard = from->shard,
                                  .store_id = from->store_id,
                                  .epoch = from->epoch,
                                  .dimension = from->dimension,
                                  .born = from->born,
                                  .address = from->address,
                                  .founders = {from->founders.data, from->founders.len},
                                  .founder = from->founder,
                                  .tail_max = from->tail_max,
                                  .flush_ms = from->flush_ms,
                                  .save_changes = from->save_changes};
    return from->dimension > 0 && index_metric_parse(from->metric, &out->metric) == STATUS_OK &&
           payload_columns_read(from->columns.data, from->columns.len, &out->columns) == STATUS_OK;
}
