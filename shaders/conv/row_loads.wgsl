// Part of the row kernels, pasted into the loop over planes: the voxels x_U_V of one plane of one channel. Only rows and
// columns at the edge of a tile (before LOW, or from HIGH on) can lie outside the volume; they are tested.
      //@unroll U 0..ROWS_IN
      let from_$(U) = plane + row_$(U);
      //@end U
      //@unroll U 0..LOW_Y
      //@unroll V 0..COLUMNS_IN
      let x_$(U)_$(V) = select(0.0, x[from_$(U) + column_$(V)], inside_$(U) & within_$(V));
      //@end V
      //@end U
      //@unroll U LOW_Y..HIGH_Y
      //@unroll V 0..LOW_Z
      let x_$(U)_$(V) = select(0.0, x[from_$(U) + column_$(V)], within_$(V));
      //@end V
      //@unroll V LOW_Z..HIGH_Z
      let x_$(U)_$(V) = x[from_$(U) + column_$(V)];
      //@end V
      //@unroll V HIGH_Z..COLUMNS_IN
      let x_$(U)_$(V) = select(0.0, x[from_$(U) + column_$(V)], within_$(V));
      //@end V
      //@end U
      //@unroll U HIGH_Y..ROWS_IN
      //@unroll V 0..COLUMNS_IN
      let x_$(U)_$(V) = select(0.0, x[from_$(U) + column_$(V)], inside_$(U) & within_$(V));
      //@end V
      //@end U
