/** Residualisation: its fit against a direct solve, its policies, its place in a network's file, and what it is for. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCovariates } from '../src/io/cohort/covariates.ts'
import { InputError } from '../src/io/errors.ts'
import type { Volume } from '../src/io/volume.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription, withRecipe } from '../src/model/description.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { uniformStream } from '../src/model/random.ts'
import { applyRecipe, plainRecipe, readRecipe } from '../src/model/recipe/recipe.ts'
import { prepareInput, withResidual, withResidualModel } from '../src/model/recipe/recipe-input.ts'
import { readResidualRecipe, residualise, scanCovariates } from '../src/model/recipe/residual.ts'
import { residualDesign } from '../src/model/recipe/residual-design.ts'
import { fitResidual } from '../src/model/recipe/residual-fit.ts'
import { cohortOf } from './support/cohort.ts'
import { assertClose, values } from './support/evaluate.ts'
import { leastSquares } from './support/reference/least-squares.ts'

const test = suite('residualisation')

/** A table of covariates; null is a missing cell. */
function table(names: readonly string[], rows: readonly (readonly (number | string | null)[])[]) {
  const lines = rows.map((row, n) => [`s${n}`, ...row.map((v) => v ?? 'n/a')].join(' '))
  return readCovariates(cohortOf([['participant_id', ...names].join(' '), ...lines]), names)
}

const range = (n: number) => Array.from({ length: n }, (_, k) => k)

function rejects(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message))
}

async function refuses(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (e: Error) => e,
  )
  assert.ok(error instanceof InputError && pattern.test(error.message), error?.message ?? 'not refused')
}

test('residuals are those of a direct solve of each voxel, collinear and constant columns and voxels included', async () => {
  const cases = fc.record({
    controls: fc.integer({ min: 12, max: 40 }),
    seed: fc.nat(1000),
    tiv: fc.constantFrom(0, 5000),
    extra: fc.constantFrom('none', 'constant', 'collinear'),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ controls, seed, tiv, extra }) => {
      const draw = values(controls * 4, seed)
      // Ages near each other and large offsets make the raw normal equations ill-conditioned.
      const rows = range(controls).map((n) => {
        const age = 70 + draw[4 * n]!
        const head = 1500 + tiv / 50 + 90 * draw[4 * n + 1]!
        const sex = draw[4 * n + 2]! > 0 ? 'F' : 'M'
        const other = extra === 'constant' ? 3 : 1e4 - 3 * age + 0.25 * head
        return extra === 'none' ? [age, sex, head] : [age, sex, head, other]
      })
      const names = ['age', 'sex', 'tiv', 'dose'].slice(0, rows[0]!.length)
      const covariates = table(names, rows)
      const design = residualDesign(covariates, range(controls))
      assert.is(design.recipe.covariates.length, 3)
      assert.equal(
        design.recipe.leftOut.map(({ name, reason }) => [name, reason]),
        extra === 'none' ? [] : [['dose', extra]],
      )
      const noise = values(controls * 6, seed + 1)
      // Voxels: noise; noise about a large mean; noise and age; constant; zero; zero but in one control.
      const scans = range(controls).map((n) => {
        const [age] = rows[n] as [number]
        const e = noise.subarray(6 * n, 6 * n + 6)
        return Float32Array.of(e[0]!, 1e4 + e[1]!, e[2]! - 0.5 * age, 0.7, 0, n === 3 ? 0.2 : 0)
      })
      const model = await fitResidual(design, [1, 1, 2, 3], scans)
      const matrix = rows.map(([age, sex, head]) => [1, age as number, sex === 'F' ? 1 : 0, head as number])
      for (let voxel = 0; voxel < 6; voxel++) {
        const b = leastSquares(
          matrix,
          scans.map((scan) => scan[voxel]!),
        )
        const expected = matrix.map((row, n) => scans[n]![voxel]! - row.reduce((sum, v, k) => sum + v * b[k]!, 0))
        const actual = scans.map((scan, n) => residualise(scan, scanCovariates(covariates, n), model).tensor[voxel]!)
        // Coefficients are float32, so a mean of 1e4 is known to 5e-4.
        assertClose(actual, expected, `voxel ${voxel}`, { relative: 1e-5, absolute: voxel === 1 ? 1e-3 : 2e-5 })
      }
      const other = residualise(new Float32Array(6).fill(9), scanCovariates(covariates, 0), model).tensor
      assert.is(other[4], 0, 'a voxel that is 0 in all controls gives 0 in all scans')
      assert.ok(Math.abs(other[3]! - 8.3) < 1e-5)
    }),
    { seed: 4, numRuns: 25 },
  )
})

const SIZE = [2, 3, 4] as const
const control = (n: number): Volume => ({
  shape: SIZE,
  data: values(24, 50 + n).map((v) => v + 1.5),
  affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
})
const people = range(20).map((n) => [60 + n, n % 3 === 0 ? 'F' : 'M', 3])

const HEAD = { format: 'voxplain-network', version: 1, name: 'line', output: 'logits' }

async function residualNetwork(missing: 'refuse' | 'mean' = 'refuse') {
  const recipe = { ...plainRecipe(2), scaling: 'z-score' as const }
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const small = validateDescription({ ...HEAD, input: [1, ...SIZE], layers, recipe })
  const covariates = table(['age', 'sex', 'field_strength'], people)
  const design = residualDesign(covariates, range(20), { missing })
  const tensors = range(20).map((n) => applyRecipe(recipe, control(n), [1, ...SIZE]).tensor)
  const model = await fitResidual(design, [1, ...SIZE], tensors)
  return { network: withResidualModel(initialise(small, 1), model), design, covariates, tensors, model }
}

test('a network keeps its residualisation in its file and applies it to later scans', async () => {
  const { network, covariates, tensors, model } = await residualNetwork()
  const bytes = saveNetwork(network)
  const again = loadNetwork(bytes)
  assert.equal(saveNetwork(again), bytes)
  const { residual } = again.description.recipe
  assert.equal(
    residual!.covariates.map(({ name, unit, mean, range }) => [name, unit, mean, range]),
    [
      ['age', 'years', 69.5, [60, 79]],
      ['sex', '0 male, 1 female', 0.35, [0, 1]],
    ],
  )
  assert.equal(residual!.leftOut, [{ name: 'field_strength', unit: 'T', reason: 'constant', mean: 3 }])
  const about = scanCovariates(covariates, 4)
  const { tensor, notes } = prepareInput(again, control(4), about)
  assert.equal(tensor, residualise(tensors[4]!, about, model).tensor)
  assert.equal(notes, [])
  const far = prepareInput(again, control(4), { age: 95, sex: 1, field_strength: 1.5 }).notes
  assert.equal(far, [
    'age 95 is outside of the training controls (60 to 79 years): extrapolated',
    'field_strength 1.5 T cannot be corrected for: it was 3 in all training controls',
  ])
  // What knows nothing of covariates must not feed the network plain scans.
  rejects(
    () => applyRecipe(again.description.recipe, control(4), [1, ...SIZE]),
    /takes residuals.*age, sex.*prepareInput/,
  )
})

test('missing covariates of a scan are refused or filled, as the network says', async () => {
  const refusing = await residualNetwork('refuse')
  rejects(() => prepareInput(refusing.network, control(1)), /these are missing: age \(years\), sex/)
  rejects(() => prepareInput(refusing.network, control(1), { age: 70, sex: Number.NaN }), /this one is missing: sex/)
  rejects(() => prepareInput(refusing.network, control(1), { age: Infinity, sex: 0 }), /age is Infinity/)
  const { network } = await residualNetwork('mean')
  const { tensor, notes } = prepareInput(network, control(1), { sex: 0 })
  assert.equal(notes, ['age is missing: the mean of the training controls, 69.5 years, was used'])
  assertClose(tensor, prepareInput(network, control(1), { age: 69.5, sex: 0 }).tensor, 'mean age')
})

test('a recipe that is given instead keeps the residuals; parts that do not belong together are refused', async () => {
  const { network } = await residualNetwork()
  const { recipe } = network.description
  const other = withRecipe(network.description, { ...plainRecipe(2), classes: ['CN', 'AD'] })
  assert.equal([other.recipe.classes, other.recipe.residual], [['CN', 'AD'], recipe.residual])
  const plain = initialise({ ...network.description, recipe: plainRecipe(2) }, 1)
  assert.is(prepareInput(plain, control(0)).tensor.length, 24)
  rejects(() => withRecipe(plain.description, recipe), /residuals whose coefficients the network does not have/)
  rejects(() => withResidual(plain, network.residual), /its recipe takes none/)
  rejects(
    () => prepareInput({ ...network, residual: undefined }, control(0)),
    /coefficients \[3, 1, 2, 3, 4\] are missing/,
  )
  rejects(
    () => withResidual(network, { shape: [2, 1, 2, 3, 4], data: new Float32Array(48) }),
    /shape \[2, 1, 2, 3, 4\], but its recipe and input need \[3, 1, 2, 3, 4\]/,
  )
  rejects(() => saveNetwork({ ...network, residual: undefined }), /coefficients .* are missing/)
  const json = JSON.parse(JSON.stringify(recipe))
  assert.equal(readRecipe(json), recipe)
  rejects(
    () => readRecipe({ ...json, residual: { ...json.residual, missing: 'guess' } }),
    /missing must be "refuse" or "mean"/,
  )
  json.residual.covariates[1].name = 'age'
  rejects(() => readResidualRecipe(json.residual), /names the covariate age twice/)
})

test('a fit refuses what it cannot use, and says what it left out', async () => {
  const missing = table(['age', 'sex'], [...people.slice(0, 11).map(([a, s]) => [a!, s!]), [null, 'F'], ['old', 'M']])
  rejects(() => residualDesign(missing, range(12)), /row 12: no age/)
  rejects(() => residualDesign(missing, range(13), { missing: 'mean' }), /row 13: age "old" is not a finite number/)
  const { notes, recipe } = residualDesign(missing, range(12), { missing: 'mean' })
  assert.equal(notes, [
    'age is missing in 1 of 12 controls: their mean was used',
    'only 12 controls for 3 coefficients a voxel: their noise stays in the residuals',
  ])
  assert.is(recipe.covariates[0]!.mean, 65)
  rejects(() => residualDesign(missing, range(5)), /5 training controls are too few .* age, sex: at least 6/)
  rejects(() => residualDesign(missing, []), /0 training controls are too few/)
  rejects(() => residualDesign(missing, [1, 1, 2, 3, 4, 5]), /named twice/)
  const { design, tensors, covariates } = await residualNetwork()
  assert.ok(design.notes.includes('field_strength is 3 in all 20 controls, so it was left out of the residualisation'))
  const shape = [1, ...SIZE]
  await refuses(fitResidual(design, shape, tensors.slice(1)), /19 scans for the 20 controls/)
  await refuses(fitResidual(design, shape, [...tensors, tensors[0]!]), /more scans than the 20 controls/)
  await refuses(fitResidual(design, [1, 2, 2, 2], tensors), /control 1 has 24 voxels, but the network takes 8/)
  const bad = tensors.map((tensor, n) => (n === 7 ? tensor.map((v, i) => (i === 5 ? Number.NaN : v)) : tensor))
  await refuses(fitResidual(design, shape, bad), /not finite, in voxel 5/)
  const model = await fitResidual(design, shape, tensors)
  rejects(
    () => residualise(new Float32Array(8), scanCovariates(covariates, 0), model),
    /fitted for 24 voxels, but the input has 8/,
  )
})

/** How well the difference of the class means of some scans tells apart others: the area under the ROC curve. */
function readOut(scans: readonly Float32Array[], patient: readonly boolean[], trained: readonly boolean[]): number {
  const mean = (is: boolean) => {
    const own = scans.filter((_, n) => trained[n] && patient[n] === is)
    return scans[0]!.map((_, i) => own.reduce((sum, scan) => sum + scan[i]!, 0) / own.length)
  }
  const [healthy, ill] = [mean(false), mean(true)]
  const score = (scan: Float32Array) => scan.reduce((sum, v, i) => sum + v * (ill[i]! - healthy[i]!), 0)
  const scores = (is: boolean) => scans.filter((_, n) => !trained[n] && patient[n] === is).map(score)
  const [low, high] = [scores(false), scores(true)]
  return high.reduce((sum, h) => sum + low.filter((l) => l < h).length, 0) / (low.length * high.length)
}

test('classes that differ in age alone can no longer be told apart, and a disease still can', async () => {
  const count = 900
  const voxels = 20
  const next = uniformStream(8, 'cohort')
  const draw = Float64Array.from({ length: count * (voxels + 1) }, () => 2 * next() - 1)
  const patient = range(count).map((n) => n % 3 === 2)
  const trained = range(count).map((n) => n % 6 < 3)
  const age = (n: number) => 70 + 10 * draw[n * (voxels + 1)]! + (patient[n] ? 6 : 0)
  const scanOf = (n: number, disease: number) =>
    Float32Array.from({ length: voxels }, (_, i) => {
      const shrunk = 0.5 * (age(n) - 70) * (1 + i / voxels) + (patient[n] && i < 5 ? disease : 0)
      return 100 - shrunk + 6 * draw[n * (voxels + 1) + 1 + i]!
    })
  const covariates = table(
    ['age'],
    range(count).map((n) => [age(n)]),
  )
  const controls = range(count).filter((n) => trained[n] && !patient[n])
  const residuals = async (scans: readonly Float32Array[]) => {
    const design = residualDesign(covariates, controls)
    const model = await fitResidual(
      design,
      [1, 1, 1, voxels],
      controls.map((n) => scans[n]!),
    )
    return scans.map((scan, n) => residualise(scan, scanCovariates(covariates, n), model).tensor)
  }
  const aged = range(count).map((n) => scanOf(n, 0))
  const before = readOut(aged, patient, trained)
  const after = readOut(await residuals(aged), patient, trained)
  assert.ok(before > 0.75, `age tells classes apart: ${before}`)
  assert.ok(Math.abs(after - 0.5) < 0.1, `nothing is left: ${after}`)
  const ill = readOut(await residuals(range(count).map((n) => scanOf(n, 8))), patient, trained)
  assert.ok(ill > 0.9, `a disease stays: ${ill}`)
})

test.run()
