// Part of the row kernels, pasted at the end of main: stores the sums. The last tile of a row or column has been moved back
// inside: what the tile before it makes, too (before AGAIN), is left to that one, and what still lies outside (from END on) to nobody.
  //@unroll C 0..CHANNELS
  if (first + $(C)u < CO) {
    let base = ((((n * GROUPS + g) * CO + first + $(C)u) * OUT.x + ox) * OUT.y + oy) * OUT.z + oz;
    //@unroll R 0..AGAIN_Y
    if (band + 1u < BANDS) {
      //@paste conv/row_store
    }
    //@end R
    //@unroll R AGAIN_Y..END_Y
    //@paste conv/row_store
    //@end R
    //@unroll R END_Y..ROWS
    if (band + 1u < BANDS) {
      //@paste conv/row_store
    }
    //@end R
  }
  //@end C
