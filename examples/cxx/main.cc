/* SPDX-License-Identifier: MIT */
/* Two containers with a resource each: which of them needs how much. */
#include "hakmem_resource.hh"
#include <hakmem/hakmem.h>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

struct alignas(64) line {
    char bytes[64];
};

int main()
{
    hakmem_resource for_names, for_lines;

    std::cout << "profile " << hakmem_profile() << '\n';
    {
        std::pmr::unordered_map<int, std::pmr::string> names(&for_names);
        std::pmr::vector<line> lines(&for_lines);

        for (int i = 0; i < 1000; i++)
            names.emplace(i, "a name that is too long for the string itself");
        lines.resize(1000);
        std::cout << "names " << for_names.live_bytes() << " bytes\n"
                  << "lines " << for_lines.live_bytes() << " bytes\n";
    }
    std::cout << "left " << for_names.live_bytes() + for_lines.live_bytes() << " bytes\n";
}
