/** Patterns of paths: what they stand for, and which are refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { completePattern, expandPattern, type PatternRow, type PatternStep } from '../src/io/cohort/cohort-pattern.ts'
import { fails } from './support/cohort.ts'

const test = suite('patterns of scans')

/** Whether a path is one that a pattern stands for. */
function stands(pattern: string, row: PatternRow, path: string): boolean {
  const fits = (steps: readonly PatternStep[], names: readonly string[]): boolean => {
    const [step, ...rest] = steps
    if (step === undefined || names.length === 0) return step === undefined && names.length === 0
    if (step === 'any folders') return fits(rest, names) || fits(steps, names.slice(1))
    const own = 'name' in step ? names[0] === step.name : step.names.test(names[0]!)
    return own && fits(rest, names.slice(1))
  }
  return expandPattern(completePattern(pattern), row).some((steps) => fits(steps, path.split('/')))
}

test('patterns: the row is put in letter by letter, brackets may be there or not', () => {
  const one = { participant: 'sub-1' }
  const pattern = '{sub}/[{ses}/]anat/*_label-GM*_probseg.nii[.gz]'
  assert.ok(stands(pattern, one, 'sub-1/anat/sub-1_label-GM_probseg.nii.gz'))
  assert.ok(stands(pattern, one, 'sub-1/ses-M0/anat/x_label-GM_probseg.nii'))
  assert.not(stands(pattern, one, 'sub-1/anat/x_label-WM_probseg.nii'))
  assert.not(stands(pattern, one, 'sub-10/anat/x_label-GM_probseg.nii'))
  assert.ok(stands(pattern, { participant: '1', session: 'M0' }, 'sub-1/ses-M0/anat/x_label-GM_probseg.nii'))
  assert.not(stands(pattern, { participant: '1', session: 'M0' }, 'sub-1/anat/x_label-GM_probseg.nii'))
  assert.not(stands(pattern, { participant: '1', session: 'M0' }, 'sub-1/ses-M6/anat/x_label-GM_probseg.nii'))
  assert.ok(stands('mri/mwp1*{participant}*.nii', { participant: '01' }, 'mri/mwp1sub-01_T1w.nii'))
  assert.not(stands('mri/mwp1*{participant}*.nii', { participant: '01' }, 'mri/mwp1sub-101.nii'))
  assert.not(stands('mri/mwp1*{participant}*.nii', { participant: '01' }, 'mri/mwp1sub-011.nii'))
  assert.not(stands('x*{participant}*', { participant: 'a.*' }, 'xabc'))
  assert.not(stands('{participant}', { participant: 'a.b' }, 'axb'))
  assert.ok(stands('*_{participant}_?.nii', one, 'x_sub-1_a.nii'))
})

test('patterns as users write them are completed, or refused', () => {
  assert.is(completePattern('sub-*/[ses-*/]anat/sub-*_x.nii'), '{sub}/[{ses}/]anat/sub-*_x.nii')
  assert.is(completePattern('mwp1*.nii'), '{sub}/[{ses}/]**/mwp1*.nii')
  assert.is(completePattern('a/{participant}.nii'), 'a/{participant}.nii')
  for (const bad of ['../x', 'a/../../b', '/etc/*', 'C:\\x', 'a\\..\\b'])
    fails(() => completePattern(bad), /lead out of its folder/)
  for (const bad of ['a[b', 'a]b', 'a[b[c]]', 'a[b]]']) fails(() => completePattern(bad), /brackets/)
  for (const bad of ['{subject}/x', '{constructor}', '{sub']) fails(() => completePattern(bad), /no place/)
  fails(() => completePattern(' '), /empty/)
})

test.run()
