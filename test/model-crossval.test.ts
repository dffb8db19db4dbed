/** Cross-validation over the training loop: who is trained on, who is tested, and going on after a break. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseCohort } from '../src/io/cohort/cohort.ts'
import { posterCnn } from '../src/model/architectures.ts'
import {
  type Books,
  type CrossvalOptions,
  crossValidate,
  type Part,
  type PartResult,
  TEST,
  VALIDATION,
} from '../src/model/crossval/crossval.ts'
import { keepLoaded, type LoadScan, type ScanSet } from '../src/model/crossval/scan-set.ts'
import { shuffleLabels } from '../src/model/crossval/shuffle-labels.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { stratifiedFolds } from '../src/model/training/splits.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('cross-validation')
test.after(closeTestGpu)

const INPUT = [1, 4, 6, 4]
const VOXELS = 96

/** Participants with labels in turn; the scan of row n holds noise, and in AD a bright half. */
function makeSet(name: string, labels: readonly string[], count: number, seed: number): ScanSet {
  const lines = Array.from({ length: count }, (_, n) => {
    return `sub-${name}${n}\t${labels[n % labels.length]}\t${60 + ((7 * n) % 25)}\n`
  })
  const parsed = parseCohort(
    `participant_id\tdiagnosis\tage\n${lines.join('')}`,
    { classes: ['CN', 'MCI', 'AD'] },
    name,
  )
  const rows = parsed.rows.map((row, n) => ({ ...row, scan: `/${name}/${n}` }))
  const scans = rows.map((row, n) => {
    const bright = row.label === 'AD' ? 1 : row.label === 'MCI' ? 0.5 : 0
    return values(VOXELS, seed + n).map((v, i) => 0.5 * v + (i % 6 < 3 ? bright : 0))
  })
  return { name, cohort: { ...parsed, rows }, load: (n) => scans[n]! }
}

const set = makeSet('A', ['CN', 'MCI', 'AD'], 36, 100)
const other = makeSet('B', ['CN', 'AD'], 6, 500)
const splits = stratifiedFolds(set.cohort, { folds: 2, test: 0.25, seed: 3 })
const description = posterCnn({
  inputShape: INPUT,
  channels: [2],
  dropout: 0.2,
  recipe: { ...plainRecipe(2), scaling: 'none' },
  classes: ['CN', 'AD'],
})

function options(more: Partial<CrossvalOptions> & Pick<CrossvalOptions, 'books'>): CrossvalOptions {
  const training = { epochs: 3, batch: 4, learningRate: 1e-2, seed: 5 }
  return { description, set, splits, others: [other], training, ...more }
}

/** Books that keep everything, as a folder would. */
function memory() {
  const results = new Map<string, PartResult>()
  const checkpoints = new Map<string, Uint8Array>()
  const key = ({ fold, run }: Part) => `${fold} ${run}`
  const books: Books = {
    isDone: (part) => results.has(key(part)),
    checkpoint: async (part) => ({
      resume: checkpoints.get(key(part)),
      onCheckpoint: (bytes) => void checkpoints.set(key(part), bytes.slice()),
    }),
    async finish(result) {
      results.set(key(result), result)
    },
  }
  return { books, results, checkpoints }
}

/** All bits of the results that do not depend on the clock. */
function bitsOf(results: ReadonlyMap<string, PartResult>) {
  return [...results].map(([key, { network, predictions, best }]) => {
    const weights = [...network.weights].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]])
    const residual = network.residual && [...network.residual.data]
    return [key, weights, residual, predictions, best.epoch, best.loss]
  })
}

async function study(more: Partial<CrossvalOptions> = {}) {
  const kept = memory()
  await crossValidate(await testGpu(), options({ books: kept.books, ...more }))
  return kept
}

test('each fold and run tests those it has not seen; classes that are not trained are tested only', async () => {
  const { results } = await study({ runs: 2 })
  assert.equal([...results.keys()], ['0 0', '0 1', '1 0', '1 1'])
  for (const [key, { predictions }] of results) {
    const split = splits[Number(key[0])]!
    assert.equal(
      predictions.map(({ name }) => name),
      [VALIDATION, TEST, 'B'],
    )
    const rows = [split.validation, split.test].map((own) => own.map((n) => set.cohort.rows[n]!))
    const who = rows.map((own) => own.map(({ participant, givenLabel }) => [participant, givenLabel]))
    assert.equal(
      predictions.slice(0, 2).map(({ predictions: own }) => own.rows.map((row) => [row.participant, row.trueLabel])),
      who,
    )
    assert.ok(rows[0]!.some(({ label }) => label === 'MCI'))
    assert.ok(predictions.every(({ predictions: own }) => own.rows.every((row) => row.probabilities.length === 2)))
  }
  assert.not.equal(bitsOf(results)[0]![1], bitsOf(results)[1]![1], 'runs differ in their seed')
})

test('networks do not depend on scans that are tested only', async () => {
  const trained = new Set(splits.flatMap(({ train, validation }) => [...train, ...validation]))
  const touched: number[] = []
  const load: LoadScan = (n) => {
    const { label } = set.cohort.rows[n]!
    if (label !== 'MCI' && trained.has(n)) return set.load(n)
    touched.push(n)
    return values(VOXELS, 9000 + n)
  }
  const networks = (results: ReadonlyMap<string, PartResult>) => bitsOf(results).map(([key, weights]) => [key, weights])
  const plain = await study()
  const other = await study({ set: { ...set, load } })
  assert.ok(touched.length > 0)
  assert.equal(networks(other.results), networks(plain.results))
})

test('broken off anywhere, it goes on to the same bits, and does nothing twice', async () => {
  const whole = await study({ residual: { covariates: ['age'], controls: 'CN' } })
  const kept = memory()
  const epochs: string[] = []
  // It ends in the first part after an epoch, then in the second.
  for (const stop of [2, 3, Number.POSITIVE_INFINITY]) {
    const control = new AbortController()
    let left = stop
    const more = {
      books: kept.books,
      residual: { covariates: ['age'], controls: 'CN' },
      signal: control.signal,
      onEpoch({ fold, run }: Part, { epoch }: { epoch: number }) {
        epochs.push(`${fold} ${run} ${epoch}`)
        if (--left === 0) control.abort(new Error('stopped'))
      },
    }
    const running = crossValidate(await testGpu(), options(more))
    await running.catch((error: Error) => assert.is(error.message, 'stopped'))
  }
  assert.equal(epochs, ['0 0 1', '0 0 2', '0 0 3', '1 0 1', '1 0 2', '1 0 3'])
  assert.equal(bitsOf(kept.results), bitsOf(whole.results))
})

test('residuals: fitted on the training controls of the fold alone', async () => {
  const residual = { covariates: ['age'], controls: 'CN' }
  const coefficients = async (changed: (n: number) => boolean) => {
    const load: LoadScan = (n) => (changed(n) ? values(VOXELS, 7000 + n) : set.load(n))
    const one = [splits[0]!]
    const { results } = await study({ set: { ...set, load }, splits: one, residual })
    const { network } = results.get('0 0')!
    assert.equal(network.description.recipe.residual?.covariates[0]?.name, 'age')
    assert.is(network.description.recipe.residual?.controls, splits[0]!.train.filter(isControl).length)
    return [...network.residual!.data]
  }
  const isControl = (n: number) => set.cohort.rows[n]!.label === 'CN'
  const isFitted = (n: number) => isControl(n) && splits[0]!.train.includes(n)
  const plain = await coefficients(() => false)
  assert.equal(await coefficients((n) => !isFitted(n)), plain)
  assert.not.equal(await coefficients(isFitted), plain)
})

test('somebody in two sets is refused by name, before any work', async () => {
  const { books } = memory()
  const gpu = await testGpu()
  const [first] = splits
  const leaking = { ...first!, train: [...first!.train, first!.validation[0]!] }
  const who = set.cohort.rows[first!.validation[0]!]!.participant
  const refused = async (more: Partial<CrossvalOptions>, pattern: RegExp) => {
    try {
      await crossValidate(gpu, options({ books, ...more }))
    } catch (error) {
      assert.match((error as Error).message, pattern)
      return
    }
    assert.unreachable(`nobody refused ${pattern}`)
  }
  await refused({ splits: [leaking] }, new RegExp(`${who} \\(train, validation\\)`))
  const same = { ...other.cohort, rows: other.cohort.rows.map((row, n) => ({ ...row, scan: `/A/${n}` })) }
  await refused({ others: [{ ...other, cohort: same }] }, /\/A\/0 \(A, B\)/)
  const named = { ...other.cohort, rows: other.cohort.rows.map((row, n) => ({ ...row, participant: `sub-A${n}` })) }
  await refused({ others: [{ ...other, cohort: named }], sameNames: true }, /sub-A0 \(A, B\)/)
})

test('what was loaded is kept while there is room, and asked for once', async () => {
  const asked: number[] = []
  const read = async (n: number) => {
    asked.push(n)
    await Promise.resolve()
    return Float32Array.of(n)
  }
  const load = keepLoaded(read, 4, 9)
  const both = await Promise.all([load(3), load(3)])
  assert.is(both[0], both[1])
  for (const n of [5, 7, 3, 5, 7]) assert.equal(await load(n), Float32Array.of(n))
  assert.equal(asked, [3, 5, 7, 7])
})

test('shuffled labels: as many of each, all scans of a participant alike, the same for a seed', () => {
  const lines = Array.from({ length: 40 }, (_, n) => `sub-${n >> 1}\tses-${n & 1}\t${n % 8 < 4 ? 'CN' : 'AD'}\n`)
  const cohort = parseCohort(`participant_id\tsession_id\tdiagnosis\n${lines.join('')}`)
  const labels = (seed: number) =>
    shuffleLabels(cohort, seed).rows.map(({ label, givenLabel }) => `${label} ${givenLabel}`)
  const own = labels(1)
  assert.is(own.filter((label) => label === 'AD AD').length, 20)
  own.forEach((label, n) => {
    assert.is(label, own[n ^ 1])
  })
  assert.equal(labels(1), own)
  assert.not.equal(labels(2), own)
  const moved = own.filter((label, n) => !label.startsWith(cohort.rows[n]!.label!)).length
  assert.ok(moved >= 8 && moved <= 32, `${moved} of 40 labels moved`)
})

test.run()
