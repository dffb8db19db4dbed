/** The package's entry in Node: the same engine over Dawn, and files. */
import { nodePlatform } from './engine/platform.node.ts'
import { usePlatform } from './engine/platform.ts'

usePlatform(nodePlatform)

export { readFileChecked, readVolumeFile, writeFileAtomic } from './io/files.node.ts'
export { type PhantomRow, type WritePhantomOptions, writePhantom } from './phantom/write.node.ts'
export * from './public.ts'
