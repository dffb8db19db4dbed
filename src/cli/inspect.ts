/** voxplain inspect: what a file holds, a network or a volume. */

import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { orientationName } from '../io/cohort/grid-difference.ts'
import { readFileChecked } from '../io/files.node.ts'
import { countNonFinite, readVolume } from '../io/nifti.ts'
import { voxelSize } from '../io/volume.ts'
import type { ImportOptions } from '../model/formats/format.ts'
import { summarise } from '../model/summary.ts'
import { addImportOptions, describeRecipe, type ImportCommandOptions, importOptions, openNetwork } from './network.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

interface Options extends ImportCommandOptions {
  json?: boolean
}

export function addInspect(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('inspect')
    .description("a network's layers, parameters, classes and recipe; or a volume's grid and values")
    .argument('<file>', 'a network (any that convert reads) or a NIfTI volume (.nii, .nii.gz)')
  addImportOptions(command)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  voxplain inspect network.safetensors\n')
    .action(async (file: string, { json, ...options }: Options) => {
      const reporter = makeReporter(terminal, json ?? false)
      const folder = (await stat(file).catch(() => undefined))?.isDirectory() ?? false
      const bytes = folder ? new Uint8Array() : await readFileChecked(file)
      if (looksLikeVolume(file, bytes)) inspectVolume(file, bytes, reporter)
      else await inspectNetwork(file, await importOptions(options), reporter)
      finish(0)
    })
}

/** By name, a gzip stream, or the header size with which NIfTI files begin, in either byte order. */
function looksLikeVolume(file: string, bytes: Uint8Array): boolean {
  const start = String(bytes.subarray(0, 4))
  const headers = ['92,1,0,0', '0,0,1,92', '28,2,0,0', '0,0,2,28']
  return /\.nii(\.gz)?$/i.test(file) || start.startsWith('31,139') || headers.includes(start)
}

async function inspectNetwork(file: string, options: ImportOptions, reporter: Reporter): Promise<void> {
  const { network, notes } = await openNetwork(file, undefined, options)
  const { description } = network
  const { layers, parameters, flops } = summarise(network)
  const { name, input, output, recipe } = description
  reporter.document({
    file,
    kind: 'network',
    name,
    input,
    output,
    classes: recipe.classes,
    parameters,
    flops,
    layers,
    recipe,
    notes,
  })
  const sizes = (shape: readonly number[]) => shape.join(' x ')
  const count = (n: number) => (n === 0 ? '' : n.toLocaleString('en'))
  const rows = layers.map((l) => [l.name, l.type, sizes(l.shape), count(l.parameters), count(l.flops)])
  const table = [
    ['layer', 'type', 'output', 'parameters', 'FLOPs'],
    ['input', '', sizes(input), '', ''],
    ...rows,
    ['total', '', '', count(parameters), count(flops)],
  ]
  reporter.print(`network "${name}", input ${sizes(input)} (C x D x H x W), gives ${output}`)
  reporter.print(`classes ${recipe.classes.join(', ')}`)
  reporter.print(`recipe  ${describeRecipe(recipe)}`)
  for (const line of formatTable(table, [3, 4])) reporter.print(line)
  for (const note of notes) reporter.note(note)
}

function inspectVolume(file: string, bytes: Uint8Array, reporter: Reporter): void {
  const volume = readVolume(bytes, { name: file })
  const { shape, affine, nifti } = volume
  const voxel = voxelSize(affine)
  const orientation = orientationName(affine)
  const { nan, infinite } = countNonFinite(volume)
  const values = { ...statistics(volume.data), nan, infinite }
  reporter.document({ file, kind: 'volume', shape, voxelSize: voxel, orientation, affine, nifti, ...values })
  const { datatype, version, littleEndian, slope, intercept, sformCode, qformCode } = nifti
  const number = (n: number | null) => (n === null ? 'none' : String(Number(n.toPrecision(7))))
  const rows = [
    ['volume', `NIfTI-${version}, ${shape.join(' x ')} voxels of ${voxel.map(number).join(' x ')} mm, ${orientation}`],
    [
      'stored',
      `${datatype}, ${littleEndian ? 'little' : 'big'}-endian, slope ${number(slope)}, intercept ${number(intercept)}`,
    ],
    [
      'affine',
      `${[0, 1, 2]
        .map((r) =>
          affine
            .slice(4 * r, 4 * r + 4)
            .map(number)
            .join(' '),
        )
        .join('; ')}`,
    ],
    ['space', `sform code ${sformCode}, qform code ${qformCode}`],
    [
      'values',
      `min ${number(values.min)}, max ${number(values.max)}, mean ${number(values.mean)}, ${values.nonzero} not zero`,
    ],
    ['unusable', `${nan} NaN, ${infinite} infinite`],
  ]
  for (const line of formatTable(rows)) reporter.print(line)
}

/** Of the finite values; null where there are none. */
function statistics(data: Float32Array) {
  let [min, max, sum, finite, nonzero] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0]
  for (const value of data) {
    if (!Number.isFinite(value)) continue
    if (value < min) min = value
    if (value > max) max = value
    if (value !== 0) nonzero++
    sum += value
    finite++
  }
  if (finite === 0) return { min: null, max: null, mean: null, nonzero }
  return { min, max, mean: sum / finite, nonzero }
}
