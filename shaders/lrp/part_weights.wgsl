// Part of the kernels that sum parts of products, pasted after lrp/row_weights: weights that positive and negative x meet.
      //@unroll C 0..CHANNELS
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
      //@unroll M NEGATIVE..1
      let same_$(C)_$(T)_$(K) = max(w_$(C)_$(T)_$(K), 0.0);
      let other_$(C)_$(T)_$(K) = min(w_$(C)_$(T)_$(K), 0.0);
      //@end M
      //@unroll M 0..NEGATIVE
      let same_$(C)_$(T)_$(K) = min(w_$(C)_$(T)_$(K), 0.0);
      let other_$(C)_$(T)_$(K) = max(w_$(C)_$(T)_$(K), 0.0);
      //@end M
      //@end K
      //@end T
      //@end C
