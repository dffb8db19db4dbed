// Part of lrp/rows_unpool_part: adds what the taps of one plane contribute to a_C_R_J, for positive x, and p_C_R_J, for others.
      //@unroll C 0..CHANNELS
      //@unroll R 0..ROWS
      //@unroll J 0..TILE
      a_$(C)_$(R)_$(J) = a_$(C)_$(R)_$(J)
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
        + x_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * same_$(C)_$(T)_$(K)
      //@end K
      //@end T
      ;
      //@end J
      //@end R
      //@end C
      //@unroll C 0..CHANNELS
      //@unroll R 0..ROWS
      //@unroll J 0..TILE
      p_$(C)_$(R)_$(J) = p_$(C)_$(R)_$(J)
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
        + x_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * other_$(C)_$(T)_$(K)
      //@end K
      //@end T
      ;
      //@end J
      //@end R
      //@end C
