// Part of lrp/rows_pool_part: adds |x| |w| of the taps of one plane to the sums p_C_R_J.
      //@unroll U 0..ROWS_IN
      //@unroll V 0..COLUMNS_IN
      let m_$(U)_$(V) = abs(x_$(U)_$(V));
      //@end V
      //@end U
      //@unroll C 0..CHANNELS
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
      let n_$(C)_$(T)_$(K) = abs(w_$(C)_$(T)_$(K));
      //@end K
      //@end T
      //@end C
      //@unroll C 0..CHANNELS
      //@unroll R 0..ROWS
      //@unroll J 0..TILE
      p_$(C)_$(R)_$(J) = p_$(C)_$(R)_$(J)
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
        + m_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * n_$(C)_$(T)_$(K)
      //@end K
      //@end T
      ;
      //@end J
      //@end R
      //@end C
