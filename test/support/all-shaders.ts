// Every kernel, also those that their operations bring along.
import '../../src/engine/shaders-augment.gen.ts'
import '../../src/engine/shaders-bench.gen.ts'
import '../../src/engine/shaders-explain.gen.ts'
import '../../src/engine/shaders-judge.gen.ts'
import '../../src/engine/shaders-lrp.gen.ts'
import '../../src/engine/shaders-optim.gen.ts'
import '../../src/engine/shaders-perturb.gen.ts'
import '../../src/engine/shaders-train.gen.ts'
