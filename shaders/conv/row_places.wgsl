// Part of the row kernels, pasted into main: where a tile of ROWS x TILE outputs, whose first tap is at corner_y, corner_z,
// reads x. What may lie outside the volume is moved inside, so that no index is out of range, and remembered.
  //@unroll U 0..ROWS_IN
  let place_$(U) = corner_y + $(U)i;
  let row_$(U) = u32(clamp(place_$(U), 0i, i32(IN.y) - 1i)) * IN.z;
  let inside_$(U) = (place_$(U) >= 0i) & (place_$(U) < i32(IN.y));
  //@end U
  //@unroll V 0..COLUMNS_IN
  let along_$(V) = corner_z + $(V)i;
  let column_$(V) = u32(clamp(along_$(V), 0i, i32(IN.z) - 1i));
  let within_$(V) = (along_$(V) >= 0i) & (along_$(V) < i32(IN.z));
  //@end V
