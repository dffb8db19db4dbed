/** What is at the crosshair: place, region, value, and the cluster with its size, mean and peak. */
import { el } from './dom.ts'
import { mapById, type PageStore, voxelAt } from './state.ts'
import { fixed, number, say } from './strings.ts'

export function crosshairBar(store: PageStore): HTMLElement {
  const value = (name: string) => el('dd', { attributes: { 'data-fact': name } })
  const [place, region, level, cluster] = ['position', 'region', 'value', 'cluster'].map(value) as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLElement,
  ]
  store.watch(
    (state) => [
      state.crosshair,
      state.shown[0],
      state.analyses[0],
      state.scan,
      state.regions,
      state.language,
      state.maps,
    ],
    (crosshair, id, analysis, scan, regions) => {
      place.textContent = `${crosshair.map((mm) => fixed(mm, 0)).join(', ')} mm`
      const here = scan && voxelAt(scan.volume, crosshair)
      const name = here === undefined ? undefined : regions?.names[regions.labels[here]! - 1]
      region.textContent = name?.replaceAll('_', ' ') ?? say('none')
      const map = mapById(store.get(), id)
      const voxel = map && voxelAt(map.volume, crosshair)
      level.textContent = voxel === undefined ? say('none') : number(map!.volume.data[voxel]!)
      const label = voxel === undefined ? 0 : (analysis?.labels[voxel] ?? 0)
      const found = label > 0 ? analysis?.clusters[label - 1] : undefined
      cluster.textContent = found
        ? say('clusterFacts', {
            voxels: found.voxels,
            mm3: Math.round(found.mm3),
            mean: number(found.mean, 3),
            peak: number(found.peak, 3),
          })
        : say('none')
    },
  )
  const fact = (key: 'position' | 'region' | 'value' | 'cluster', element: HTMLElement) =>
    el('div', { class: `fact ${key}` }, el('dt', { t: key }), element)
  return el(
    'dl',
    { class: 'crosshair-bar', attributes: { 'aria-live': 'polite', 'aria-atomic': 'false' } },
    fact('position', place),
    fact('region', region),
    fact('value', level),
    fact('cluster', cluster),
  )
}
