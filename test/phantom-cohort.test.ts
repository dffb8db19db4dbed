import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { voxelSize, voxelToWorld } from '../src/io/volume.ts'
import { brainTemplate, defaultGrid } from '../src/phantom/brain.ts'
import { greyMatterMl, type PhantomSubject, phantomCohort } from '../src/phantom/cohort.ts'
import { DISEASE_REGIONS } from '../src/phantom/disease.ts'
import { normalField, randomStream } from '../src/phantom/random.ts'
import { REGIONS } from '../src/phantom/regions.ts'

const cohort = phantomCohort({ subjects: 60, voxelMm: 4, seed: 7 })
const everyone = [...cohort.subjects()]
const labelled = new Map(REGIONS.map(({ name, value }) => [name, value]))

function regionSum(data: Float32Array, names: readonly string[]): number {
  const values = new Set(names.map((name) => labelled.get(name)!))
  return data.reduce((sum, value, v) => (values.has(cohort.atlas.data[v]!) ? sum + value : sum), 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)]
  const cov = mean(a.map((value, i) => (value - ma) * (b[i]! - mb)))
  return cov / Math.sqrt(mean(a.map((v) => (v - ma) ** 2)) * mean(b.map((v) => (v - mb) ** 2)))
}

const identical = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i])

test('default grids are the ones the field uses', () => {
  const clinica = defaultGrid(1.5)
  assert.equal(clinica.shape, [121, 145, 121])
  assert.equal(voxelToWorld(clinica.affine, 0, 0, 0), [-90, -126, -72])
  assert.equal(voxelToWorld(clinica.affine, 120, 144, 120), [90, 90, 108])
  assert.equal(defaultGrid(2).shape, [91, 109, 91])
  assert.equal(defaultGrid(4).shape, [46, 55, 46])
  assert.throws(() => defaultGrid(0), /voxel size 0 mm/)
  assert.throws(() => defaultGrid(Number.NaN), /voxel size NaN mm/)
})

test('random numbers have the promised moments and do not depend on order', () => {
  const field = normalField(5, 100000)
  const average = mean([...field])
  const variance = mean([...field].map((value) => (value - average) ** 2))
  assert.ok(Math.abs(average) < 0.02, `mean ${average}`)
  assert.ok(Math.abs(variance - 1) < 0.03, `variance ${variance}`)
  assert.ok(identical(field.subarray(0, 100), normalField(5, 100)))
  const uniforms = Array.from({ length: 20000 }, randomStream(9).uniform)
  assert.ok(uniforms.every((value) => value >= 0 && value < 1))
  assert.ok(Math.abs(mean(uniforms) - 0.5) < 0.01)
  assert.ok(Math.abs(correlation(uniforms.slice(1), uniforms.slice(0, -1))) < 0.03)
})

test('the same seed gives the same bits, another seed others', () => {
  const again = phantomCohort({ subjects: 60, voxelMm: 4, seed: 7 }).subject(3)
  assert.ok(identical(again.scan.data, everyone[3]!.scan.data))
  assert.ok(identical(again.atrophy.data, everyone[3]!.atrophy.data))
  assert.equal(again.participant, everyone[3]!.participant)
  const other = phantomCohort({ subjects: 60, voxelMm: 4, seed: 8 }).subject(3)
  assert.not.ok(identical(other.scan.data, everyone[3]!.scan.data))
  assert.not.equal(other.participant, everyone[3]!.participant)
})

test('a subject does not depend on how many are asked, nor its person on the grid', () => {
  const few = phantomCohort({ subjects: 5, voxelMm: 4, seed: 7 })
  assert.ok(identical(few.subject(4).scan.data, everyone[4]!.scan.data))
  assert.equal([...few.subjects()].length, 5)
  const coarse = phantomCohort({ subjects: 5, voxelMm: 8, seed: 7 })
  assert.equal(coarse.participant(4), everyone[4]!.participant)
  const [a, b] = [greyMatterMl(coarse.subject(4).scan), greyMatterMl(everyone[4]!.scan)]
  assert.ok(Math.abs(a / b - 1) < 0.05, `${a} ml at 8 mm, ${b} ml at 4 mm`)
})

test('volumes are on the grid, finite and within [0, 1]; the background is 0', () => {
  const inBounds = ({ scan, atrophy }: PhantomSubject) =>
    [scan, atrophy].every((volume) => volume.data.every((value) => value >= 0 && value <= 1))
  assert.ok(everyone.every(inBounds))
  for (const { scan, atrophy } of everyone.slice(0, 2)) {
    for (const volume of [scan, atrophy, cohort.atlas, cohort.template]) {
      assert.equal(volume.shape, cohort.grid.shape)
      assert.equal(volume.affine, cohort.grid.affine)
      assert.is(volume.data.length, 46 * 55 * 46)
    }
    assert.ok([0, 45, scan.data.length - 1].every((corner) => scan.data[corner] === 0))
    const ml = greyMatterMl(scan)
    assert.ok(ml > 500 && ml < 1100, `${ml} ml of grey matter`)
  }
})

test('the template is a brain: hemispheres alike, dark inside, nuclei and cerebellum grey', () => {
  const { data, shape } = cohort.template
  const at = (x: number, y: number, z: number) => {
    const [i, j, k] = [(x + 90) / 4, (y + 126) / 4, (z + 72) / 4].map(Math.round) as [number, number, number]
    return data[i + shape[0] * (j + shape[1] * k)]!
  }
  const white = mean([at(26, -30, 30), at(-26, -30, 30), at(26, 10, 28), at(-26, 10, 28)])
  const putamen = mean([at(-25, 3, 1), at(27, 3, 1)])
  const cerebellum = mean([at(-36, -68, -34), at(38, -68, -34)])
  assert.ok(white < 0.15, `white matter ${white}`)
  assert.ok(putamen > 0.6, `putamen ${putamen}`)
  assert.ok(cerebellum > 0.4, `cerebellum ${cerebellum}`)
  const left: number[] = []
  const right: number[] = []
  for (let v = 0; v < data.length; v++) {
    const i = v % shape[0]
    if (i >= shape[0] / 2) continue
    left.push(data[v]!)
    right.push(data[v - i + shape[0] - 1 - i]!)
  }
  const likeness = correlation(left, right)
  assert.ok(likeness > 0.8 && likeness < 0.999, `left-right correlation ${likeness}`)
})

test('a rotated anisotropic grid shows the same brain', () => {
  const grid = { shape: [40, 60, 40] as const, affine: [0, 4, 0, -118, -5, 0, 0, 82, 0, 0, 5, -82, 0, 0, 0, 1] }
  assert.equal(voxelSize(grid.affine), [5, 4, 5])
  const ml = greyMatterMl(brainTemplate(grid))
  const expected = greyMatterMl(cohort.template)
  assert.ok(Math.abs(ml / expected - 1) < 0.03, `${ml} ml, ${expected} ml on the default grid`)
})

test('the atlas holds the labels of the table and little outside grey regions', () => {
  const found = new Set(cohort.atlas.data)
  found.delete(0)
  const known = new Set(cohort.labels.map((label) => label.index))
  assert.is(cohort.labels.length, 120)
  assert.is(known.size, 120)
  assert.ok([...found].every((value) => known.has(value)))
  assert.ok(found.size >= 115, `${found.size} of 120 regions have a voxel of 4 mm`)
  const centre = (name: string) => {
    const voxels = [...cohort.atlas.data.keys()].filter((v) => cohort.atlas.data[v] === labelled.get(name))
    return mean(voxels.map((v) => -90 + 4 * (v % 46)))
  }
  assert.ok(Math.abs(centre('Hippocampus_L') + 25) < 4)
  assert.ok(Math.abs(centre('Hippocampus_R') - 29) < 4)
})

test('groups are interleaved and balanced; options outside their range are refused', () => {
  assert.equal(
    everyone.slice(0, 4).map(({ participant }) => participant.diagnosis),
    ['CN', 'AD', 'CN', 'AD'],
  )
  assert.is(everyone.filter(({ participant }) => participant.diagnosis === 'AD').length, 30)
  assert.is(everyone[0]!.participant.participant_id, 'sub-001')
  assert.throws(() => phantomCohort({ subjects: 0 }), /0 subjects/)
  assert.throws(() => phantomCohort({ seed: -1 }), /seed -1/)
  assert.throws(() => phantomCohort({ groups: [] }), /groups \[\]/)
  assert.throws(() => phantomCohort({ groups: ['XX' as 'CN'] }), /CN, MCI, AD/)
  assert.throws(() => phantomCohort({ noise: Number.NaN }), /noise NaN/)
  assert.throws(() => cohort.subject(60), /subject 60/)
})

test('only patients lose grey matter, most of all in the medial temporal lobe', () => {
  const medial = DISEASE_REGIONS.filter((name) => /^(Hippocampus|Amygdala|ParaHippocampal)/.test(name))
  assert.is(medial.length, 6)
  for (const { participant, atrophy } of everyone) {
    const total = atrophy.data.reduce((a, b) => a + b, 0)
    if (participant.diagnosis === 'CN') {
      assert.is(total, 0)
      continue
    }
    const share = regionSum(atrophy.data, DISEASE_REGIONS) / total
    assert.ok(share > 0.8, `${participant.participant_id}: ${share} of the loss lies in the disease's regions`)
  }
  const typical = everyone.filter(({ participant }) => participant.subtype === 'typical')
  const lossRate = (names: readonly string[]) =>
    mean(typical.map(({ atrophy }) => regionSum(atrophy.data, names))) / regionSum(cohort.template.data, names)
  assert.ok(lossRate(medial) > 0.2)
  assert.ok(lossRate(medial) > 1.5 * lossRate(['Temporal_Inf_L', 'Temporal_Inf_R', 'Fusiform_L', 'Fusiform_R']))
  assert.ok(lossRate(['Precentral_L', 'Precentral_R']) < 0.01)
})

test('the atrophy map is what the disease took: without it the scan is whole', () => {
  const options = { subjects: 2, voxelMm: 4, seed: 7, noise: 0 }
  const sick = phantomCohort(options).subject(1)
  const healthy = phantomCohort({ ...options, effect: 0 }).subject(1)
  const gap = sick.scan.data.reduce(
    (most, value, v) => Math.max(most, Math.abs(value + sick.atrophy.data[v]! - healthy.scan.data[v]!)),
    0,
  )
  assert.ok(gap < 1e-6, `largest difference ${gap}`)
  assert.ok(greyMatterMl(sick.atrophy) > 5)
})

test('asymmetry says on which side more was lost', () => {
  const patients = everyone.filter(({ participant }) => participant.diagnosis === 'AD')
  for (const { participant, fractions } of patients) {
    const { asymmetry, hippocampus_loss_left: left, hippocampus_loss_right: right } = participant
    assert.ok(Math.abs((left - right) / (left + right) - asymmetry) < 0.002, participant.participant_id)
    assert.ok(Math.abs(fractions[REGIONS.findIndex(({ name }) => name === 'Hippocampus_L')]! - left) < 1e-4)
  }
  const inMap = patients.map(({ atrophy }) => {
    const [left, right] = ['Hippocampus_L', 'Hippocampus_R'].map((name) => regionSum(atrophy.data, [name]))
    return (left! - right!) / (left! + right!)
  })
  const told = patients.map(({ participant }) => participant.asymmetry)
  assert.ok(correlation(inMap, told) > 0.8, `correlation ${correlation(inMap, told)}`)
})

test('MCI loses about half of what AD does', () => {
  const severity = (group: 'MCI' | 'AD') => {
    const one = phantomCohort({ subjects: 200, groups: [group], seed: 3 })
    return mean(Array.from({ length: 200 }, (_, n) => one.participant(n).severity))
  }
  assert.ok(Math.abs(severity('AD') - 1) < 0.06)
  assert.ok(Math.abs(severity('MCI') - 0.5) < 0.03)
})

test('age takes grey matter, a larger head has more, men have larger heads', () => {
  const controls = everyone.filter(({ participant }) => participant.diagnosis === 'CN')
  const ml = controls.map(({ scan }) => greyMatterMl(scan))
  const tiv = controls.map(({ participant }) => participant.tiv_ml)
  const perHead = ml.map((value, i) => value / tiv[i]! ** 0.6)
  const age = controls.map(({ participant }) => participant.age)
  assert.ok(correlation(perHead, age) < -0.3, `grey matter and age: ${correlation(perHead, age)}`)
  assert.ok(correlation(ml, tiv) > 0.3, `grey matter and head: ${correlation(ml, tiv)}`)
  const heads = (sex: 'F' | 'M') =>
    mean(everyone.filter(({ participant }) => participant.sex === sex).map(({ participant }) => participant.tiv_ml))
  assert.ok(heads('M') > heads('F') + 80)
})

test('hippocampal grey matter tells patients from controls well, and not perfectly', () => {
  const score = (diagnosis: string) =>
    everyone
      .filter(({ participant }) => participant.diagnosis === diagnosis)
      .map(({ scan }) => regionSum(scan.data, ['Hippocampus_L', 'Hippocampus_R']))
  const patients = score('AD')
  const auc = mean(score('CN').flatMap((control) => patients.map((patient) => (control > patient ? 1 : 0))))
  assert.ok(auc > 0.9 && auc < 1, `AUC ${auc}`)
})

test.run()
