/** Does anything work at all? Opens the GPU, runs a two-line kernel, reads it back. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closePlatform, requestGpuAdapter } from '../src/engine/platform.ts'

const tiny = suite('tiny')

const squares = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = id.x * id.x; }`

tiny('a kernel runs on the GPU and its result comes back', async () => {
  const device = await (await requestGpuAdapter()).requestDevice()
  const module = device.createShaderModule({ code: squares })
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } })
  const result = device.createBuffer({ size: 32, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC })
  const copy = device.createBuffer({ size: 32, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
  const entries = [{ binding: 0, resource: { buffer: result } }]
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
  pass.dispatchWorkgroups(2)
  pass.end()
  encoder.copyBufferToBuffer(result, 0, copy, 0, 32)
  device.queue.submit([encoder.finish()])
  await copy.mapAsync(GPUMapMode.READ)
  assert.equal([...new Uint32Array(copy.getMappedRange())], [0, 1, 4, 9, 16, 25, 36, 49])
  device.destroy()
  closePlatform()
})

tiny.run()
