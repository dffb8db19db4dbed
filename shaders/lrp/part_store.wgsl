// Part of lrp/rows_pool_part: stores row P of the windows of channel C.
    //@unroll Q 0..AGAIN_Z
    if (tile + 1u < TILES) { store(best_$(C)_$(P)_$(Q), winner_$(C)_$(P)_$(Q), share_$(C)_$(P)_$(Q), base + $(P * POOLED.z + Q)u, vec3u(px, py + $(P)u, pz + $(Q)u)); }
    //@end Q
    //@unroll Q AGAIN_Z..POOL_TILE
    store(best_$(C)_$(P)_$(Q), winner_$(C)_$(P)_$(Q), share_$(C)_$(P)_$(Q), base + $(P * POOLED.z + Q)u, vec3u(px, py + $(P)u, pz + $(Q)u));
    //@end Q
