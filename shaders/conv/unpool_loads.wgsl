// Part of conv/rows_unpool, pasted into the loop over planes: the voxels x_U_V of one plane of the full-size gradient. Each
// window is loaded once; its winner has its dy, its other voxels have zero.
      //@unroll P 0..WINDOWS_Y
      //@unroll Q 0..WINDOWS_Z
      let k_$(P)_$(Q) = index[windows + row_$(P) + column_$(Q)];
      let g_$(P)_$(Q) = select(0.0, dy[windows + row_$(P) + column_$(Q)], (k_$(P)_$(Q) < PLANE) & inside_$(P) & within_$(Q));
      //@end Q
      //@end P
      //@unroll U 0..ROWS_IN
      //@unroll V 0..COLUMNS_IN
      let x_$(U)_$(V) = select(0.0, g_$((U + PHASE_Y) / POOL_STRIDE.y)_$((V + PHASE_Z) / POOL_STRIDE.z), k_$((U + PHASE_Y) / POOL_STRIDE.y)_$((V + PHASE_Z) / POOL_STRIDE.z) == here + $(U * IN.z + V)u);
      //@end V
      //@end U
