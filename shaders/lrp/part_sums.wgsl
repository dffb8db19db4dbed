// Part of lrp/rows_pick_part: adds what the taps of one plane contribute to the sums p_C_R_J.
      //@unroll U 0..ROWS_IN
      //@unroll V 0..COLUMNS_IN
      let above_$(U)_$(V) = max(x_$(U)_$(V), 0.0);
      let below_$(U)_$(V) = min(x_$(U)_$(V), 0.0);
      //@end V
      //@end U
      //@unroll C 0..CHANNELS
      //@unroll R 0..ROWS
      //@unroll J 0..TILE
      p_$(C)_$(R)_$(J) = p_$(C)_$(R)_$(J)
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
        + above_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * same_$(C)_$(T)_$(K)
      //@unroll M 0..SIGNED
        + below_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * other_$(C)_$(T)_$(K)
      //@end M
      //@end K
      //@end T
      ;
      //@end J
      //@end R
      //@end C
