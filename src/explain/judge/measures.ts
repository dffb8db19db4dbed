/** The measures of how good a map is: their names, what they are after, and which way is better. */

export interface Measure {
  /** In full, for tables and pictures. */
  readonly title: string
  /** What it says, in a sentence. */
  readonly text: string
  readonly better: 'higher' | 'lower'
  readonly source: string
  /** Needs a map of the truth. */
  readonly truth?: boolean
  /** Explains again and again: costs many times what a map costs. */
  readonly again?: boolean
}

const all = {
  deletion: {
    title: 'Deletion AUC',
    text: 'Area under the probability of the class while voxels are replaced, the most relevant first.',
    better: 'lower',
    source: 'Petsiuk et al. 2018',
  },
  insertion: {
    title: 'Insertion AUC',
    text: 'Area under the probability of the class while voxels are put into the replacement, the most relevant first.',
    better: 'higher',
    source: 'Petsiuk et al. 2018',
  },
  pixelFlipping: {
    title: 'Pixel flipping',
    text: 'Mean drop of the logit while voxels are replaced, the most relevant first.',
    better: 'higher',
    source: 'Bach et al. 2015; Quantus PixelFlipping, as area over the curve',
  },
  regionPerturbation: {
    title: 'Region perturbation',
    text: 'Mean drop of the logit while cubes are replaced, those of the largest sums of relevance first.',
    better: 'higher',
    source: 'Samek et al. 2017; Quantus RegionPerturbation',
  },
  faithfulnessCorrelation: {
    title: 'Faithfulness correlation',
    text: 'Correlation, over random sets of cubes, of their relevance with the drop of the logit without them.',
    better: 'higher',
    source: 'Bhatt et al. 2020; Quantus FaithfulnessCorrelation',
  },
  maxSensitivity: {
    title: 'Max-sensitivity',
    text: 'Largest relative change of the map when noise is added to the scan.',
    better: 'lower',
    source: 'Yeh et al. 2019; Quantus MaxSensitivity',
    again: true,
  },
  randomisation: {
    title: 'Randomised weights',
    text: 'Rank correlation of |relevance| with that of the network whose layers are reset from the top, mean over layers.',
    better: 'lower',
    source: 'Adebayo et al. 2018; Quantus MPRT',
    again: true,
  },
  signedRandomisation: {
    title: 'Randomised weights, signed',
    text: 'Size of the rank correlation of relevance with its sign, layers reset from the top, mean over layers.',
    better: 'lower',
    source: 'Adebayo et al. 2018, maps without the absolute value',
    again: true,
  },
  outputReset: {
    title: 'Kept with the output reset',
    text: "How much of a map's order is kept when the network's answers are random, above what it keeps of any network: (r - c) / (1 - c).",
    better: 'lower',
    source: 'Sixt et al. 2020; chance c as of Binder et al. 2023',
    again: true,
  },
  complexityRise: {
    title: 'Rise of complexity',
    text: 'Relative rise of the entropy of relevance when all layers are reset.',
    better: 'higher',
    source: 'Hedström et al. 2024; Quantus EfficientMPRT',
    again: true,
  },
  sparseness: {
    title: 'Sparseness',
    text: 'Gini index of |relevance|: 1 when few voxels have all of it.',
    better: 'higher',
    source: 'Chalasani et al. 2020; Quantus Sparseness',
  },
  completeness: {
    title: 'Completeness error',
    text: 'Relative difference of the sum of relevance and the change of the logit when everything is replaced.',
    better: 'lower',
    source: 'Sundararajan et al. 2017; cf. Quantus Completeness',
  },
  massAccuracy: {
    title: 'Relevance mass in truth',
    text: 'Share of relevance that lies inside the true region.',
    better: 'higher',
    source: 'Arras et al. 2022; Quantus RelevanceMassAccuracy',
    truth: true,
  },
  rankAccuracy: {
    title: 'Relevance rank in truth',
    text: 'Share of the K most relevant voxels that lie inside the true region of K voxels.',
    better: 'higher',
    source: 'Arras et al. 2022; Quantus RelevanceRankAccuracy',
    truth: true,
  },
  truthAuc: {
    title: 'AUC of voxels',
    text: 'Probability that a voxel inside the true region is more relevant than one outside.',
    better: 'higher',
    source: 'Quantus AUC',
    truth: true,
  },
  pointing: {
    title: 'Pointing game',
    text: 'How often the most relevant voxel lies inside the true region.',
    better: 'higher',
    source: 'Zhang et al. 2018; Quantus PointingGame',
    truth: true,
  },
} as const satisfies Readonly<Record<string, Measure>>

export type MeasureName = keyof typeof all

export const measures: Readonly<Record<MeasureName, Measure>> = all

export const measureNames = Object.keys(all) as readonly MeasureName[]
