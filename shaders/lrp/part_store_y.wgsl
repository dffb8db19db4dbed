// Part of lrp/rows_pick_part: stores row P of the windows of channel C.
    //@unroll Q 0..AGAIN_Z
    if (tile + 1u < TILES) { y[base + $(P * POOLED.z + Q)u] = epilogue(share_$(C)_$(P)_$(Q), base + $(P * POOLED.z + Q)u); }
    //@end Q
    //@unroll Q AGAIN_Z..POOL_TILE
    y[base + $(P * POOLED.z + Q)u] = epilogue(share_$(C)_$(P)_$(Q), base + $(P * POOLED.z + Q)u);
    //@end Q
