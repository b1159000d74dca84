// SPDX-License-Identifier: MIT
// structures: linked structures grow, and are torn down. A tree is destroyed in the order
// of its keys, which is not the order in which its nodes were made; a hash table is
// emptied in random order; a list loses every other element before the rest. In between,
// what the structures hold (strings, arrays) is replaced by something longer or shorter.
//
// In C++, where a node, a string and an array each are one operator new, and the size
// that operator delete is told is right.
#include "bench.h"

#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

long threads = 1;
long nodes = 100000;
long rounds = 8;

const bench_param params[] = {
    {"threads", &threads, BENCH_SHAPE, "threads, each with its own structures"},
    {"nodes", &nodes, BENCH_SHAPE, "elements of each structure"},
    {"rounds", &rounds, BENCH_WORK, "times that they grow and are torn down"},
    {nullptr, nullptr, BENCH_SHAPE, nullptr},
};

struct worker {
    bench_random random;
    uint64_t sum;
};

std::string text(bench_random &r, size_t max)
{
    return std::string(bench_between(&r, 1, static_cast<long>(max)),
                       static_cast<char>('a' + bench_below(&r, 26)));
}

uint64_t look(const std::string &s)
{
    if (s.front() != s.back())
        bench_fail("a string was overwritten");
    return s.size() * static_cast<unsigned char>(s.front());
}

uint64_t tree(bench_random &r)
{
    uint64_t sum = 0;
    std::map<uint64_t, std::string> map;
    for (long i = 0; i < nodes; i++)
        map.emplace(bench_next(&r), text(r, 80));
    for (auto &entry : map) {
        sum += look(entry.second);
        if (entry.first % 4 == 0)
            entry.second = text(r, 200);
    }
    for (const auto &entry : map)
        sum += look(entry.second);
    return sum;
}

uint64_t hash_table(bench_random &r)
{
    uint64_t sum = 0;
    std::unordered_map<std::string, std::vector<uint32_t>> table;
    std::vector<std::string> keys;
    for (long i = 0; i < nodes; i++) {
        std::string key = std::to_string(bench_next(&r));
        auto &values = table[key];
        for (size_t n = bench_below(&r, 12); n > 0; n--)
            values.push_back(static_cast<uint32_t>(n + key.size()));
        // Inserted at a random place, so that the order of removal is random.
        size_t place = bench_below(&r, keys.size() + 1);
        keys.push_back(key);
        std::swap(keys[place], keys.back());
    }
    for (const std::string &key : keys) {
        auto found = table.find(key);
        if (found == table.end())
            bench_fail("a key is lost");
        for (uint32_t value : found->second)
            sum += value;
        table.erase(found);
    }
    return sum;
}

uint64_t list(bench_random &r)
{
    uint64_t sum = 0;
    std::list<std::string> strings;
    for (long i = 0; i < nodes; i++)
        strings.push_back(text(r, 40));
    for (auto s = strings.begin(); s != strings.end();) {
        sum += look(*s);
        s = strings.erase(s);
        if (s != strings.end())
            ++s;
    }
    for (long i = 0; i < nodes / 2; i++)
        strings.push_front(text(r, 120));
    for (const std::string &s : strings)
        sum += look(s);
    return sum;
}

void *work(void *arg)
{
    auto *w = static_cast<worker *>(arg);
    for (long i = 0; i < rounds; i++)
        w->sum += tree(w->random) + hash_table(w->random) + list(w->random);
    return nullptr;
}

} // namespace

int main(int argc, char **argv)
{
    bench_begin(argc, argv, params);
    uint64_t sum = 0;
    {
        std::vector<worker> workers(static_cast<size_t>(threads));
        for (size_t i = 0; i < workers.size(); i++)
            workers[i] = {bench_seed(i), 0};
        if (threads == 1)
            work(workers.data());
        else
            bench_threads(threads, work, workers.data(), sizeof(worker));
        for (const worker &w : workers)
            sum += w.sum;
    }
    bench_end(static_cast<uint64_t>(threads) * static_cast<uint64_t>(rounds) *
                  static_cast<uint64_t>(nodes) * 3,
              sum);
    return 0;
}
