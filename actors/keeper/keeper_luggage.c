/* keeper_luggage: stores that a sweep finds are told by turn_saw, so they need not be here. */
#include "actors/keeper/keeper_luggage.h"

#include "runtime/poison.h"

static char *text(const char *words) {
    return (char *)(uintptr_t)(words ? words : "");
}

void keeper_luggage_pack(const struct keeper_options *options, struct luggage *luggage) {
    LuggageKeeper keeper = LUGGAGE_KEEPER__INIT;
    LuggagePiece piece = LUGGAGE_PIECE__INIT;
    piece.keeper = &keeper;
    keeper.pd = text(options->pd);
    keeper.link = text(options->link);
    keeper.grpc_address = text(options->grpc_address);
    keeper.region = text(options->region);
    keeper.zone = text(options->zone);
    keeper.rack = text(options->rack);
    keeper.cpu_cores = options->cpu_cores;
    keeper.memory_bytes = options->memory_bytes;
    keeper.disk_bytes = options->disk_bytes;
    keeper.search_only = options->search_only;
    keeper.collections = text(options->collections);
    keeper.files = options->index_dir != NULL;
    luggage_add(luggage, &piece);
    luggage_add_log(luggage, options->log, KEEPER_STORE_ID);
}

void keeper_luggage_options(const LuggageKeeper *from, struct keeper_options *out) {
    *out = (struct keeper_options){.pd = from->pd,
                                   .link = from->link,
                                   .grpc_address = from->grpc_address,
                                   .region = from->region,
                                   .zone = from->zone,
                                   .rack = from->rack,
                                   .cpu_cores = from->cpu_cores,
                                   .memory_bytes = from->memory_bytes,
                                   .disk_bytes = from->disk_bytes,
                                   .search_only = from->search_only,
                                   .collections = from->collections};
}
