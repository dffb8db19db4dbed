  // Part of the tiled kernels, pasted at the end of main: stores the sums a_J_C as they are.
  let voxel = vec3u(tile) + vec3u(lx, 0u, lz);
  if ((voxel.x >= OUT.x) | (voxel.z >= OUT.z)) { return; }
  let row_y = (n * GROUPS + g) * CO * PLANE_OUT + (voxel.x * OUT.y + voxel.y) * OUT.z + voxel.z;
  //@unroll C 0..Q
  //@unroll L 0..4
  {
    let o = first + 4u * (lq * Q + $(C)u) + $(L)u;
    if (o < CO) {
      //@unroll J 0..V
      if (voxel.y + $(J)u < OUT.y) {
        let i = row_y + o * PLANE_OUT + $(J)u * OUT.z;
        y[i] = epilogue(a_$(J)_$(C)[$(L)], i);
      }
      //@end J
    }
  }
  //@end L
  //@end C
