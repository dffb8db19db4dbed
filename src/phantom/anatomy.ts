/**
 * Where grey matter is in the phantom's intact brain, as a function of MNI millimetres.
 *
 * The outer form is a handful of ellipsoids; the cortex is what lies within a few millimetres of the pial surface, where
 * that surface dips into the named fissures and into sulci that are the zero set of random waves; the deep nuclei, the
 * hippocampus and the amygdala are the measured regions themselves. x is the distance from the midline in all solids.
 */
import { REGIONS } from './regions.ts'
import { ellipsoid, type Field, randomWaves, regionGaussian, smoothUnion, softStep } from './shapes.ts'

/** Thickness of the cortex, of the cerebellar cortex, and half the width of a sulcus. A little more than life, to survive coarse voxels. */
const RIBBON_MM = 3.6
const FOLIUM_MM = 2.2
const SULCUS_HALF_GAP_MM = 0.9
/** Fissures of the cerebellum around the full circle, and the axis that they fan out from, in mm. */
const FISSURES = 14
const FASTIGIUM_Y = -47
const FASTIGIUM_Z = -33
/** Density of full cortex, with room below 1 for large heads, and of white matter. */
const CORTEX = 0.88
const WHITE = 0.05

const far = 1e3
const bounds = ellipsoid([0, -18, 8], [86, 104, 92])
const dome = ellipsoid([10, -24, 10], [59, 94, 68], 0, [45, 79, 34])
const orbital = ellipsoid([20, 36, -4], [27, 34, 23])
const temporal = ellipsoid([45, -19, -24], [21, 41, 19], -0.2)
const basal = ellipsoid([32, -55, -12], [22, 46, 14], -0.1)
const cerebellarHemisphere = ellipsoid([25, -63, -36], [27, 29, 23])
const vermis = ellipsoid([0, -60, -26], [13, 25, 22])
const pons = ellipsoid([0, -26, -32], [17, 13, 17])
const medulla = ellipsoid([0, -37, -56], [9, 9, 22], 0.25)
const midbrain = ellipsoid([0, -24, -10], [17, 13, 12])
const ventricleBody = ellipsoid([9, -2, 15], [6.5, 34, 7.5], -0.12)
const ventricleHorn = ellipsoid([25, -46, 6], [7, 24, 6], 0.1)
const thirdVentricle = ellipsoid([0, -14, 2], [2.2, 17, 11])
const fourthVentricle = ellipsoid([0, -45, -32], [6, 5, 9])

const gyri = randomWaves(11, 36, 28)
const depthNoise = randomWaves(13, 45, 8)
const shapeNoise = [14, 15, 16].map((seed) => randomWaves(seed, 70, 6).value)
const folia = randomWaves(17, 40, 12)

/** Basal ganglia, capsules and the tissue below the third ventricle: no cortex folds into it. */
const centralBlock = ellipsoid([18, -8, 2], [26, 36, 24])
const basalForebrain = ellipsoid([0, -8, -8], [24, 24, 15])

const isDeep = (name: string) => /Caudate|Putamen|Pallidum|Thalamus|Hippocampus|Amygdala|Olfactory/.test(name)
const nuclei = REGIONS.filter((region) => isDeep(region.name)).map((region) => ({
  surface: regionGaussian(region).surface,
  density: /Pallidum/.test(region.name) ? 0.42 : /Thalamus/.test(region.name) ? 0.66 : 0.84,
}))

/** Cerebral hull of one hemisphere (x = distance from the midline), before fissures. */
function cerebrumHull(x: number, y: number, z: number): number {
  const base = smoothUnion(basal(x, y, z), orbital(x, y, z), 6)
  return smoothUnion(smoothUnion(dome(x, y, z), base, 10), temporal(x, y, z), 3)
}

function cerebellumHull(x: number, y: number, z: number): number {
  return smoothUnion(cerebellarHemisphere(x, y, z), vermis(x, y, z), 8)
}

function brainstemHull(x: number, y: number, z: number): number {
  return smoothUnion(smoothUnion(pons(x, y, z), medulla(x, y, z), 8), midbrain(x, y, z), 6)
}

/** Height in mm of the lateral fissure at y. */
const sylvianHeight = (y: number) => 1 - 0.42 * (y + 10)

/** Distance in mm to the nearest of the fissures and sulci every brain has; `inside` is the depth below the hull. */
function namedSulci(x: number, y: number, z: number, inside: number): number {
  let d = far
  const lateral = z - sylvianHeight(y)
  if (y > -52) {
    d = Math.min(d, Math.hypot(Math.max(0, 39 - x), lateral * 0.92, Math.max(0, -42 - y)) - 1)
    // The insula: the floor of the fissure, a wall of cortex facing outwards.
    d = Math.min(d, Math.hypot(x - 41, Math.max(0, Math.abs(lateral) - 12), Math.max(0, Math.abs(y - 3) - 20)) - 0.6)
  }
  if (z > 12 && x > 4) {
    const central = (y + 36 - 0.5 * x + 0.1 * (z - 40)) * 0.88
    d = Math.min(d, Math.hypot(central, Math.max(0, inside - 17)))
  }
  if (x < 30) {
    // Callosal and cingulate sulci follow the corpus callosum; calcarine and parieto-occipital lie behind it.
    const ring = callosalRing(y, z)
    if (z > -6) {
      d = Math.min(d, Math.hypot(ring, Math.max(0, x - 7)))
      if (y > -45) d = Math.min(d, Math.hypot(ring - 12, Math.max(0, x - 15)))
    }
    if (y < -52) {
      d = Math.min(d, Math.hypot(z - 4 - 0.1 * (y + 75), Math.max(0, x - 20)))
      if (z > 3) d = Math.min(d, Math.hypot((y + 60 + 0.5 * (z - 5)) * 0.9, Math.max(0, x - 17)))
    }
  }
  return d
}

/** Distance in mm from the outer edge of the corpus callosum in the midsagittal plane; negative within its arch. */
function callosalRing(y: number, z: number): number {
  const u = (y + 4) / 36
  const v = (z - 3) / 25
  const r = Math.sqrt(u * u + v * v)
  return (r - 1) * 29
}

/**
 * Depth in mm below the pial surface of one hemisphere, fissures and sulci aside; negative outside. The tentorium and the
 * cisterns keep the cerebrum away from the cerebellum and the brain stem, the falx parts the hemispheres.
 */
function depthBelowSurface(x: number, y: number, z: number): number {
  const outer = Math.min(
    -cerebrumHull(x, y, z),
    cerebellumHull(x, y, z) - 1.5,
    z < -8 ? brainstemHull(x, y, z) - 2 : far,
  )
  const bridged = (callosalRing(y, z) < 0 && z > -12) || basalForebrain(x, y, z) < 0
  return bridged ? outer : smoothUnion(outer, x - 0.7, 8)
}

/**
 * Distance in mm to the sulci of random waves. The waves are read at the nearest point of the surface, so that sulci cut it
 * squarely, and slopes are taken within it.
 */
function randomSulci(x: number, y: number, z: number, depth: number, side: number): number {
  const step = 1
  const gx = depthBelowSurface(x + step, y, z) - depth
  const gy = depthBelowSurface(x, y + step, z) - depth
  const gz = depthBelowSurface(x, y, z + step) - depth
  const slope = Math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-6
  const ux = gx / slope
  const uy = gy / slope
  const uz = gz / slope
  const reach = depth / Math.max(slope, 0.5)
  // The two hemispheres share their plan and differ a little, as real ones do.
  const px = x - reach * ux + 3 * side
  const py = y - reach * uy + 2 * side
  const pz = z - reach * uz
  const floor = 16 + 4 * depthNoise.value(x, y, z)
  return Math.hypot(gyri.distanceToZero(px, py, pz, ux, uy, uz), Math.max(0, depth - floor))
}

/**
 * Grey-matter density in the cerebellum: cortex along fissures that fan out around a left-right axis through the roof of the
 * fourth ventricle, white matter branching between them (the tree of life of a sagittal cut).
 */
function cerebellum(x: number, y: number, z: number, inside: number, w: number): number {
  const dy = y - FASTIGIUM_Y
  const dz = z - FASTIGIUM_Z
  const wobble = 0.22 * folia.value(x, 0.6 * y, 0.6 * z)
  const turn = (Math.atan2(dz, dy) / (2 * Math.PI)) * FISSURES + wobble
  const radius = Math.hypot(dy, dz)
  const spacing = (2 * Math.PI * radius) / FISSURES
  const deep = Math.abs(turn - Math.round(turn)) * spacing
  const shallow = spacing / 2 - deep
  const branch = Math.min(Math.hypot(deep, Math.max(0, inside - 15)), Math.hypot(shallow, Math.max(0, inside - 7)))
  // The trunk of the tree, where the fissures would run together.
  const fissure = Math.max(branch, 11 - Math.hypot(0.9 * Math.max(0, x - 15), dy, dz))
  const pial = Math.min(inside, fissure - 0.2)
  const leaf = softStep(pial + 0.5, w) * softStep(FOLIUM_MM - pial, w + 0.3)
  return softStep(inside, w) * (WHITE + (0.84 - WHITE) * leaf)
}

/**
 * Builds the density function. `blur` is the half width in mm of every edge (about half a voxel).
 * Returns grey-matter density in [0, 1] at MNI mm, 0 outside the brain.
 */
export function greyMatter(blur: number): Field {
  const w = blur
  return (x0, y0, z0) => {
    if (bounds(x0, y0, z0) > 0) return 0
    const x1 = x0 + 1.1 * shapeNoise[0]!(x0, y0, z0)
    const y = y0 + 1.3 * shapeNoise[1]!(x0, y0, z0)
    const z = z0 + 1.3 * shapeNoise[2]!(x0, y0, z0)
    const side = x1 < 0 ? 1 : 0
    const x = Math.abs(x1)

    const stem = brainstemHull(x, y, z)
    const cereb = cerebellumHull(x, y, z)
    let density = 0
    if (cereb < w && stem > -2) density = cerebellum(x, y, z, -cereb, w)
    if (stem < w) density = Math.max(density, 0.22 * softStep(-stem, w))

    const depth = depthBelowSurface(x, y, z)
    if (depth > -w) {
      let pial = depth
      if (depth < 30) {
        const sulcus = Math.min(namedSulci(x, y, z, depth), randomSulci(x, y, z, depth, side)) - SULCUS_HALF_GAP_MM
        // A smooth minimum rounds the crowns of the gyri and notches the outline where a sulcus opens.
        pial = smoothUnion(pial, Math.max(sulcus, 2 - centralBlock(x, y, z)), 5)
      }
      const ribbon = softStep(pial, w) * softStep(RIBBON_MM - pial, w)
      density = Math.max(density, WHITE * softStep(depth, w) + (CORTEX - WHITE) * ribbon)
    }

    for (const nucleus of nuclei) {
      const d = nucleus.surface(x0, y0, z0)
      if (d < w) density = Math.max(density, nucleus.density * softStep(-d, w))
    }
    const fluid = Math.min(
      ventricleBody(x, y, z),
      ventricleHorn(x, y, z),
      thirdVentricle(x, y, z),
      fourthVentricle(x, y, z),
    )
    // Voxels of a ventricle's wall hold both fluid and white matter, which segmentations read as grey.
    if (fluid < 1 + w) density = Math.max(density, 0.4 * softStep(1 - fluid, w))
    return density * (1 - softStep(-fluid, w))
  }
}
