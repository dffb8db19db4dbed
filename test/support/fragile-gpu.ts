/** A GPU that is lost, or runs out of memory, when a test says so (Node only): it breaks the devices of the platform. */
import { nodePlatform } from '../../src/engine/platform.node.ts'

export interface Trouble {
  /** Called before each dispatch; true: the device is destroyed now, or so many ms later. */
  dispatch?(): boolean | number
  /** Called for each buffer; true: there is no memory for it. @param alive bytes of all buffers that are there */
  allocate?(bytes: number, alive: number): boolean
}

/** What happened to the devices that were opened meanwhile. */
export interface Damage {
  devices: number
  dispatches: number
  destroyed: number
  refused: number
  /** Buffers that are there now, and their bytes; and the most bytes that there were at a time. */
  buffers: number
  alive: number
  peak: number
}

export const UNHARMED: Damage = { devices: 0, dispatches: 0, destroyed: 0, refused: 0, buffers: 0, alive: 0, peak: 0 }

/** Runs work on devices with that trouble. @param damage is kept up to date meanwhile */
export async function withTrouble<T>(
  trouble: Trouble,
  work: () => Promise<T>,
  damage: Damage = { ...UNHARMED },
): Promise<{ result: T; damage: Damage }> {
  const real = nodePlatform.requestAdapter
  nodePlatform.requestAdapter = async (request) => {
    const adapter = await real.call(nodePlatform, request)
    const open = adapter.requestDevice.bind(adapter)
    adapter.requestDevice = async (descriptor) => {
      const device = await open(descriptor)
      damage.devices++
      // With a device all its buffers go.
      Object.assign(damage, { buffers: 0, alive: 0 })
      breakDispatches(device, trouble, damage)
      breakAllocations(device, trouble, damage)
      return device
    }
    return adapter
  }
  try {
    return { result: await work(), damage }
  } finally {
    nodePlatform.requestAdapter = real
  }
}

function breakDispatches(device: GPUDevice, { dispatch }: Trouble, damage: Damage): void {
  const destroy = () => {
    damage.destroyed++
    device.destroy()
  }
  const encoder = device.createCommandEncoder.bind(device)
  device.createCommandEncoder = (descriptor) => {
    const made = encoder(descriptor)
    const begin = made.beginComputePass.bind(made)
    made.beginComputePass = (about) => {
      const pass = begin(about)
      const real = pass.dispatchWorkgroups.bind(pass)
      pass.dispatchWorkgroups = (...groups) => {
        damage.dispatches++
        const when = dispatch?.() ?? false
        if (when === true) destroy()
        else if (when !== false) setTimeout(destroy, when)
        real(...groups)
      }
      return pass
    }
    return made
  }
}

/** A device that is out of memory gives buffers that are of no use, and says so to the error scope or to whoever listens. */
function breakAllocations(device: GPUDevice, { allocate }: Trouble, damage: Damage): void {
  const scopes: { filter: GPUErrorFilter; error?: GPUError }[] = []
  const listeners: ((event: Event) => void)[] = []
  const [push, pop] = [device.pushErrorScope.bind(device), device.popErrorScope.bind(device)]
  device.pushErrorScope = (filter) => {
    scopes.push({ filter })
    return push(filter)
  }
  device.popErrorScope = async () => {
    const own = scopes.pop()
    const error = await pop()
    return own?.error ?? error
  }
  const listen = device.addEventListener.bind(device)
  device.addEventListener = (type: string, listener: unknown) => {
    listeners.push(listener as (event: Event) => void)
    listen(type, listener as EventListener)
  }
  const create = device.createBuffer.bind(device)
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor)
    if (allocate?.(descriptor.size, damage.alive)) {
      damage.refused++
      const error = new GPUOutOfMemoryError('the device is full')
      const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory')
      if (scope) scope.error ??= error
      else for (const tell of listeners) tell({ error } as unknown as Event)
      buffer.destroy()
      return buffer
    }
    const { size } = descriptor
    const device = damage.devices
    damage.buffers++
    damage.alive += size
    damage.peak = Math.max(damage.peak, damage.alive)
    const destroy = buffer.destroy.bind(buffer)
    let there = true
    buffer.destroy = () => {
      if (there && damage.devices === device) {
        damage.buffers--
        damage.alive -= size
      }
      there = false
      destroy()
    }
    return buffer
  }
}
