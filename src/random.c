/* SPDX-License-Identifier: MIT */
#include "random.h"
#include "sys.h"

uint64_t hm_random_secret HM_COLD_DATA;
static _Atomic uint64_t drawn HM_COLD_DATA; /* [any] how many numbers were drawn */

HM_COLD void hm_random_init(void)
{
    hm_random_secret = hm_mix(hm_sys_random());
    hm_store_relaxed(&drawn, hm_sys_random());
}

HM_COLD uint64_t hm_random(void)
{
    uint64_t n = hm_add_relaxed(&drawn, 0x9e3779b97f4a7c15u);
    return hm_mix(hm_mix(n) ^ hm_random_secret);
}

HM_COLD bool hm_random_run(const uint64_t *map, uint32_t size, uint32_t count,
                           uint32_t *at)
{
    uint32_t from = hm_bits_next(map, hm_random_below(hm_random(), size), size, true);
    bool fits = from + count <= size &&
                hm_bits_next(map, from, from + count, false) == from + count;
    *at = fits ? from : 0;
    return fits;
}
