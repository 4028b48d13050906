#include "order.hpp"
#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace emulator::order {

namespace {

constexpr unsigned WARPS = MOST_THREADS / WARP;
using Clocks = uint32_t[WARP];

// What one thread knew at one moment.
struct View {
    uint32_t first_epoch, epoch;  // of its block; at that moment
    uint16_t thread;
    Clocks clocks;  // of its warp's lanes
};
struct Channel {
    std::deque<View> published;
    std::map<uint16_t, size_t> learned;  // by the present block's threads: how many of them
    uint32_t first_epoch = 0;            // of that block
};
struct Link {
    const View* from;
    Moment to;
};

Clocks clocks[WARPS][WARP];  // [warp][lane]: what the lane knows of each lane
uint32_t epoch, first_epoch;
std::vector<std::pair<uint32_t, uint64_t>> blocks;  // first epoch, block
std::optional<View> fenced[MOST_THREADS];
bool any_fence;
std::unordered_map<uintptr_t, Channel> channels;
std::vector<Link> links;  // of the present block

bool known(const Moment& a, uint32_t first, uint32_t present, unsigned thread, const Clocks& row) {
    if (a.epoch != present) return a.epoch >= first && a.epoch < present;
    return a.thread / WARP == thread / WARP && row[a.thread % WARP] >= a.clock;
}
bool known_now(const Moment& a, const Thread& t) {
    return known(a, first_epoch, epoch, t.number, clocks[t.warp][t.lane]);
}

void start_clocks() {
    memset(clocks, 0, sizeof(Clocks) * WARP * ((machine.threads + WARP - 1) / WARP));
    for (unsigned t = 0; t < machine.threads; ++t) clocks[t / WARP][t % WARP][t % WARP] = 1;
}

}  // namespace

void begin_launch() {
    epoch = first_epoch = 0;
    any_fence = false;
    blocks.clear();
    channels.clear();
    links.clear();
}

void begin_block(uint64_t block) {
    first_epoch = ++epoch;
    blocks.emplace_back(first_epoch, block);
    links.clear();
    if (any_fence) std::fill(std::begin(fenced), std::end(fenced), std::nullopt);
    start_clocks();
}

void block_barrier() {
    ++epoch;
    start_clocks();
}

void warp_barrier(unsigned warp, unsigned lanes) {
    Clocks joined = {};
    for (unsigned l = 0; l < WARP; ++l)
        for (unsigned k = 0; lanes >> l & 1 && k < WARP; ++k) joined[k] = std::max(joined[k], clocks[warp][l][k]);
    for (unsigned l = 0; l < WARP; ++l) {
        if (!(lanes >> l & 1)) continue;
        memcpy(clocks[warp][l], joined, sizeof joined);
        ++clocks[warp][l][l];
    }
}

Moment now(const Thread& t) { return {epoch, clocks[t.warp][t.lane][t.lane], uint16_t(t.number)}; }

bool before(const Moment& a, const Thread& reader) {
    if (known_now(a, reader)) return true;
    for (const Link& link : links) {
        const View& v = *link.from;
        if (known(a, v.first_epoch, v.epoch, v.thread, v.clocks) && known_now(link.to, reader)) return true;
    }
    return false;
}

bool in_this_block(const Moment& a) { return a.epoch >= first_epoch; }

uint64_t block_of(const Moment& a) {
    auto after = std::upper_bound(blocks.begin(), blocks.end(), a.epoch,
                                  [](uint32_t e, const auto& block) { return e < block.first; });
    return std::prev(after)->second;
}

void fence(const Thread& t) {
    any_fence = true;
    View& view = fenced[t.number].emplace();
    view.first_epoch = first_epoch;
    view.epoch = epoch;
    view.thread = uint16_t(t.number);
    memcpy(view.clocks, clocks[t.warp][t.lane], sizeof view.clocks);
    ++clocks[t.warp][t.lane][t.lane];  // what the thread does from here on is not covered
}

void publish(const Thread& t, uintptr_t atomic) {
    if (any_fence && fenced[t.number]) channels[atomic].published.push_back(*fenced[t.number]);
}

void learn(const Thread& t, uintptr_t atomic) {
    if (!any_fence) return;
    auto found = channels.find(atomic);
    if (found == channels.end()) return;
    Channel& channel = found->second;
    if (channel.first_epoch != first_epoch) {
        channel.learned.clear();
        channel.first_epoch = first_epoch;
    }
    size_t& learned = channel.learned[uint16_t(t.number)];
    for (; learned < channel.published.size(); ++learned) links.push_back({&channel.published[learned], now(t)});
}

}  // namespace emulator::order
