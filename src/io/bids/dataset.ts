/** dataset_description.json of derivatives, and what the validator is to pass over. */
import { InputError } from '../errors.ts'

export const BIDS_VERSION = '1.10.0'

export interface DerivativeAbout {
  /** What made it. */
  readonly version: string
  /** URI of the data set that it was made of. */
  readonly source: string
  /** dataset_description.json of that, where it has one. */
  readonly sourceDescription?: Readonly<Record<string, unknown>>
}

/** Name by which sources are referred to: bids:input:sub-01/anat/... */
export const SOURCE_LINK = 'input'

/** The description of a data set of relevance maps. */
export function datasetDescription({ version, source, sourceDescription = {} }: DerivativeAbout) {
  const { Name, License, DatasetDOI, Version } = sourceDescription
  const named = typeof Name === 'string' && Name !== '' ? Name : undefined
  const origin = {
    URL: source,
    ...(typeof DatasetDOI === 'string' && { DOI: DatasetDOI }),
    ...(typeof Version === 'string' && { Version }),
  }
  return {
    Name: named ? `Relevance maps of ${named}` : 'Relevance maps',
    BIDSVersion: BIDS_VERSION,
    DatasetType: 'derivative',
    ...(typeof License === 'string' && { License }),
    GeneratedBy: [{ Name: 'voxplain', Version: version, Description: 'voxplain bids' }],
    SourceDatasets: [origin],
    DatasetLinks: { [SOURCE_LINK]: source },
  }
}

/**
 * What .bidsignore says: the suffix `relevance` and the group's folder are none that the validator knows, their names
 * otherwise follow BIDS.
 */
export const BIDS_IGNORE = '.voxplain/\n*_relevance.*\ngroup/\n'

/** URI of a source file below the source data set. @param path relative, with slashes */
export function sourceUri(path: string): string {
  return `bids:${SOURCE_LINK}:${path}`
}

/**
 * The path in such a URI.
 * @throws InputError for another URI, or one that leads out of the data set
 */
export function pathOfSource(uri: string): string {
  const path = uri.startsWith(`bids:${SOURCE_LINK}:`) ? uri.slice(`bids:${SOURCE_LINK}:`.length) : undefined
  if (path === undefined || path === '' || /^[/\\]|^[a-z]:/i.test(path) || path.split(/[/\\]/).includes('..')) {
    throw new InputError(`"${uri}" is no file of the source data set`)
  }
  return path
}

/** What a dataset_description.json of derivatives lacks, in words; empty where it is sound. */
export function descriptionFaults(json: unknown): string[] {
  const it = (json ?? {}) as Record<string, unknown>
  const faults: string[] = []
  const need = (sound: boolean, fault: string) => void (sound || faults.push(fault))
  need(typeof it.Name === 'string' && it.Name !== '', 'Name is missing')
  need(typeof it.BIDSVersion === 'string' && /^1\.\d+\.\d+$/.test(it.BIDSVersion), 'BIDSVersion is missing')
  need(it.DatasetType === 'derivative', 'DatasetType is not derivative')
  const makers = Array.isArray(it.GeneratedBy) ? it.GeneratedBy : []
  need(makers.length > 0 && makers.every((one) => typeof one?.Name === 'string'), 'GeneratedBy has no Name')
  const sources = it.SourceDatasets
  need(
    sources === undefined || (Array.isArray(sources) && sources.every((one) => one?.URL || one?.DOI)),
    'SourceDatasets has neither URL nor DOI',
  )
  return faults
}
