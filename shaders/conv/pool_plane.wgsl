// Part of the row kernels over a max-pool, pasted into the loop over planes of a window: one plane of the convolution.
    let plane_out = i32(px * POOL_STRIDE.x + a) - i32(POOL_FRONT.x);
    if ((plane_out < 0i) | (plane_out >= i32(OUT.x))) { continue; }
    let ox = u32(plane_out);
    //@paste conv/row_begin
