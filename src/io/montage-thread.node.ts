/** The thread that montage-apart.node.ts asks: draws a montage, answers with the PNG. */
import { parentPort } from 'node:worker_threads'
import { InputError } from './errors.ts'
import { type MontageOptions, montage } from './montage.ts'
import { encodePngApart } from './png.node.ts'
import type { Volume } from './volume.ts'

export interface MontageOrder {
  readonly id: number
  readonly background: Volume
  readonly overlay: Volume
  readonly options: MontageOptions
}

/** An error goes as its message, with whose fault it was: its class would be lost on the way. */
export type MontageAnswer =
  | { readonly id: number; readonly png: Uint8Array }
  | { readonly id: number; readonly error: string; readonly input: boolean }

parentPort!.on('message', async ({ id, background, overlay, options }: MontageOrder) => {
  let answer: MontageAnswer
  try {
    answer = { id, png: await encodePngApart(montage(background, overlay, options)) }
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error), input: error instanceof InputError }
  }
  parentPort!.postMessage(answer)
})
