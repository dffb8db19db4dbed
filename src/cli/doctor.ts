/** voxplain doctor: what will compute here, and whether it computes right. */
import type { Command } from 'commander'
import { measureCeilings } from '../engine/ceilings.ts'
import { compile } from '../engine/compile.ts'
import { type Gpu, megabytes } from '../engine/gpu.ts'
import { conv3d } from '../engine/ops/conv.ts'
import { listAdapters } from '../engine/platform.node.ts'
import { constant, input } from '../engine/tensor.ts'
import { describeCeilings } from './bench-cost.ts'
import { describeGpu, withGpu } from './gpu.ts'
import { formatTable, makeReporter, type Terminal } from './terminal.ts'

export function addDoctor(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('doctor')
    .description('the GPU, its limits, versions, and a tiny computation that is checked')
    .option('--bench', 'measure what the GPU can do at most: copy bandwidth and multiply-add rate')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  VOXPLAIN_ADAPTER=software voxplain doctor\n')
    .action(async (options: Options) => {
      finish(await doctor(options, terminal))
    })
}

interface Options {
  bench?: boolean
  json?: boolean
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
] as const

async function doctor({ bench, json }: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, json ?? false)
  const adapters = await listAdapters()
  return withGpu(async (gpu) => {
    const limits = Object.fromEntries(LIMITS.map((name) => [name, gpu.limits[name]]))
    const features = [...gpu.features].sort()
    const { adapter, software, versions } = describeGpu(gpu)
    const { passed, milliseconds } = await tryConvolution(gpu)
    const ceilings = bench ? await measureCeilings(gpu) : undefined
    const platform = `${process.platform}-${process.arch}`
    const check = { passed, milliseconds }
    reporter.document({ adapter, adapters, software, platform, versions, features, limits, check, ceilings })
    const rows = [
      ['adapter', adapter],
      ['kind', software ? 'software: computes on the CPU, slowly' : 'hardware'],
      ...(adapters.length > 1 ? [['--gpu', adapters.map((name, n) => `${n}: ${name}`).join(', ')]] : []),
      ['versions', `voxplain ${versions.voxplain}, Node ${versions.node}, webgpu ${versions.webgpu}, ${platform}`],
      ['features', features.join(', ') || 'none of those that help'],
      ...Object.entries(limits).map(([name, limit]) => [name, /Size$/.test(name) ? megabytes(limit) : String(limit)]),
      [
        'check',
        passed ? `a small convolution is right (${milliseconds.toFixed(0)} ms)` : 'a small convolution is WRONG',
      ],
      ...(ceilings ? [['ceilings', describeCeilings(ceilings)]] : []),
    ]
    for (const line of formatTable(rows)) reporter.print(line)
    if (!passed) reporter.warn(`${adapter} computes wrong results; update its driver, or use VOXPLAIN_ADAPTER=software`)
    return passed ? 0 : 1
  })
}

/** Ones convolved with ones count the voxels under the kernel: 27 inside, 18, 12 and 8 at faces, edges and corners. */
async function tryConvolution(gpu: Gpu): Promise<{ passed: boolean; milliseconds: number }> {
  const [d, h, w] = [4, 5, 6] as const
  const start = performance.now()
  const x = input([1, 1, d, h, w])
  const y = conv3d(x, constant([1, 1, 3, 3, 3], new Float32Array(27).fill(1)), { padding: 1 })
  const program = await compile(gpu, { y })
  try {
    program.write(x, new Float32Array(d * h * w).fill(1))
    program.run()
    const found = await program.read(y)
    const under = (at: number, size: number) => (at === 0 || at === size - 1 ? 2 : 3)
    const passed = found.every((value, n) => {
      const [k, j, i] = [Math.floor(n / (h * w)), Math.floor(n / w) % h, n % w]
      return value === under(k, d) * under(j, h) * under(i, w)
    })
    return { passed, milliseconds: performance.now() - start }
  } finally {
    program.destroy()
  }
}
