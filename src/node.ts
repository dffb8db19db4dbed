/** The package's entry in Node: the same engine over Dawn, and files. */
import { nodePlatform } from './engine/platform.node.ts'
import { usePlatform } from './engine/platform.ts'

usePlatform(nodePlatform)

export * from './public.ts'
