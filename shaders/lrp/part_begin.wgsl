// Part of the kernels that sum parts of products, pasted after conv/row_begin: the sums p_C_R_J, all zero.
  //@unroll C 0..CHANNELS
  //@unroll R 0..ROWS
  //@unroll J 0..TILE
  var p_$(C)_$(R)_$(J) = 0.0;
  //@end J
  //@end R
  //@end C
