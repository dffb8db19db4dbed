/** Checks of a cohort's files by what their headers said: there, each once, all on one grid. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkCohort } from '../src/io/cohort/cohort-check.ts'
import type { ScanFacts } from '../src/io/cohort/cohort-check-scans.ts'
import { describeGrid, gridDifferences } from '../src/io/cohort/grid-difference.ts'
import { assertProblems, cohortOf, problemsOf } from './support/cohort.ts'

const test = suite('scans of cohorts')

const GRID = { shape: [10, 12, 10] as const, affine: [2, 0, 0, -9, 0, 2, 0, -11, 0, 0, 2, -9, 0, 0, 0, 1] }

test('grids: what differs is said', () => {
  const moved = (affine: number[], shape = GRID.shape) => gridDifferences({ shape, affine }, GRID)
  assert.is(describeGrid(GRID), '10 x 12 x 10 voxels of 2 mm, RAS')
  assert.equal(moved(GRID.affine.map((v) => v + 1e-6)), [])
  assert.equal(gridDifferences({ ...GRID, shape: [10, 12, 11] }, GRID), ['shape 10 x 12 x 11'])
  assert.equal(moved([2.5, 0, 0, -9, 0, 2, 0, -11, 0, 0, 2, -9, 0, 0, 0, 1]), ['voxel size 2.5 x 2 x 2 mm'])
  assert.equal(moved([-2, 0, 0, 9, 0, 2, 0, -11, 0, 0, 2, -9, 0, 0, 0, 1]), ['orientation LAS'])
  assert.equal(moved([2, 0, 0, -8, 0, 2, 0, -11, 0, 0, 2, -9, 0, 0, 0, 1]), [
    'affine: first voxel at -8, -11, -9 mm, not -9, -11, -9',
  ])
  const [c, s] = [2 * Math.cos(0.1), 2 * Math.sin(0.1)]
  assert.equal(moved([c, -s, 0, -9, s, c, 0, -11, 0, 0, 2, -9, 0, 0, 0, 1]), ['affine: turned about its first voxel'])
})

test('scans: unknown, missing, unreadable, one file twice, copies, other grids', () => {
  const lines = [
    'participant_id label path',
    '1 CN a',
    '2 AD b',
    '3 AD c',
    '4 CN d',
    '5 CN n/a',
    '6 CN f',
    '7 CN a2',
    '8 CN h',
  ]
  const other = { ...GRID, shape: [10, 12, 11] as const }
  const facts = new Map<string, ScanFacts>([
    ['a', { identity: '1', grid: GRID, checksum: 'x' }],
    ['b', { identity: '2', grid: GRID, checksum: 'x' }],
    ['c', { fault: { kind: 'missing', message: 'c' } }],
    ['d', { fault: { kind: 'unreadable', message: 'd is odd' } }],
    ['f', { identity: '6', grid: other }],
    ['a2', { identity: '1', grid: GRID, checksum: 'x' }],
    ['h', { identity: '8', grid: other }],
  ])
  const cohort = cohortOf(lines)
  const withScans = { ...cohort, rows: cohort.rows.map((row) => ({ ...row, scan: row.cells.path ?? undefined })) }
  const report = checkCohort(withScans, facts)
  assertProblems(
    problemsOf(report),
    /^scan 6: rows whose scan could not be told/,
    /^scan 4: scans that are missing/,
    /^header 5: files that are no usable volume/,
    /^same-file 2,8: one file is named by 2 rows/,
    /^grid 7,9: another grid \(shape 10 x 12 x 11\) than most scans have \(10 x 12 x 10 voxels of 2 mm, RAS\)/,
  )
  assertProblems(
    problemsOf(checkCohort(withScans, facts, { grid: other })).slice(-1),
    /^grid 2,3,8: another grid \(shape 10 x 12 x 10\) than is needed \(10 x 12 x 11/,
  )
  assert.equal(report.notes, ['1, 2, 7 have scans with the same content (checksum)'])
  assert.equal(report.summary.grid, GRID)
})

test.run()
