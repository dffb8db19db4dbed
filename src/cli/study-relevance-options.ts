/** The options of voxplain study relevance. */
import { type Command, Option } from 'commander'
import { type RegionMeasure, regionMeasures } from '../explain/study/relevance-regions.ts'
import { addCohortOptions, type CohortCommandOptions } from './cohort-options.ts'
import type { CommonFlags } from './explain-options.ts'
import { addImportOptions, type ImportCommandOptions } from './network.ts'
import { bytesOption, integerOption, listOption, seedOption } from './options.ts'
import { type AtlasOptions, addAtlasOptions } from './study-options.ts'

export interface RelevanceOptions extends CohortCommandOptions, ImportCommandOptions, AtlasOptions, CommonFlags {
  out: string
  network: string
  recipe?: string
  regions: string[]
  method: string
  target?: string
  control?: string
  measure: RegionMeasure
  columns: string[]
  limit?: number
  random: number
  keepMaps?: boolean
  dryRun?: boolean
  json?: boolean
}

const HELP = `
Regions are named as in the atlas, or without the side for both sides; hippocampus+amygdala is both as one region. A region's
volume is the sum of the scan in it times the volume of a voxel: ml of tissue, where scans are maps of grey matter.
Writes index.html, regions.tsv, correlations.tsv, classification.tsv, predictions.tsv, relevance.json, figures, and mean and
difference maps of the groups. A study that was broken off goes on where it was.

Examples:
  voxplain study relevance adni/participants.tsv --network net.safetensors --atlas aal2.nii.gz --regions hippocampus \\
    --method lrp:dyrba --out study
  voxplain study relevance adni.tsv --network net.safetensors --atlas aal2.nii.gz --regions hippocampus,amygdala \\
    --method lrp,ig,saliency --columns mmse,age --out study
  voxplain study relevance adni.tsv --network net.safetensors --atlas aal2.nii.gz --regions hippocampus \\
    --method lrp,mask --random 10 --out study
`

/** Adds them to the command, whose argument is the cohort. */
export function addRelevanceOptions(command: Command): void {
  command
    .requiredOption('--network <file>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .requiredOption('--out <folder>', 'where to write; made if it is missing. What is done there is kept')
    .requiredOption('--regions <names>', 'regions to study: hippocampus,amygdala', listOption)
  addAtlasOptions(command)
    .option('--method <names>', 'how to explain: names as in lrp:epsilonPlus,ig:steps=100, or a .json', 'lrp')
    .option('--target <class>', 'class to explain in every scan (default: the last, by convention the patients)')
    .option('--control <label>', 'the controls (default: the first class of the network)')
    .addOption(
      new Option('--measure <name>', 'what of the relevance in a region is compared')
        .choices(Object.keys(regionMeasures))
        .default('positive'),
    )
    .addOption(
      new Option('--columns <names>', 'of the table, to compare relevance with: mmse,cdr')
        .default([], 'none')
        .argParser(listOption),
    )
    .addOption(
      new Option('--random <networks>', 'also as many networks with random weights, to compare with')
        .default(0)
        .argParser(integerOption(0, 1000)),
    )
    .option('--limit <scans>', 'only the first so many scans of the table', integerOption(1))
    .option('--keep-maps', 'write the map of every scan, too, to maps/')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--dry-run', 'list the work, its GPU memory and an estimated time, from one map by each method')
    .option('--batch <scans>', 'scans that the GPU works on at a time', integerOption(1, 1024))
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--seed <seed>', 'of all random numbers (default: 0)').argParser(seedOption))
    .option('--json', 'one JSON document on stdout')
  addCohortOptions(addImportOptions(command))
  const covariates = command.options.find(({ long }) => long === '--covariates')!
  covariates.description = 'taken off volumes (default: those of age, sex and tiv that the table has)'
  command.addHelpText('after', HELP)
}
