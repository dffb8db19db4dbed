/** Post-processing of maps against references written plainly, and what must hold of any map. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, findClusters } from '../src/explain/postprocess/clusters.ts'
import { groupMean, groupMoments, oneSampleT, welchT } from '../src/explain/postprocess/group.ts'
import { postprocess } from '../src/explain/postprocess/postprocess.ts'
import { FWHM_PER_SIGMA, smoothVolume } from '../src/explain/postprocess/smooth.ts'
import {
  negativePart,
  normaliseMap,
  percentileOfMagnitudes,
  positivePart,
  thresholdMap,
} from '../src/explain/postprocess/values.ts'
import { type Affine, type Volume, voxelSize, voxelToWorld } from '../src/io/volume.ts'
import { assertClose, values } from './support/evaluate.ts'

const test = suite('postprocess')
const RUNS = { seed: 11, numRuns: 25 }

/** Voxels of 2 x 1.5 x 3 mm, the first axis to the left, the others turned about it. */
const AFFINE: Affine = [-2, 0, 0, 40, 0, 1.2, -1.8, -20, 0, 0.9, 2.4, 5, 0, 0, 0, 1]

function volume(shape: readonly [number, number, number], data: ArrayLike<number>, affine = AFFINE): Volume {
  return { shape, data: Float32Array.from(data), affine }
}

const shapes = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 }))
const volumes = fc
  .tuple(shapes, fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([shape, seed, empty]) =>
    volume(
      shape,
      // Rounded, so that values are equal and clusters have ties; some are 0.
      values(shape[0] * shape[1] * shape[2], seed).map((v) => (Math.abs(v) < empty ? 0 : Math.round(v * 4) / 4)),
    ),
  )

test('positive less negative part is the map, and normalising is one division', () => {
  fc.assert(
    fc.property(volumes, ({ data }) => {
      const [up, down] = [positivePart(data), negativePart(data)]
      data.forEach((v, i) => {
        assert.is(up[i]! - down[i]!, v)
        assert.ok(up[i] === 0 || down[i] === 0)
      })
      const { map, scale } = normaliseMap(data, 'max')
      const largest = Math.max(...data.map(Math.abs))
      assert.is(scale, largest || 1)
      assertClose(
        map,
        data.map((v) => v / scale),
        'normalised',
        { relative: 1e-6, absolute: 0 },
      )
    }),
    RUNS,
  )
  assert.equal(normaliseMap(Float32Array.of(3, -4), 'none'), { map: Float32Array.of(3, -4), scale: 1 })
})

test('percentiles are those of NumPy', () => {
  // numpy.percentile([0, 1, 2, 3, 10], [0, 25, 60, 90, 99.99, 100])
  const map = Float32Array.of(-10, 0, 2, -1, 3)
  const found = [0, 25, 60, 90, 99.99, 100].map((q) => percentileOfMagnitudes(map, q))
  assertClose(Float32Array.from(found), [0, 1, 2.4, 7.2, 9.9972, 10], 'percentiles')
  assert.is(percentileOfMagnitudes(map, 0, 'nonzero'), 1)
  assert.is(percentileOfMagnitudes(new Float32Array(3), 50, 'nonzero'), 0)
  assert.is(percentileOfMagnitudes(new Float32Array(0), 50), 0)
  assert.is(normaliseMap(map, 'percentile').scale, percentileOfMagnitudes(map, 99.99))
  assert.equal(thresholdMap(map, 2), Float32Array.of(-10, 0, 2, 0, 3))
  assert.equal(thresholdMap(map, { percentile: 50 }), Float32Array.of(-10, 0, 0, 0, 3))
})

test('smoothing is the convolution with a Gaussian of the stated width in mm, for any voxels', () => {
  fc.assert(
    fc.property(volumes, fc.double({ min: 0.5, max: 9, noNaN: true }), (map, fwhm) => {
      const size = voxelSize(map.affine)
      const sigma = size.map((s) => fwhm / FWHM_PER_SIGMA / s)
      const weight = (axis: number, distance: number) => {
        const radius = Math.floor(4 * sigma[axis]! + 0.5)
        const gauss = (x: number) => Math.exp(-0.5 * (x / sigma[axis]!) ** 2)
        let total = 0
        for (let x = -radius; x <= radius; x++) total += gauss(x)
        return Math.abs(distance) <= radius ? gauss(distance) / total : 0
      }
      const [nx, ny] = map.shape
      const place = (v: number) => [v % nx, Math.floor(v / nx) % ny, Math.floor(v / nx / ny)]
      const expected = map.data.map((_, v) =>
        map.data.reduce((sum, value, u) => {
          const [a, b] = [place(v), place(u)]
          return sum + value * a.reduce((w, p, axis) => w * weight(axis, p - b[axis]!), 1)
        }, 0),
      )
      assertClose(smoothVolume(map, fwhm).data, expected, `fwhm ${fwhm}`, { relative: 1e-5, absolute: 1e-6 })
    }),
    { ...RUNS, numRuns: 15 },
  )
})

test('a smoothed point keeps its sum, and falls to half at half the width', () => {
  const shape = [31, 31, 31] as const
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
  const data = new Float32Array(31 ** 3)
  const at = (i: number, j: number, k: number) => i + 31 * (j + 31 * k)
  data[at(15, 15, 15)] = 1
  const { data: smooth } = smoothVolume(volume(shape, data, affine), 6)
  assert.ok(Math.abs(smooth.reduce((a, b) => a + b, 0) - 1) < 1e-6)
  assert.ok(Math.abs(smooth[at(18, 15, 15)]! / smooth[at(15, 15, 15)]! - 0.5) < 1e-5)
  assert.equal(smoothVolume(volume(shape, data, affine), 0).data, data)
  const broken = volume([3, 1, 1], [Number.NaN, 1, Number.POSITIVE_INFINITY], affine)
  assert.ok(smoothVolume(broken, 2).data.every(Number.isFinite))
  assert.throws(() => smoothVolume(broken, -1), /width in mm of at least 0, got -1/)
})

/** Clusters by the definition: voxels of one sign are joined with every such voxel within one step, until nothing changes. */
function clustersByDefinition({
  shape,
  data,
  affine,
}: Volume): { members: number[]; cluster: Omit<Cluster, 'label'> }[] {
  const [nx, ny] = shape
  const place = (v: number) => [v % nx, Math.floor(v / nx) % ny, Math.floor(v / nx / ny)] as [number, number, number]
  const owner = Array.from(data, (v, n) => (v === 0 ? -1 : n))
  for (let changed = true; changed; ) {
    changed = false
    owner.forEach((a, v) => {
      owner.forEach((b, u) => {
        const touch = place(v).every((p, axis) => Math.abs(p - place(u)[axis]!) <= 1)
        if (a < 0 || b < 0 || !touch || data[v]! * data[u]! < 0 || owner[u]! <= owner[v]!) return
        owner[u] = owner[v]!
        changed = true
      })
    })
  }
  const [, ...columns] = [0, 1, 2, 3].map((c) => [0, 1, 2].map((r) => affine[4 * r + c - 1]!))
  const [a, b, c] = columns as [number[], number[], number[]]
  const cross = [a[1]! * b[2]! - a[2]! * b[1]!, a[2]! * b[0]! - a[0]! * b[2]!, a[0]! * b[1]! - a[1]! * b[0]!]
  const mm3 = Math.abs(cross.reduce((sum, x, r) => sum + x * c[r]!, 0))
  const groups = [...new Set(owner)].filter((o) => o >= 0).map((o) => [...owner.keys()].filter((v) => owner[v] === o))
  return groups.map((members) => {
    const list = members.map((v) => data[v]!)
    const sum = list.reduce((x, y) => x + y, 0)
    const peak = members[list.findIndex((v) => Math.abs(v) === Math.max(...list.map(Math.abs)))]!
    const sizes = { voxels: members.length, mm3: members.length * mm3, sum, mean: sum / members.length }
    const where = { peakVoxel: place(peak), peakMm: voxelToWorld(affine, ...place(peak)) }
    return { members, cluster: { ...sizes, peak: data[peak]!, ...where } }
  })
}

test('clusters are the 26-connected components of each sign', () => {
  fc.assert(
    fc.property(volumes, fc.integer({ min: 1, max: 4 }), (map, minVoxels) => {
      const expected = clustersByDefinition(map)
        .filter(({ members }) => members.length >= minVoxels)
        .sort((a, b) => b.members.length - a.members.length || a.members[0]! - b.members[0]!)
      const { labels, clusters } = findClusters(map, { minVoxels })
      assert.is(clusters.length, expected.length)
      const wanted = new Uint32Array(map.data.length)
      expected.forEach(({ members }, n) => {
        for (const v of members) wanted[v] = n + 1
      })
      assert.equal(labels, wanted)
      clusters.forEach((cluster, n) => {
        const { mm3, sum, mean, ...rest } = expected[n]!.cluster
        const { label, mm3: foundMm3, sum: foundSum, mean: foundMean, ...found } = cluster
        assert.is(label, n + 1)
        assert.equal({ ...found, peakVoxel: [...found.peakVoxel] }, rest)
        assertClose(Float32Array.of(foundMm3, foundSum, foundMean), [mm3, sum, mean], 'sizes')
      })
    }),
    RUNS,
  )
  // A threshold is one of magnitudes, and NaN is nothing.
  const { clusters } = findClusters(volume([5, 1, 1], [1, 3, Number.NaN, -2, -0.5]), { threshold: 1 })
  assert.equal(
    clusters.map(({ voxels, peak }) => [voxels, peak]),
    [
      [2, 3],
      [1, -2],
    ],
  )
})

test('group maps are means and t of the textbook', () => {
  // scipy.stats: ttest_1samp(a, 0), ttest_ind(a, b, equal_var=False).
  const a = [2.1, 0.4, -1.2, 3.3, 1.7]
  const b = [0.2, 1.1, -0.6]
  const maps = (list: number[]) => list.map((v) => Float32Array.of(v, 5, 0))
  const [first, second] = [groupMoments(maps(a)), groupMoments(maps(b))]
  const mean = (list: number[]) => list.reduce((x, y) => x + y, 0) / list.length
  const error = (list: number[]) =>
    list.reduce((sum, v) => sum + (v - mean(list)) ** 2, 0) / (list.length - 1) / list.length
  assertClose(groupMean(first), [mean(a), 5, 0], 'mean')
  assert.is(first.n, 5)
  const one = oneSampleT(first)
  assertClose(one.t, [mean(a) / Math.sqrt(error(a)), 0, 0], 't')
  assert.is(one.df, 4)
  const two = welchT(first, second)
  const spread = error(a) + error(b)
  assertClose(two.t, [(mean(a) - mean(b)) / Math.sqrt(spread), 0, 0], 'Welch t')
  assertClose(two.df, [spread ** 2 / (error(a) ** 2 / 4 + error(b) ** 2 / 2), 0, 0], 'Welch df')
  assert.throws(() => oneSampleT(groupMoments(maps([1]))), /at least two maps in a group, got 1/)
  assert.throws(() => groupMoments([new Float32Array(2), new Float32Array(3)]), /3 voxels, the others 2/)
  assert.throws(() => groupMoments([]), /at least one map/)
})

test('moments are exact where float32 sums are not', () => {
  const maps = Array.from({ length: 500 }, (_, k) => Float32Array.of(4096 + (k % 2) / 1024))
  const moments = groupMoments(maps)
  assert.ok(Math.abs(moments.mean[0]! - (4096 + 1 / 2048)) < 1e-10)
  assert.ok(Math.abs(moments.squares[0]! - 500 / 2048 ** 2) < 1e-12)
})

test('the steps in their order, each of them optional', () => {
  const map = volume([4, 1, 1], [4, -8, 2, 1])
  const nothing = postprocess(map)
  assert.equal(nothing.map, map)
  assert.equal(nothing.steps, [])
  const some = postprocess(map, { part: 'positive', normalise: 'max', threshold: 0.3, minCluster: 1 })
  assert.equal(some.map.data, Float32Array.of(1, 0, 0.5, 0))
  assert.is(some.scale, 4)
  assert.equal(some.steps, ['positive part', 'divided by its maximum, 4', 'magnitudes below 0.3 left out'])
  const against = postprocess(map, { part: 'negative', minCluster: 2 })
  assert.equal(against.map.data, new Float32Array(4))
  assert.is(against.found.clusters.length, 0)
  const smooth = postprocess(map, { smooth: 3, part: 'positive' })
  assert.equal(smooth.map.data, positivePart(smoothVolume(map, 3).data))
  assert.equal(map.data, Float32Array.of(4, -8, 2, 1))
  assert.throws(() => postprocess(map, { threshold: -1 }), /at least 0, got -1/)
  assert.throws(() => postprocess(map, { threshold: { percentile: 101 } }), /from 0 to 100, got 101/)
})

test.run()
