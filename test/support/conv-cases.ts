/** Random convolutions that fit their volumes, for the tests of every family of kernels. */
import fc from 'fast-check'
import { type ConvCase, convOutput } from './reference/conv.ts'

/** @param most samples, channels of a group in and out, and voxels along the middle axis, at most */
export function convCases(most: { n: number; inner: number; outer: number; height: number }): fc.Arbitrary<ConvCase> {
  return fc
    .record({
      n: fc.integer({ min: 1, max: most.n }),
      inner: fc.integer({ min: 1, max: most.inner }),
      outer: fc.integer({ min: 1, max: most.outer }),
      groups: fc.constantFrom(1, 1, 1, 2, 3),
      size: fc.tuple(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: most.height }),
        fc.integer({ min: 1, max: 37 }),
      ),
      kernel: fc.oneof(fc.constant([3, 3, 3]), triples(1, 4)),
      stride: fc.oneof(fc.constant([1, 1, 1]), triples(1, 3)),
      dilation: fc.oneof(fc.constant([1, 1, 1]), triples(1, 2)),
      front: triples(0, 3),
      back: triples(0, 3),
    })
    .map(({ inner, outer, ...c }) => ({ ...c, channels: inner * c.groups, outputs: outer * c.groups }))
    .filter((c) => convOutput(c).every((d) => d > 0))
}

/** One of a range along each axis. */
export const triples = (least: number, most: number) =>
  fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: least, max: most })))
