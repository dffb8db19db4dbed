// Part of conv/row_stores: row R of channel C.
    //@unroll J 0..AGAIN_Z
    if (tile + 1u < TILES) { y[base + $(R * OUT.z + J)u] = epilogue(a_$(C)_$(R)_$(J), base + $(R * OUT.z + J)u); }
    //@end J
    //@unroll J AGAIN_Z..END_Z
    y[base + $(R * OUT.z + J)u] = epilogue(a_$(C)_$(R)_$(J), base + $(R * OUT.z + J)u);
    //@end J
    //@unroll J END_Z..TILE
    if (tile + 1u < TILES) { y[base + $(R * OUT.z + J)u] = epilogue(a_$(C)_$(R)_$(J), base + $(R * OUT.z + J)u); }
    //@end J
