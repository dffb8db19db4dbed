// Part of the tiled kernels, pasted into the loop after the words x_S_D of x are on their way: asks for the weights of the
// same channels, works on the channels before, which are in workgroup memory by now, then stores what came.
    //@unroll S 0..W_SLOTS
    var w_$(S) = vec4f();
    if (c + deep_$(S) < CI) {
      let o = first + 4u * quad_$(S);
      let at = w_at_$(S) + c * W_IN;
      let w0 = w[at + min(o, CO - 1u) * W_OUT];
      let w1 = w[at + min(o + 1u, CO - 1u) * W_OUT];
      let w2 = w[at + min(o + 2u, CO - 1u) * W_OUT];
      let w3 = w[at + min(o + 3u, CO - 1u) * W_OUT];
      w_$(S) = vec4f(w0, w1, w2, w3);
    }
    //@end S
    if (c > 0u) {
      for (var d = 0u; d < min(DEPTH, CI + DEPTH - c); d++) {
        for (var tx = 0u; tx < KERNEL.x; tx++) {
          let row = d * CHANNEL_PITCH + (lx * STRIDE.x + tx * DILATION.x) * X_PITCH + lz * STRIDE.z;
          let taps = (d * TAPS + tx * KERNEL.y * KERNEL.z) * W_PITCH + lq * Q;
          //@unroll R 0..(V - 1) * STRIDE.y + (KERNEL.y - 1) * DILATION.y + 1
          //@unroll K 0..KERNEL.z
          let v_$(R)_$(K) = cells[row + $(R)u * EXTENT.z + $(K)u * DILATION.z];
          //@end K
          //@end R
          //@unroll T 0..KERNEL.y
          //@unroll K 0..KERNEL.z
          {
            //@unroll C 0..Q
            let weight_$(C) = weights[taps + $(T * KERNEL.z + K)u * W_PITCH + $(C)u];
            //@unroll J 0..V
            a_$(J)_$(C) = a_$(J)_$(C) + v_$(J * STRIDE.y + T * DILATION.y)_$(K) * weight_$(C);
            //@end J
            //@end C
          }
          //@end K
          //@end T
        }
      }
    }
    workgroupBarrier();
    //@unroll S 0..SLOTS
    if (cell_$(S) < CELLS) {
      let to = cell_$(S) / FACE * X_PITCH + cell_$(S) % FACE;
      //@unroll D 0..DEPTH
      cells[to + $(D)u * CHANNEL_PITCH] = x_$(S)_$(D);
      //@end D
    }
    //@end S
    //@unroll S 0..W_SLOTS
    if (vector_$(S) < DEPTH * TAPS * QUADS) {
      weights[(deep_$(S) * TAPS + tap_$(S)) * W_PITCH + quad_$(S)] = w_$(S);
    }
    //@end S
    workgroupBarrier();
