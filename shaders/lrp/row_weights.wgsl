// The weights w_C_T_K of one plane of taps, as conv/row_sums has them.
      let tap = weight_c + select(tx, KERNEL.x - 1u - tx, REVERSED == 1u) * (KERNEL.y * KERNEL.z);
      //@unroll C 0..CHANNELS
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
      let w_$(C)_$(T)_$(K) = w[weights_$(C) + tap + $(T * KERNEL.z + K + REVERSED * (KERNEL.y * KERNEL.z - 1 - 2 * T * KERNEL.z - 2 * K))u];
      //@end K
      //@end T
      //@end C
