/** The three planes that are drawn. */
export type PlaneName = 'axial' | 'coronal' | 'sagittal'
export const PLANES: readonly PlaneName[] = ['axial', 'coronal', 'sagittal']
/** The world axis that goes through a plane's slices. */
export const AXIS = { axial: 2, coronal: 1, sagittal: 0 } as const
