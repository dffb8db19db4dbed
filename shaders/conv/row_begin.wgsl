// Part of the row kernels, pasted into main for one plane of outputs, ox: the sums a_C_R_J, all zero, where the weights of
// each channel begin, and which planes of taps lie in the volume.
  //@unroll C 0..CHANNELS
  let weights_$(C) = g * CO * CI * TAPS + min(first + $(C)u, CO - 1u) * W_OUT;
  //@unroll R 0..ROWS
  //@unroll J 0..TILE
  var a_$(C)_$(R)_$(J) = 0.0;
  //@end J
  //@end R
  //@end C
  let corner_x = i32(ox * STRIDE.x) - FRONT.x;
  let tx_first = u32(clamp((i32(DILATION.x) - 1i - corner_x) / i32(DILATION.x), 0i, i32(KERNEL.x)));
  let tx_end = u32(clamp((i32(END_X + DILATION.x) - 1i - corner_x) / i32(DILATION.x), 0i, i32(KERNEL.x)));
