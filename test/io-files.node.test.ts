import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { readFileChecked, readVolumeFile, writeFileAtomic } from '../src/io/files.node.ts'
import { readVolume } from '../src/io/nifti.ts'
import { buildNifti } from './io-nifti-build.ts'

const test = suite('files', { folder: '' })
test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'voxplain-files-'))
})
test.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true })
})

async function fails(promise: Promise<unknown>, ...parts: string[]) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.instance(error, InputError)
  for (const part of parts) assert.ok(error!.message.includes(part), `"${error!.message}" should say "${part}"`)
}

test('reading: missing, a folder, below a file', async ({ folder }) => {
  const file = join(folder, 'a.txt')
  await writeFile(file, 'text')
  assert.is((await readFileChecked(file)).length, 4)
  await fails(readFileChecked(join(folder, 'none.nii')), join(folder, 'none.nii'), 'does not exist')
  await fails(readFileChecked(folder), folder, 'is a folder')
  await fails(readFileChecked(join(file, 'b')), file, 'not a folder')
})

test('a volume is read from a file, plain or gzipped, and faults name the path', async ({ folder }) => {
  const bytes = buildNifti({ datatype: 4, littleEndian: false })
  for (const [name, content] of [
    ['a.nii', bytes],
    ['a.nii.gz', gzipSync(bytes)],
  ] as const) {
    await writeFile(join(folder, name), content)
    assert.equal([...(await readVolumeFile(join(folder, name))).data], [0, 1, 2, 3, 4, 5, 6, 7])
  }
  await writeFile(join(folder, 'bad.nii'), 'nothing of the kind')
  await fails(readVolumeFile(join(folder, 'bad.nii')), join(folder, 'bad.nii'), 'not a NIfTI')
})

test('a Node Buffer, whose slice() shares memory, is read like a Uint8Array and left alone', () => {
  const buffer = Buffer.from(buildNifti({ datatype: 64, littleEndian: false }))
  const before = Buffer.from(buffer)
  assert.equal([...readVolume(buffer).data], [0, 1, 2, 3, 4, 5, 6, 7])
  assert.equal(buffer, before)
})

test('writing replaces a file as a whole and leaves nothing else', async ({ folder }) => {
  const path = join(folder, 'out.json')
  await writeFileAtomic(path, 'first')
  await writeFileAtomic(path, new Uint8Array([115, 50]))
  assert.is(await readFile(path, 'utf8'), 's2')
  const long = `${'n'.repeat(251)}.tsv`
  await writeFileAtomic(join(folder, long), 'x')
  assert.equal((await readdir(folder)).sort(), [long, 'out.json'])
})

test('a failed write leaves neither a half-written file nor a temporary one', async ({ folder }) => {
  const missing = join(folder, 'no', 'where')
  await fails(writeFileAtomic(join(missing, 'a.png'), 'x'), missing, 'does not exist')
  await writeFile(join(folder, 'file'), 'kept')
  await fails(writeFileAtomic(join(folder, 'file', 'a.png'), 'x'), 'is a file, not a folder')
  await mkdir(join(folder, 'taken'))
  await fails(writeFileAtomic(join(folder, 'taken'), 'x'), join(folder, 'taken'), 'is a folder')
  await fails(writeFileAtomic(join(folder, `${'n'.repeat(300)}`), 'x'), 'name too long')
  assert.equal((await readdir(folder)).sort(), ['file', 'taken'])
  assert.is(await readFile(join(folder, 'file'), 'utf8'), 'kept')
})

test('a folder or file without permission', async ({ folder }) => {
  if (process.getuid?.() === 0 || process.platform === 'win32') {
    console.log('skipped: this user may read and write everything')
    return
  }
  await writeFile(join(folder, 'secret'), 'x', { mode: 0 })
  await fails(readFileChecked(join(folder, 'secret')), 'permission denied')
  await chmod(folder, 0o555)
  await fails(writeFileAtomic(join(folder, 'a'), 'x'), folder, 'not writable')
  await chmod(folder, 0o755)
})

test.run()
