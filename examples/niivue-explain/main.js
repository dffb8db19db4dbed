import { Niivue } from '@niivue/niivue'
import { closeGpu, explain, loadNetwork, openGpu, readVolume, writeVolume } from 'voxplain'

// The page as it was: a scan in NiiVue.
const nv = new Niivue()
await nv.attachTo('view')
await nv.loadVolumes([{ url: 'scan.nii.gz' }])

// What explains whatever scan is shown, by a network.
const [button, output] = document.querySelectorAll('button, output')
button.disabled = false
button.addEventListener('click', async () => {
  const gpu = await openGpu()
  const network = loadNetwork(new Uint8Array(await (await fetch('network.safetensors')).arrayBuffer()))
  const scan = readVolume(nv.volumes[0].toUint8Array())
  const { maps, attributions } = await explain(gpu, network, [scan], { method: 'lrp', target: 'AD' })
  closeGpu(gpu)
  const { buffer } = writeVolume(maps[0]).slice()
  const peak = maps[0].data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const colours = { colormap: 'warm', colormapNegative: 'winter', cal_min: 0.1 * peak, cal_max: peak }
  await nv.addVolumeFromUrl({ url: 'map.nii', buffer, ...colours })
  const { probabilities, target } = attributions[0]
  output.value = `P(AD) = ${probabilities[target].toFixed(4)}`
})
