/** The few Python names that a checkpoint may use, each as plain data or a function of ours that makes a container. */
import { InputError } from '../../io/errors.ts'
import type { PickleFunction } from './pickle.ts'
import { ELEMENTS, type ElementName, type StorageType } from './torch-elements.ts'
import { rebuildTensor } from './torch-tensor.ts'

const orderedDict: PickleFunction = ([pairs]) => {
  if (pairs === undefined) return new Map()
  if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) {
    throw new InputError('the pickle is damaged: an OrderedDict is not made of pairs')
  }
  return new Map(pairs as [unknown, unknown][])
}

/** _rebuild_parameter(data, requires_grad, hooks) */
const rebuildParameter: PickleFunction = ([data]) => data

export const torchGlobals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['collections.OrderedDict', orderedDict],
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  // torch.Size is a tuple: its one argument.
  ['torch.Size', ((args) => args[0]) satisfies PickleFunction],
  ...Object.keys(ELEMENTS).map((element): [string, StorageType] => [
    `torch.${element}Storage`,
    { element: element as ElementName },
  ]),
])
