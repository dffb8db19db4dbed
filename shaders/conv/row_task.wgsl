// Part of the row kernels, pasted into main: the number of this thread's tile, of TASKS in all; with LISTED, only those of the
// list are made: their count, then their numbers.
  let place = linear_group(group, groups) * 64u + lane;
  //@unroll M LISTED..1
  if (place >= TASKS) { return; }
  let task = place;
  //@end M
  //@unroll M 0..LISTED
  if (place >= tasks[0]) { return; }
  let task = tasks[place + 1u];
  //@end M
