// Part of the row kernels, pasted after the voxels x_U_V are there: adds what the taps of one plane contribute to the
// sums a_C_R_J. One expression a sum: on a software adapter an assignment costs as much as four multiply-adds.
      let tap = weight_c + select(tx, KERNEL.x - 1u - tx, REVERSED == 1u) * (KERNEL.y * KERNEL.z);
      //@unroll C 0..CHANNELS
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
      let w_$(C)_$(T)_$(K) = w[weights_$(C) + tap + $(T * KERNEL.z + K + REVERSED * (KERNEL.y * KERNEL.z - 1 - 2 * T * KERNEL.z - 2 * K))u];
      //@end K
      //@end T
      //@end C
      //@unroll C 0..CHANNELS
      //@unroll R 0..ROWS
      //@unroll J 0..TILE
      a_$(C)_$(R)_$(J) = a_$(C)_$(R)_$(J)
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
        + x_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * w_$(C)_$(T)_$(K)
      //@end K
      //@end T
      ;
      //@end J
      //@end R
      //@end C
